"""SSIM and MS-SSIM as losses, of RGB in [0, 1], inside the field of view.

    l = (2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1)      cs = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)
    SSIM = mean_p l cs         MS-SSIM = prod_{j<M} (mean cs_j)^{w_j} (mean l_M cs_M)^{w_M}
    loss = 1 - value           C1 = 0.01^2, C2 = 0.03^2; m, s: 11-tap Gaussian of sigma 1.5

The reconstruction is composed with the target outside the field of view, so that windows across
its border see no foreign content; valid windows only.

References:
    Wang et al., "Image quality assessment", IEEE TIP 2004, eq. 13; Wang et al., "Multi-scale
    structural similarity", Asilomar 2003, eq. 7.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from retinaforge.core import Card, Refusal
from retinaforge.losses.contract import Images, Loss, LossEntry, Region
from retinaforge.losses.filters import Maps, derivatives
from retinaforge.losses.region import compose

C1, C2 = 0.01**2, 0.03**2
SIGMA_PX, RADIUS_PX = 1.5, 5
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
LEAST_SSIM_PX = 2 * RADIUS_PX + 1
LEAST_MS_SSIM_PX = 2 * RADIUS_PX * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
# Below this a scale's mean is held: powers below 1 have an infinite slope at 0.
LEAST_MEAN = 1e-4


def _blur(images: Maps) -> Maps:
    return derivatives(images, SIGMA_PX, ((0, 0),), radius_px=RADIUS_PX)[0]


def ssim_maps(x: Maps, y: Maps) -> tuple[Maps, Maps]:
    """Return (SSIM, contrast-structure) at each valid window of images in [0, 1]."""
    m_x, m_y = _blur(x), _blur(y)
    s_xx = _blur(x * x) - m_x * m_x
    s_yy = _blur(y * y) - m_y * m_y
    s_xy = _blur(x * y) - m_x * m_y
    cs = (2 * s_xy + C2) / (s_xx + s_yy + C2)
    return cs * (2 * m_x * m_y + C1) / (m_x * m_x + m_y * m_y + C1), cs


def _means(maps: Maps, fov: Region) -> Float[Tensor, "batch 3"]:
    weight = fov[..., RADIUS_PX:-RADIUS_PX, RADIUS_PX:-RADIUS_PX]
    return (maps * weight).sum((2, 3)) / weight.sum((2, 3)).clamp_min(1e-12)


def _mean_loss(similarity: Float[Tensor, "batch"], fov: Region) -> Float[Tensor, ""]:
    cropped = fov[..., RADIUS_PX:-RADIUS_PX, RADIUS_PX:-RADIUS_PX]
    seen = cropped.sum((1, 2, 3)) > 0
    return (1 - similarity).masked_fill(~seen, 0.0).sum() / seen.sum().clamp_min(1)


def ssim(reconstruction: Images, target: Images, fov: Region) -> Float[Tensor, ""]:
    """Return 1 - SSIM.

    Raises:
        Refusal: if a side is shorter than 11 px.
    """
    _require(target, LEAST_SSIM_PX, "SSIM")
    composed = compose(reconstruction, target, fov)
    maps, _ = ssim_maps((composed + 1) / 2, (target + 1) / 2)
    return _mean_loss(_means(maps, fov).mean(1), fov)


def ms_ssim(reconstruction: Images, target: Images, fov: Region) -> Float[Tensor, ""]:
    """Return 1 - MS-SSIM over five scales, each half the one before.

    Raises:
        Refusal: if a side is shorter than 161 px, with that number.
    """
    _require(target, LEAST_MS_SSIM_PX, f"MS-SSIM over {len(SCALE_WEIGHTS)} scales")
    x, y = (compose(reconstruction, target, fov) + 1) / 2, (target + 1) / 2
    value, region = torch.ones_like(x[:, :, 0, 0]), fov
    for scale, weight in enumerate(SCALE_WEIGHTS, start=1):
        full, cs = ssim_maps(x, y)
        maps = full if scale == len(SCALE_WEIGHTS) else cs
        value = value * _means(maps, region).clamp_min(LEAST_MEAN) ** weight
        x, y, region = _halve(x), _halve(y), _halve(region)
    return _mean_loss(value.mean(1), fov)


def _halve(maps: Tensor) -> Tensor:
    odd = (maps.shape[-2] % 2, maps.shape[-1] % 2)
    return avg_pool2d(maps, 2, padding=odd)


def _require(images: Images, least_px: int, what: str) -> None:
    if min(images.shape[-2:]) < least_px:
        raise Refusal(
            f"images of at least {least_px} px for {what}",
            f"{images.shape[-2]} x {images.shape[-1]} px",
            "use larger crops, or ssim",
        )


SSIM = Card(
    name="ssim",
    version=1,
    measures="1 - SSIM of RGB in [0, 1], 11-tap Gaussian windows, inside the field of view",
    range="[0, 2]",
    direction="lower is better",
    unit="1",
    smallest_n=1,
    reference="Wang et al., IEEE TIP 2004, eq. 13",
    known_failure="flat retina rules the mean: a missing capillary hardly moves it",
)
MS_SSIM = Card(
    name="ms_ssim",
    version=1,
    measures="1 - MS-SSIM (five scales) of RGB in [0, 1] inside the field of view; sides >= 161 px",
    range="[0, 1]",
    direction="lower is better",
    unit="1",
    smallest_n=1,
    reference="Wang et al., Asilomar 2003, eq. 7",
    known_failure="as SSIM; coarse scales outweigh the thin vessels; negative means are held at 0",
)
SSIM_ENTRY = LossEntry(SSIM, "structure", lambda _: Loss(SSIM, ssim))
MS_SSIM_ENTRY = LossEntry(MS_SSIM, "structure", lambda _: Loss(MS_SSIM, ms_ssim))

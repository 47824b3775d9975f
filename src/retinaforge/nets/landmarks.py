"""The network that finds disc, cup and fovea: a deeper vessel network, blind to colour casts.

    x_c' = m (x_c - mean_m x_c) / sd_m(x_c)      over the field of view, m

The disc is bright and the macula dark over distances that a local mean would take away, so only the
whole field's mean and spread are removed, channel by channel. A sixth level lets every pixel see
the whole picture: the fovea is found by where the disc is.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from retinaforge.nets.unet import VesselNet

MAPS = ("disc", "cup", "fovea")
WIDTHS = (16, 32, 48, 64, 96, 128)


def whiten_field(
    images: Float[Tensor, "batch 3 height width"], fov: Float[Tensor, "batch 1 height width"]
) -> Float[Tensor, "batch 3 height width"]:
    """Subtract each channel's mean inside the field of view and divide by its spread.

    Args:
        images: RGB in [-1, 1].
        fov: 1 inside the field of view, 0 outside.

    Returns:
        Mean 0 and standard deviation about 1 inside, 0 outside, clipped to [-5, 5].
    """
    area = fov.sum((2, 3), keepdim=True).clamp_min(1.0)
    residual = (images - (images * fov).sum((2, 3), keepdim=True) / area) * fov
    spread = (residual.square().sum((2, 3), keepdim=True) / area + 1e-3).sqrt()
    return (residual / spread).clamp(-5.0, 5.0)


class LandmarkNet(VesselNet):
    """Map a photograph to logits of `MAPS`; 0.9 M parameters at the default widths.

    Args:
        widths: channels at full, half, quarter, ... resolution.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__(widths, outputs=len(MAPS))

    def normalise(
        self,
        images: Float[Tensor, "batch 3 height width"],
        fov: Float[Tensor, "batch 1 height width"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the image in units of its own field's spread."""
        return whiten_field(images, fov)

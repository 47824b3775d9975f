"""Inside the field of view: means, erosion, and what stands outside."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from retinaforge.losses.contract import Images, Region


def mean_inside(
    values: Float[Tensor, "batch _ h w"], weight: Float[Tensor, "batch 1 h w"]
) -> Float[Tensor, ""]:
    """Return the weighted mean over each image's positions (and channels), then over images.

        sum_i [ sum_p w_p v_p / sum_p w_p ] / n

    Images without any weight (crops beside the retina) do not count; without any image left the
    value is 0 with a zero gradient. Averaging images, not pixels, keeps it independent of batching.
    """
    area = weight.sum((1, 2, 3))
    total = (values.mean(1, keepdim=True) * weight).sum((1, 2, 3))
    seen = area > 0
    each = (total / area.masked_fill(~seen, 1.0)).masked_fill(~seen, 0.0)
    return each.sum() / seen.sum().clamp_min(1)


def compose(reconstruction: Images, target: Images, fov: Region) -> Images:
    """Return the reconstruction inside and the target outside, where no gradient shall arise."""
    return target + fov * (reconstruction - target)


def erode(fov: Region, radius_px: int) -> Float[Tensor, "batch 1 h2 w2"]:
    """Return where a filter of this radius reads only pixels inside, on its valid positions.

    Shape (B, 1, H - 2r, W - 2r): beyond the frame counts as outside.
    """
    side = 2 * radius_px + 1
    outside = max_pool2d(1 - fov, (side, 1), stride=1)
    return 1 - max_pool2d(outside, (1, side), stride=1)


def pick(images: Images, channel: str) -> Float[Tensor, "batch _ height width"]:
    """Return the green channel, where vessels have most contrast, or all three."""
    return images[:, 1:2] if channel == "green" else images

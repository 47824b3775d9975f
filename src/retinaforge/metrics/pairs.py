"""What every comparison takes, and what two photographs must have in common.

Fidelity scores look only inside the field of view: over the whole frame the black border, which
any decoder reproduces, would flatter them.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8

from retinaforge.core import Refusal

PEAK = 255.0
EMPTY_FOV = "the field of view is empty"

Image = UInt8[np.ndarray, "height width 3"]
Mask = Bool[np.ndarray, "height width"]
Features = Float[np.ndarray, "n dim"]


def check_pair(reconstruction: np.ndarray, original: np.ndarray, fov_mask: np.ndarray) -> None:
    """Refuse two images and a mask that do not belong together.

    Args:
        reconstruction: RGB, 0-255.
        original: RGB, 0-255, of the same size.
        fov_mask: True inside the field of view, of the same size.

    Raises:
        Refusal: "expected 8-bit RGB images of one size and a mask of that size; got ...".
    """
    images = (np.asarray(reconstruction), np.asarray(original))
    right_type = all(image.dtype == np.uint8 and image.ndim == 3 for image in images)
    mask = np.asarray(fov_mask)
    if (
        right_type
        and images[0].shape == images[1].shape
        and images[0].shape[2] == 3
        and mask.dtype == np.bool_
        and mask.shape == images[0].shape[:2]
    ):
        return
    came = ", ".join(_describe(array) for array in (*images, mask))
    raise Refusal(
        "8-bit RGB images of one size and a boolean mask of that size",
        came,
        "bring both images to the same grid with images.Geometry before comparing them",
    )


def _describe(array: np.ndarray) -> str:
    return f"{array.dtype} {array.shape}"

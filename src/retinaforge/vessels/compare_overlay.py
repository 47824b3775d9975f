"""Pictures of what an estimate found, missed and added, and of where it broke vessels.

Blue and orange stay apart for every common kind of colour blindness (Okabe and Ito 2008).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8

from retinaforge.core import Refusal
from retinaforge.vessels.compare_pair import VesselPair
from retinaforge.vessels.skeleton import fov_box, require_masks, vessel_mask

MISSED, ADDED, FOUND = (0, 114, 178), (230, 159, 0), (235, 235, 235)
_STRENGTH, _SUBTLE = 0.85, 0.3


def overlay_missed_added(
    pixels: UInt8[np.ndarray, "height width 3"],
    reference: Bool[np.ndarray, "height width"],
    estimate: Bool[np.ndarray, "height width"],
    fov_mask: Bool[np.ndarray, "height width"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Paint missed vessel blue, added vessel orange and found vessel faintly white.

    Args:
        pixels: the photograph, RGB, 0-255; it is shown in grey.
        reference: True on the vessels that ought to be there.
        estimate: True on the vessels that are there.
        fov_mask: True inside the field of view; nothing is painted outside.

    Returns:
        An RGB picture of the photograph's size, 0-255.

    Raises:
        Refusal: if shapes differ.
    """
    require_masks(fov_mask, reference, estimate)
    if pixels.shape != (*fov_mask.shape, 3):
        raise Refusal(
            f"a photograph of shape {(*fov_mask.shape, 3)}",
            f"shape {pixels.shape}",
            "carry the masks back to the photograph's native size first",
        )
    canvas = np.repeat(pixels[..., 1:2], 3, axis=2).astype(np.float32)
    _paint(canvas, reference & estimate & fov_mask, FOUND, _SUBTLE)
    _paint(canvas, reference & ~estimate & fov_mask, MISSED, _STRENGTH)
    _paint(canvas, estimate & ~reference & fov_mask, ADDED, _STRENGTH)
    return np.rint(canvas).astype(np.uint8)


def break_positions_px(
    reference: Bool[np.ndarray, "height width"],
    estimate: Bool[np.ndarray, "height width"],
    fov_mask: Bool[np.ndarray, "height width"],
) -> Float[np.ndarray, "m 2"]:
    """Return the (x, y) of every broken run in the photograph's coordinates, in pixels."""
    pair = VesselPair(vessel_mask(estimate, fov_mask), vessel_mask(reference, fov_mask))
    corner = [part.start for part in fov_box(fov_mask)]
    return (pair.breaks.points + corner)[:, ::-1].astype(float)


def _paint(
    canvas: Float[np.ndarray, "height width 3"],
    where: Bool[np.ndarray, "height width"],
    colour: tuple[int, int, int],
    strength: float,
) -> None:
    canvas[where] = (1 - strength) * canvas[where] + strength * np.array(colour, np.float32)

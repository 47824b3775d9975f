"""Read artery/vein masks as DRIVE, HRF and LES-AV draw them: in colours.

Red artery, blue vein, green (or red with blue) both: a crossing; white, yellow or cyan: a vessel
whose name is not certain. HRF's green also means undecided.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from retinaforge.core import Refusal
from retinaforge.images.reading import MaskSizeError, read_photograph

Mask = Bool[np.ndarray, "height width"]


@dataclass(frozen=True)
class ArteryVein:
    """Named vessel pixels.

    Attributes:
        vessel: any vessel.
        artery: arteries, crossings too.
        vein: veins, crossings too.
        uncertain: vessels that nobody named.
    """

    vessel: Mask
    artery: Mask
    vein: Mask
    uncertain: Mask

    @property
    def one_name(self) -> Mask:
        """Return True where a vessel is either artery or vein, and certainly so."""
        return self.artery ^ self.vein


def read_artery_vein_mask(path: Path, *, size_px: tuple[int, int] | None = None) -> ArteryVein:
    """Read a coloured artery/vein mask.

    Args:
        path: an RGB or palette image.
        size_px: (height, width) of the photograph, in pixels; None skips the check.

    Raises:
        UnreadableImage: as `read_photograph`.
        MaskSizeError: expected a mask of the photograph's size.
        Refusal: expected red and blue vessels; got a mask without any.
    """
    red, green, blue = np.moveaxis(read_photograph(path).pixels > 127, 2, 0)
    if size_px is not None and red.shape != tuple(size_px):
        raise MaskSizeError(
            f"an artery/vein mask of {size_px[1]}x{size_px[0]} px like its photograph",
            f"{red.shape[1]}x{red.shape[0]} px: {path}",
            "give the mask drawn for this photograph, at its size",
        )
    crossing = (green & ~red & ~blue) | (red & blue & ~green)
    artery, vein = (red & ~green & ~blue) | crossing, (blue & ~green & ~red) | crossing
    vessel = red | green | blue
    if vessel.any() and not (artery ^ vein).any():
        raise Refusal(
            "an artery/vein mask with arteries in red and veins in blue",
            f"one without either: {path}",
            "read a black and white vessel mask with read_mask",
        )
    return ArteryVein(vessel, artery, vein, vessel & ~artery & ~vein)

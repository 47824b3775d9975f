"""Sizes of what is drawn, with the round field of view always whole.

A generator has learnt the field of view as the circle that fills a square. So on a canvas of
another shape the largest square is drawn, whole and round, and the rest of the canvas is black,
as it is beside the field in photographs. Nothing is cropped or stretched: training on random
aspect ratios, as RetinaLogos's release does (arXiv 2505.12887v3), cuts the field.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from retinaforge.core import Refusal

LARGEST_PX = 8192
BLACK = -1.0


@dataclass(frozen=True)
class Canvas:
    """An image and the square in it that the generator draws.

    Attributes:
        width, height: of the image, px.
        side: of the square, px; the shorter of both.
    """

    width: int
    height: int
    side: int

    @property
    def corner(self) -> tuple[int, int]:
        """Return (left, top) of the square, which stands in the middle."""
        return (self.width - self.side) // 2, (self.height - self.side) // 2


def canvas_of(size: str | int, *, unit: int) -> Canvas:
    """Return the canvas of a size.

    Args:
        size: "128" for a square or "192x128" for width x height, in px.
        unit: side of the smallest square that can be drawn: the autoencoder's factor times the
            network's patch.

    Raises:
        Refusal: for words that are no size, or a shorter side that is no multiple of the unit.
    """
    width, height = _sides(str(size))
    side = min(width, height)
    if side % unit or side < unit:
        lower = max(unit, side // unit * unit)
        raise Refusal(
            f"a size whose shorter side is a multiple of {unit} px, so that the field of view is "
            "drawn whole",
            f"{width}x{height}",
            f"ask for {lower} or {lower + unit} px",
        )
    return Canvas(width, height, side)


def on_canvas(
    squares: Float[Tensor, "batch 3 side side"], canvas: Canvas
) -> Float[Tensor, "batch 3 height width"]:
    """Return squares in [-1, 1] in the middle of a black canvas."""
    left, top = canvas.corner
    right, bottom = canvas.width - canvas.side - left, canvas.height - canvas.side - top
    return F.pad(squares, (left, right, top, bottom), value=BLACK)


def shift_for(side: int, trained: int) -> float:
    """Return the shift of times that keeps the noise level when a picture grows.

    sqrt(pixels / trained pixels), at least 1 (Esser et al. 2024, arXiv 2403.03206, eq. 23).
    """
    return max(1.0, side / trained)


def _sides(size: str) -> tuple[int, int]:
    words = size.lower().replace("×", "x").split("x")
    numbers = [int(word) for word in words if word.strip().isdecimal()]
    if len(numbers) != len(words) or len(words) not in (1, 2) or max(numbers) > LARGEST_PX:
        raise Refusal(
            f"a size as 128 or 192x128, at most {LARGEST_PX} px", repr(size), "give pixels"
        )
    return numbers[0], numbers[-1]

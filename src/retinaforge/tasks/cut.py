"""Cut turned, mirrored, stretched squares out of stacks of planes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Cut:
    """Where and how a square is cut.

    Attributes:
        centre_px: (x, y) of its middle in the planes.
        zoom: pixels of the cut per pixel of the planes.
        angle_rad: by how much it is turned.
        mirror: -1 mirrors left and right, 1 leaves them.
        stretch: width over height of what was square, square-rooted.
    """

    centre_px: tuple[float, float]
    zoom: float
    angle_rad: float = 0.0
    mirror: float = 1.0
    stretch: float = 1.0


def draw_cut(
    rng: np.random.Generator, centre_px: tuple[float, float], zoom: float, *, turn_rad: float
) -> Cut:
    """Draw a turn of up to `turn_rad`, a mirror and a slight stretch."""
    angle, mirror = rng.uniform(-turn_rad, turn_rad), float(rng.choice([-1.0, 1.0]))
    return Cut(centre_px, zoom, angle, mirror, math.exp(rng.normal(0, 0.06)))


def cut_square(
    planes: UInt8[Tensor, "planes _ _"], cut: Cut, *, side_px: int
) -> Float[Tensor, "planes side side"]:
    """Return the square, in 0..1, zero beyond the planes' border."""
    height, width = planes.shape[-2:]
    reach = math.ceil(side_px / cut.zoom * 0.75 * max(cut.stretch, 1 / cut.stretch)) + 2
    x, y = cut.centre_px
    left, top = max(0, int(x) - reach), max(0, int(y) - reach)
    right, bottom = min(width, int(x) + reach), min(height, int(y) + reach)
    part = planes[:, top : max(bottom, top + 1), left : max(right, left + 1)].float() / 255
    cosine, sine = math.cos(cut.angle_rad), math.sin(cut.angle_rad)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    matrix = turn @ np.diag([cut.mirror * cut.stretch, 1 / cut.stretch]) * (side_px / cut.zoom)
    half = np.array([part.shape[2], part.shape[1]], dtype=float)
    centre = (np.array([x - left, y - top]) + 0.5) * 2 / half - 1
    theta = torch.tensor(np.column_stack([matrix / half[:, None], centre]), dtype=torch.float32)
    size = [1, part.shape[0], side_px, side_px]
    grid = F.affine_grid(theta[None], size, align_corners=False)
    return F.grid_sample(part[None], grid, mode="bilinear", align_corners=False)[0]

"""What the anatomy network learns from: eyes with their landmarks, seen from afar and from near.

One network serves both looks: the whole field, where disc and fovea are found, and the disc close
by, where disc and cup are outlined. Real photographs teach the disc, and where the fovea cannot be;
cup and fovea are learnt from phantoms, whose truth is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from retinaforge.anatomy.frame import resize_pixels, working_frame
from retinaforge.core import Fov, Photograph
from retinaforge.tasks.cut import cut_square, draw_cut
from retinaforge.tasks.segmenter_samples import PHANTOMS, disguise

FAR_PX = 300
"""FOV diameter of the copies that whole fields are cut from; the near ones are each set's own."""

SIGMA_DD = 0.2
"""Width of the fovea's heat, in disc diameters."""

NEAREST_DD, FARTHEST_DD, STEEPEST_DEG = 1.75, 3.5, 35.0
"""Where the fovea may lie about the disc; 2.65 ± 0.3 disc diameters and 8 ± 4 degrees were measured
(Jonas et al. 2015, PLoS One 10, e0138701 and e0141771)."""

Plane = Float[np.ndarray, "height width"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Seen:
    """One eye with its landmarks, as it is at hand.

    Attributes:
        photo: the photograph.
        fov: its field of view.
        disc: inside of the disc.
        cup: inside of the cup; None where nobody drew it.
        fovea_px: (x, y); None where nobody marked it.
        group: its data set, or `PHANTOMS`.
    """

    photo: Photograph
    fov: Fov
    disc: Bool[np.ndarray, "height width"]
    cup: Bool[np.ndarray, "height width"] | None
    fovea_px: Point | None
    group: str


@dataclass(frozen=True)
class Stack:
    """One eye's planes at one size.

    Attributes:
        planes: R, G, B, disc, cup, fovea, where the cup is known, where the fovea is known, field
            of view, in 0-255.
        disc_px: centre of the disc, (x, y).
        diameter_px: vertical disc diameter.
        fov_px: diameter of the aperture's circle.
    """

    planes: UInt8[Tensor, "9 _ _"]
    disc_px: Point
    diameter_px: float
    fov_px: float


@dataclass(frozen=True)
class EyeStacks:
    """One eye from afar and from near."""

    name: str
    group: str
    far: Stack
    near: Stack


@dataclass(frozen=True)
class Batch:
    """Images in [-1, 1]; targets and where they are known, disc, cup, fovea; field of view 0/1."""

    images: Float[Tensor, "batch 3 side side"]
    targets: Float[Tensor, "batch 3 side side"]
    known: Float[Tensor, "batch 3 side side"]
    fov: Float[Tensor, "batch 1 side side"]


def middle_of(mask: Bool[np.ndarray, "height width"]) -> tuple[Point, float]:
    """Return centroid (x, y) and vertical diameter of a mask that is about an ellipse, pixels."""
    rows, columns = np.nonzero(mask)
    return (float(columns.mean()), float(rows.mean())), float(4 * rows.std())


def fovea_heat(size_px: tuple[int, int], fovea_px: Point, *, sigma_px: float) -> Plane:
    """Return exp(-d² / 2σ²) of the distance d from the fovea."""
    y = (np.arange(size_px[0]) - fovea_px[1])[:, None] / sigma_px
    x = (np.arange(size_px[1]) - fovea_px[0])[None, :] / sigma_px
    return np.exp(-0.5 * (x * x + y * y))


def impossible_fovea(size_px: tuple[int, int], disc_px: Point, *, diameter_px: float) -> Plane:
    """Return 1 where no fovea can lie about a disc, 0 where it may."""
    y = np.arange(size_px[0])[:, None] - disc_px[1]
    x = np.arange(size_px[1])[None, :] - disc_px[0]
    away = np.hypot(x, y) / diameter_px
    level = np.abs(y) <= math.tan(math.radians(STEEPEST_DEG)) * np.abs(x)
    possible = (away >= NEAREST_DD) & (away <= FARTHEST_DD) & level
    return 1.0 - possible


def stack_of(seen: Seen, *, fov_px: float) -> Stack:
    """Return an eye's planes at the size at which the aperture's circle is `fov_px` wide."""
    frame = working_frame(seen.fov, diameter_px=fov_px)
    left, top, right, _ = frame.box
    scale = frame.size_px[1] / (right - left)

    def resized(mask: np.ndarray) -> np.ndarray:
        return resize_pixels(mask.astype(np.uint8) * 255, frame)

    disc, inside = resized(seen.disc), resized(seen.fov.mask)
    disc_px, diameter_px = middle_of(disc > 127)
    nothing, everywhere = np.zeros_like(disc), np.full_like(disc, 255)
    cup = nothing if seen.cup is None else resized(seen.cup)
    if seen.fovea_px is None:
        heat = nothing
        known = impossible_fovea(disc.shape, disc_px, diameter_px=diameter_px)
    else:
        x, y = ((at + 0.5 - start) * scale - 0.5
                for at, start in zip(seen.fovea_px, (left, top), strict=True))  # fmt: skip
        heat = fovea_heat(disc.shape, (x, y), sigma_px=SIGMA_DD * diameter_px) * 255
        heat, known = heat * _shown(inside, x, y), np.ones(disc.shape)
    colour = resize_pixels(seen.photo.pixels, frame)
    cup_known = everywhere - disc if seen.cup is None else everywhere
    planes = [*np.moveaxis(colour, 2, 0), disc, cup, heat, cup_known, known * 255, inside]
    stacked = torch.from_numpy(np.stack([plane.astype(np.uint8) for plane in planes]))
    return Stack(stacked, disc_px, diameter_px, fov_px)


def _shown(inside: np.ndarray, x: float, y: float) -> bool:
    """Tell whether a point lies in the field of view; a fovea beyond it leaves no heat."""
    column, row = round(x), round(y)
    height, width = inside.shape
    return 0 <= row < height and 0 <= column < width and bool(inside[row, column] > 127)


def stacks_of(seen: Seen, *, near_px: float) -> EyeStacks:
    """Keep an eye ready for cuts from afar and from near, where its field is `near_px` wide."""
    far, near = stack_of(seen, fov_px=FAR_PX), stack_of(seen, fov_px=near_px)
    return EyeStacks(seen.photo.source, seen.group, far, near)


def _windowed(planes: Tensor, rng: np.random.Generator) -> Tensor:
    """Show a random window of the square only, as narrow crops and cut circles do."""
    side = planes.shape[-1]
    height, width = (round(side * rng.uniform(0.45, 0.95)) for _ in range(2))
    top, left = int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))
    window = torch.zeros_like(planes)
    window[:, top : top + height, left : left + width] = 1
    return planes * window


def _view(eye: EyeStacks, rng: np.random.Generator, *, side_px: int, near: bool) -> Tensor:
    stack = eye.near if near else eye.far
    height, width = stack.planes.shape[-2:]
    if near:
        zoom = math.exp(rng.uniform(math.log(44), math.log(120))) / stack.diameter_px
        centre, spread = stack.disc_px, 0.35 * stack.diameter_px
    else:
        zoom = side_px * math.exp(rng.uniform(math.log(0.7), math.log(1.15))) / stack.fov_px
        centre, spread = ((width - 1) / 2, (height - 1) / 2), 0.08 * stack.fov_px
    x, y = (float(at + rng.normal(0, spread)) for at in centre)
    cut = draw_cut(rng, (x, y), zoom, turn_rad=math.radians(20))
    planes = cut_square(stack.planes, cut, side_px=side_px)
    return _windowed(planes, rng) if rng.random() < 0.3 else planes


def draw_batch(
    eyes: Sequence[EyeStacks],
    rng: np.random.Generator,
    *,
    count: int,
    side_px: int,
    near_share: float,
    phantom_share: float,
) -> Batch:
    """Draw random disguised looks at eyes.

    Args:
        eyes: what to draw from.
        rng: decides everything.
        count: looks in the batch.
        side_px: side of a look, in pixels.
        near_share: share of the looks that are close to the disc.
        phantom_share: share of the looks at phantoms, where there are photographs too.
    """
    drawn = [eye for eye in eyes if eye.group == PHANTOMS]
    real = [eye for eye in eyes if eye.group != PHANTOMS]
    views = []
    for _ in range(count):
        members = drawn if drawn and (not real or rng.random() < phantom_share) else real
        eye = members[rng.integers(len(members))]
        view = _view(eye, rng, side_px=side_px, near=rng.random() < near_share)
        inside = (view[8:] > 0.5).float()
        views.append(torch.cat([disguise(view[:3], rng) * inside, view[3:8], inside]))
    batch = torch.stack(views)
    known = torch.cat([torch.ones_like(batch[:, :1]), batch[:, 6:8]], dim=1)
    return Batch(batch[:, :3] * 2 - 1, batch[:, 3:6], known * batch[:, 8:], batch[:, 8:])

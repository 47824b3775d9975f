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


def _shown_through(
    planes: Tensor, rng: np.random.Generator, *, least_px: float, most_px: float
) -> Tensor:
    """Show a random window of the square only, as crops and cut circles do; its middle is seen."""
    side = planes.shape[-1]
    spans = []
    for _ in range(2):
        length = min(side, round(rng.uniform(least_px, most_px)))
        slack = 0.15 * least_px
        start = round((side - length) / 2 + rng.uniform(-slack, slack))
        spans.append(slice(max(0, start), max(0, start) + length))
    window = torch.zeros_like(planes)
    window[:, spans[0], spans[1]] = 1
    return planes * window


def _near(eye: EyeStacks, rng: np.random.Generator, *, side_px: int) -> Tensor:
    """Look at the disc; every second time through a window of 1.25 to 2.6 disc diameters."""
    stack, tight = eye.near, rng.random() < 0.5
    disc_px = math.exp(rng.uniform(math.log(44), math.log(130)))
    zoom, spread = disc_px / stack.diameter_px, (0.08 if tight else 0.35) * stack.diameter_px
    x, y = (float(at + rng.normal(0, spread)) for at in stack.disc_px)
    cut = draw_cut(rng, (x, y), zoom, turn_rad=math.radians(20))
    planes = cut_square(stack.planes, cut, side_px=side_px)
    if not tight:
        return planes
    return _shown_through(planes, rng, least_px=1.25 * disc_px, most_px=2.6 * disc_px)


def _whole(eye: EyeStacks, rng: np.random.Generator, *, side_px: int) -> Tensor:
    """Look at the whole field; three times in ten at a part of it, with or without the disc."""
    stack = eye.far
    height, width = stack.planes.shape[-2:]
    zoom = side_px * math.exp(rng.uniform(math.log(0.7), math.log(1.15))) / stack.fov_px
    away = rng.normal(0, 0.08 * stack.fov_px, 2)
    partly = rng.random() < 0.3
    if partly:
        away = rng.uniform(-0.3, 0.3, 2) * stack.fov_px
    centre = ((width - 1) / 2 + float(away[0]), (height - 1) / 2 + float(away[1]))
    planes = cut_square(
        stack.planes, draw_cut(rng, centre, zoom, turn_rad=math.radians(20)), side_px=side_px
    )
    if not partly:
        return planes
    return _shown_through(planes, rng, least_px=0.45 * side_px, most_px=0.95 * side_px)


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
        look = _near if rng.random() < near_share else _whole
        view = look(eye, rng, side_px=side_px)
        inside = (view[8:] > 0.5).float()
        views.append(torch.cat([disguise(view[:3], rng) * inside, view[3:8], inside]))
    batch = torch.stack(views)
    known = torch.cat([torch.ones_like(batch[:, :1]), batch[:, 6:8]], dim=1)
    return Batch(batch[:, :3] * 2 - 1, batch[:, 3:6], known * batch[:, 8:], batch[:, 8:])

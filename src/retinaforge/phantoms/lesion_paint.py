"""Paint lesions: what each does to the light that comes back from the retina behind it.

scene' = base exp(a (1 + g n) c): c the kind's log contrast in R, G, B, a its cover with an
antialiased or feathered edge, n a texture anchored to the retina, base the scene itself or, for
what lies before the vessels and hides them, the scene without its fine detail. The contrasts were
fitted to the lesion masks of IDRiD (log of mean inside over mean of the ring round it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, map_coordinates

from retinaforge.core import rng_for
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Lesion, LesionKind

Colour = Float[np.ndarray, "height width 3"]
Plane = Float[np.ndarray, "height width"]
Box = tuple[slice, slice]


@dataclass(frozen=True)
class Paint:
    """How a kind of lesion looks.

    Attributes:
        contrast: natural log of its brightness over its surround's, R, G, B.
        feather: width of the soft edge as a share of the lesion's size; 0 is sharp.
        hides: how far it covers what lies behind it, 0-1.
        grain: contrast of its texture, relative to its own.
        grain_um: size of the texture's blobs.
    """

    contrast: tuple[float, float, float]
    feather: float = 0.0
    hides: float = 0.0
    grain: float = 0.0
    grain_um: float = 150.0


UNDER: dict[LesionKind, Paint] = {
    "geographic_atrophy": Paint((0.16, 0.28, 0.22), 0.07, 0.3, 0.24, 170.0),
    "drusen": Paint((0.08, 0.27, 0.22), 0.45, 0.0, 0.15, 90.0),
    "pigment_change": Paint((-0.28, -0.34, -0.20), 0.3, 0.0, 0.5, 60.0),
    "laser_scar": Paint((0.12, 0.36, 0.36), 0.3, 0.3, 0.3, 90.0),
    "microaneurysm": Paint((-0.06, -0.17, -0.12), 0.2),
    "haemorrhage_dot": Paint((-0.07, -0.21, -0.13), 0.32, 0.3, 0.2, 70.0),
    "hard_exudate": Paint((0.10, 0.30, 0.24), 0.12, 0.2, 0.15, 40.0),
}
OVER: dict[LesionKind, Paint] = {
    "irma": Paint((-0.10, -0.26, -0.18)),
    "cotton_wool_spot": Paint((0.12, 0.42, 0.42), 0.6, 0.75, 0.14, 110.0),
    "haemorrhage_flame": Paint((-0.08, -0.24, -0.15), 0.3, 0.4, 0.25, 50.0),
    "disc_haemorrhage": Paint((-0.16, -0.65, -0.60), 0.2, 0.6),
    "neovascularisation": Paint((-0.12, -0.32, -0.24)),
    "preretinal_haemorrhage": Paint((-0.42, -0.95, -0.80), 0.04, 0.97, 0.1, 300.0),
}
PIGMENT_IN_SCAR = Paint((-0.45, -0.62, -0.5), 0.45, 0.0, 0.4, 50.0)
MOST_LAYERS, GRID, TILE = 18, 48, 64


def paint_under(scene: Colour, frame: Frame, lesions: tuple[Lesion, ...]) -> Colour:
    """Paint the lesions that lie behind the large vessels."""
    out = _paint(scene, frame, lesions, UNDER)
    scars = [s for s in lesions if s.kind == "laser_scar" and s.seed % 3 != 0]
    if not scars:
        return out
    cover = _cover(frame, [_core(s) for s in scars], PIGMENT_IN_SCAR.feather)
    return _apply(out, cover, frame, PIGMENT_IN_SCAR, seed=scars[0].seed)


def paint_over(scene: Colour, frame: Frame, lesions: tuple[Lesion, ...]) -> Colour:
    """Paint the lesions that lie before the vessels: in the fibre layer and in the vitreous."""
    return _paint(scene, frame, lesions, OVER)


def _paint(
    scene: Colour, frame: Frame, lesions: tuple[Lesion, ...], paints: dict[LesionKind, Paint]
) -> Colour:
    """Paint kind after kind, in the order of the table."""
    out = scene
    for kind, paint in paints.items():
        found = [lesion for lesion in lesions if lesion.kind == kind]
        if found:
            cover = _cover(frame, found, paint.feather)
            out = _apply(out, cover, frame, paint, seed=found[0].seed)
    return out


def _core(scar: Lesion) -> Lesion:
    """Return the clump of pigment in the middle of a scar."""
    rng = rng_for(scar.seed, "pigment")
    centre = np.array(scar.centre_um)
    shift = rng.normal(0, 30, 2)
    share = rng.uniform(0.25, 0.75)
    return Lesion(
        "laser_scar", scar.centre_um, centre + shift + share * (scar.outline_um - centre),
        strength=float(rng.uniform(0.3, 1.0)), seed=scar.seed,
    )  # fmt: skip


def _apply(scene: Colour, cover: Plane, frame: Frame, paint: Paint, *, seed: int) -> Colour:
    """Return the scene behind or under a cover, changed only where the cover is not nought."""
    flat = np.flatnonzero(cover)
    if not len(flat):
        return scene
    out = np.array(scene, dtype=np.float32)
    pixels = out.reshape(-1, 3)
    a = cover.ravel()[flat]
    before = pixels[flat]
    if paint.hides:
        plain = _without_detail(scene, flat)
        before = before + (np.minimum(a, 1) * np.float32(paint.hides))[:, None] * (plain - before)
    if paint.grain:
        row, column = np.divmod(flat, frame.size_px)
        x = (column - frame.middle_px) * frame.px_um + frame.centre_um[0]
        y = (row - frame.middle_px) * frame.px_um + frame.centre_um[1]
        a = a * (1 + np.float32(paint.grain) * _texture(x, y, paint.grain_um, seed=seed))
    pixels[flat] = before * np.exp(a[:, None] * np.array(paint.contrast, dtype=np.float32))
    return out


def _texture(x: np.ndarray, y: np.ndarray, blob_um: float, *, seed: int) -> np.ndarray:
    """Return noise of variance about 1 at places on the retina: two octaves of a tiled lattice."""
    lattice = rng_for(seed, "texture").standard_normal((TILE, TILE)).astype(np.float32)
    u, v = x / np.float32(blob_um), y / np.float32(blob_um)
    coarse = map_coordinates(lattice, [v, u], order=1, mode="grid-wrap")
    fine = map_coordinates(lattice, [2.3 * u + 31, 9 - 2.3 * v], order=1, mode="grid-wrap")
    return np.clip(1.1 * coarse + 0.8 * fine, -2, 2)


def _without_detail(scene: Colour, flat: np.ndarray) -> Float[np.ndarray, "n 3"]:
    """Return the scene's broad colour at pixels: a coarse grid of its samples, interpolated."""
    size = scene.shape[0]
    step = size / GRID
    at = ((np.arange(GRID) + 0.5) * step).astype(int)
    grid = gaussian_filter(scene[np.ix_(at, at)], (4.5, 4.5, 0), mode="nearest")
    row, column = (np.array(np.divmod(flat, size)) + 0.5) / step - 0.5
    planes = [
        map_coordinates(grid[..., c], [row, column], order=1, mode="nearest") for c in range(3)
    ]
    return np.stack(planes, axis=1)


def _cover(frame: Frame, lesions: list[Lesion], feather: float) -> Plane:
    """Return the strength of one kind of lesion at each pixel; the largest where they overlap."""
    cover = np.zeros((frame.size_px, frame.size_px), dtype=np.float32)
    for lesion in lesions:
        if lesion.points_um:
            box, depth = own_vessels(lesion, frame)
            width = 2 * np.concatenate(lesion.radii_um).mean() / frame.px_um
            share = np.clip(depth + 0.5, 0, 1) * np.float32(min(1.0, width))
        else:
            box, share = _feathered(lesion, frame, feather)
        np.maximum(cover[box], share * np.float32(lesion.strength), out=cover[box])
    return cover


def _feathered(lesion: Lesion, frame: Frame, feather: float) -> tuple[Box, Plane]:
    """Return the box of a lesion and its cover in it: outlines from grown to shrunk, as steps."""
    corners = frame.to_px(lesion.outline_um)
    middle = frame.to_px(np.array([lesion.centre_um]))[0]
    grown = middle + (1 + feather) * (corners - middle)
    box = _box(grown, frame.size_px, 1)
    height, width = box[0].stop - box[0].start, box[1].stop - box[1].start
    if height <= 0 or width <= 0:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), dtype=np.float32)
    fine = 8 if max(height, width) < 14 else 4 if max(height, width) < 90 else 2
    origin = np.array([box[1].start, box[0].start]) - 0.5
    # As many steps as the soft edge has pixels, or the steps would show as rings.
    many = int(np.clip(feather * max(height, width), 1, MOST_LAYERS))
    scales = np.linspace(1 + feather, 1 - feather, many) if many > 1 else (1.0,)
    image = Image.new("L", (width * fine, height * fine))
    pen = ImageDraw.Draw(image)
    for step, scale in enumerate(scales, start=1):
        at = (middle + scale * (corners - middle) - origin) * fine - 0.5
        pen.polygon(at.ravel().tolist(), fill=round(255 * step / many))
    return box, np.asarray(image.reduce(fine), dtype=np.float32) * np.float32(1 / 255)


def _box(points: Float[np.ndarray, "n 2"], size_px: int, margin: int) -> Box:
    low = np.floor(points.min(0)).astype(int) - margin
    high = np.ceil(points.max(0)).astype(int) + margin + 1
    left, top = (max(0, int(v)) for v in low)
    right, bottom = (min(size_px, int(v)) for v in high)
    return slice(top, max(top, bottom)), slice(left, max(left, right))


def own_vessels(lesion: Lesion, frame: Frame) -> tuple[Box, Plane]:
    """Return the box of a lesion's own vessels and the depth inside the nearest wall there.

    Depth is in pixels, negative outside, of walls at least half a pixel from the centreline.
    """
    points = [frame.to_px(p) for p in lesion.points_um]
    radii = [r / frame.px_um for r in lesion.radii_um]
    reach = math.ceil(max(0.5, *(float(r.max()) for r in radii)) + 1.0)
    box = _box(np.concatenate(points), frame.size_px, reach)
    height, width = box[0].stop - box[0].start, box[1].stop - box[1].start
    depth = np.full((height, width), -np.inf, dtype=np.float32)
    if depth.size == 0:
        return box, depth
    starts, ends, widths = (np.concatenate(part) for part in zip(
        *(_pieces(p, r) for p, r in zip(points, radii, strict=True)), strict=True))  # fmt: skip
    offset = np.arange(-reach - 1, reach + 2)
    oy, ox = (g.ravel() for g in np.meshgrid(offset, offset, indexing="ij"))
    centre = np.rint((starts + ends) / 2).astype(int)
    x, y = centre[:, :1] + ox, centre[:, 1:] + oy
    step = ends - starts
    px, py = x - starts[:, :1], y - starts[:, 1:]
    length = np.maximum((step**2).sum(1, keepdims=True), 1e-12)
    t = np.clip((px * step[:, :1] + py * step[:, 1:]) / length, 0, 1)
    away = np.hypot(px - t * step[:, :1], py - t * step[:, 1:])
    inside_wall = (np.maximum(widths, 0.5)[:, None] - away).astype(np.float32)
    row, column = y - box[0].start, x - box[1].start
    here = (row >= 0) & (column >= 0) & (row < height) & (column < width) & (inside_wall > -1)
    np.maximum.at(depth.ravel(), (row * width + column)[here], inside_wall[here])
    return box, depth


def _pieces(points: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut a polyline into pieces of about a pixel: starts, ends, radii."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.union1d(np.linspace(0, along[-1], int(along[-1]) + 2), along)
    fine = np.stack([np.interp(at, along, points[:, k]) for k in (0, 1)], axis=1)
    width = np.interp(at, along, radii)
    return fine[:-1], fine[1:], (width[:-1] + width[1:]) / 2

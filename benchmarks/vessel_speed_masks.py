"""The masks of `vessel_speed`: real eyes and phantoms in a frame of 1024 px, and hard shapes.

Real masks come from ../shared/data where it is there; each is scaled so that its longer side is
1024 px and laid in a square, as VascX wants it. Disc and fovea are those that our network finds in
the photograph, the same for every package; a fovea that it does not find is put where it mostly
is, five radii of the disc from it, towards the middle of the picture.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from retinaforge.anatomy import load_anatomy
from retinaforge.core import Landmarks
from retinaforge.images import find_fov, read_mask, read_photograph
from retinaforge.images.artery_vein import read_artery_vein_mask
from retinaforge.phantoms import draw

DATA = Path(__file__).parents[1] / "../shared/data"
SETS = ("chase_db1", "les_av", "drive")
SIDE_PX = 1024


def write_eyes(folder: Path, *, count: int) -> list[Path]:
    """Write `count` eyes of each set that is there, and as many phantoms."""
    paths = [_write(folder / f"{name}-{stem}", **eye)
             for name in SETS if (DATA / name).is_dir()
             for stem, eye in islice(_real(DATA / name), count)]  # fmt: skip
    return [*paths, *(write_phantom(folder, seed=seed, size_px=SIDE_PX) for seed in range(count))]


def write_phantom(folder: Path, *, seed: int, size_px: int) -> Path:
    """Write a phantom's masks and landmarks."""
    eye = draw(seed, size_px=size_px)
    return _write(
        folder / f"phantom-{seed}-{size_px}px", vessel=eye.vessel, artery=eye.artery, vein=eye.vein,
        fov=eye.fov.mask, centre=eye.disc_centre_px, radius=eye.disc_radius_px, fovea=eye.fovea_px,
    )  # fmt: skip


def _real(home: Path) -> Iterator[tuple[str, dict[str, object]]]:
    with (home / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["vessel_mask"]]
    for row in rows:
        photo = read_photograph(home / row["image"])
        fov = find_fov(photo)
        marks = load_anatomy("ours").landmarks(photo, fov)
        if marks.disc_centre_px is None or marks.disc_axes_px is None:
            continue
        masks = {"vessel": read_mask(home / row["vessel_mask"]), "fov": fov.mask}
        if row["artery_vein_mask"]:
            kinds = read_artery_vein_mask(home / row["artery_vein_mask"])
            masks |= {"artery": kinds.artery, "vein": kinds.vein}
        scale = SIDE_PX / max(photo.size_px)
        yield Path(row["image"]).stem, {
            **{kind: _framed(mask) for kind, mask in masks.items()},
            "centre": np.multiply(marks.disc_centre_px, scale),
            "radius": marks.disc_axes_px[1] * scale,
            "fovea": np.multiply(_fovea(marks, photo.size_px[1]), scale),
        }  # fmt: skip


def _fovea(marks: Landmarks, width_px: int) -> tuple[float, float]:
    if marks.fovea_px is not None:
        return marks.fovea_px
    (x, y), (_, radius) = marks.disc_centre_px, marks.disc_axes_px
    return x + 5 * radius * (1 if x < width_px / 2 else -1), y


def _framed(mask: np.ndarray) -> np.ndarray:
    """Scale a mask so that its longer side is 1024 px and lay it in the upper left of a square."""
    scale = SIDE_PX / max(mask.shape)
    height, width = (round(side * scale) for side in mask.shape)
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize((width, height))
    framed = np.zeros((SIDE_PX, SIDE_PX), dtype=bool)
    framed[:height, :width] = np.asarray(grey) > 127
    return framed


def _disc(side: int) -> np.ndarray:
    y, x = np.indices((side, side))
    return np.hypot(x - side / 2, y - side / 2) < 0.45 * side


def _square(side: int) -> np.ndarray:
    mask = np.zeros((side, side), dtype=bool)
    mask[side // 8 : -side // 8, side // 8 : -side // 8] = True
    return mask


def _full(side: int) -> np.ndarray:
    return np.ones((side, side), dtype=bool)


def _meander(side: int) -> np.ndarray:
    """Return one line that winds through the whole frame, 6 px wide, 64 px from turn to turn."""
    mask = np.zeros((side, side), dtype=bool)
    rows = range(32, side - 32, 64)
    for number, row in enumerate(rows):
        mask[row : row + 6, 32 : side - 32] = True
        if row + 64 in rows:
            edge = side - 38 if number % 2 == 0 else 32
            mask[row : row + 70, edge : edge + 6] = True
    return mask


def _lattice(side: int) -> np.ndarray:
    mask = np.zeros((side, side), dtype=bool)
    for offset in range(4):
        mask[24 + offset :: 64] = mask[:, 24 + offset :: 64] = True
    return mask


SHAPES: dict[str, tuple[int, Callable[[int], np.ndarray]]] = {
    "filled square": (1024, _square),
    "filled disc": (2048, _disc),
    "whole frame": (4096, _full),
    "meander": (2048, _meander),
    "long meander": (4096, _meander),
    "lattice": (1024, _lattice),
}
"""Name to (side in pixels, drawing)."""


def write_shapes(folder: Path) -> list[Path]:
    """Write the shapes, with a disc of a twentieth of the frame in its middle."""
    paths = []
    for name, (side, drawing) in SHAPES.items():
        mask, middle = drawing(side), np.array([side / 2, side / 2])
        # PVBM blanks the disc and begins where a line leaves it.
        paths.append(_write(
            folder / f"{name.replace(' ', '-')}-{side}px", vessel=mask, fov=_full(side),
            centre=middle, radius=side / 20, fovea=middle + np.array([side / 4, 0]),
        ))  # fmt: skip
    return paths


def _write(path: Path, **eye: object) -> Path:
    whole = path.with_name(f"{path.name}.npz")
    np.savez_compressed(whole, **eye)
    return whole

"""Read what a folder holds for damage: a photograph with its masks, or the phantom of a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from retinaforge.core import Fov, Photograph, Record, Refusal
from retinaforge.images import find_fov, read_index_mask, read_mask, read_photograph
from retinaforge.phantoms.people import Sitting, phantom_of, places, sit
from retinaforge.phantoms.phantom import Phantom
from retinaforge.phantoms.recipe import parse_recipe

Mask = Bool[np.ndarray, "height width"]


def read_masked(record: Record) -> tuple[Photograph, Fov, dict[str, Mask]]:
    """Read a photograph, its field and its masks; an artery/vein file becomes three masks.

    Raises:
        Refusal: if a file cannot be read or a mask is of another size.
    """
    photo = read_photograph(record.path, eye=record.eye)
    masks: dict[str, Mask] = {}
    for kind, path in record.masks.items():
        if kind == "artery_vein":
            masks |= _artery_vein(path, photo)
        else:
            masks[kind] = _mask(path, photo, at_least=2 if kind == "cup" else 1)
    fov = find_fov(photo) if "fov" not in masks else _fov_of(masks.pop("fov"))
    return photo, fov, masks


def _mask(path: Path, photo: Photograph, *, at_least: int) -> Mask:
    """Read a mask drawn in black and white or, if that shows nothing, in small numbers."""
    drawn = read_mask(path, size_px=photo.size_px)
    if drawn.any():
        return drawn
    return read_index_mask(path, at_least=at_least, size_px=photo.size_px)


def _artery_vein(path: Path, photo: Photograph) -> dict[str, Mask]:
    """Split the public sets' colours: red artery, blue vein, green both, white uncertain."""
    colours = read_photograph(path).pixels > 127
    if colours.shape[:2] != photo.size_px:
        raise Refusal(
            f"a mask of {photo.size_px[1]}x{photo.size_px[0]} px like its photograph",
            f"{colours.shape[1]}x{colours.shape[0]} px: {path}",
            "give the mask drawn for this photograph, at its size",
        )
    red, green, blue = (colours[..., c] for c in range(3))
    both = green & ~red & ~blue
    return {
        "artery": (red & ~blue) | both,
        "vein": (blue & ~red) | both,
        "uncertain": red & green & blue,
    }


def _fov_of(mask: Mask) -> Fov:
    """Return the field that a mask shows: the circle of its longer side."""
    y, x = np.nonzero(mask)
    if not len(x):
        raise Refusal("a field of view that shows something", "an empty mask", "mend the mask")
    centre = ((x.min() + x.max()) / 2, (y.min() + y.max()) / 2)
    wide, high = int(x.max() - x.min() + 1), int(y.max() - y.min() + 1)
    kind = "circle" if abs(wide - high) <= 0.02 * max(wide, high) else "cut circle"
    return Fov(mask, (float(centre[0]), float(centre[1])), max(wide, high) / 2, kind)


def redraw(folder: Path, record: Record) -> tuple[Phantom, Sitting]:
    """Draw the phantom of a file of a set again, from the settings of the set.

    Args:
        folder: as `write_phantoms` writes it, with phantoms.json.
        record: one photograph of it.

    Raises:
        Refusal: if the file differs from what this version draws.
    """
    settings = json.loads((folder / "phantoms.json").read_text())
    recipe = parse_recipe(settings["recipe"])
    index = int(record.path.stem.split("_")[1])
    place = places(recipe, seed=settings["seed"], count=index + 1)[index]
    sitting = sit(recipe, place, seed=settings["seed"])
    phantom = phantom_of(sitting, size_px=settings["size_px"])
    there = read_photograph(record.path)
    if not np.array_equal(there.pixels, phantom.photograph.pixels):
        raise Refusal(
            "a phantom as this version of RetinaForge draws it",
            f"other pixels: {record.path}",
            "draw the set again with `retinaforge phantoms draw`, then damage it",
        )
    return phantom, sitting

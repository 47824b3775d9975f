"""The masks that images are asked for with: found, checked, read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_with
from retinaforge.generators.maps import MapPlan
from retinaforge.images.records import IMAGE_SUFFIXES
from retinaforge.tasks.latents import Frame
from retinaforge.tasks.mask_files import Files, MaskFinder, files_beside
from retinaforge.tasks.masks import framed_masks
from retinaforge.tasks.pairs import Pair
from retinaforge.tasks.sample_requests import Wording

CHANNELS = 3
"""Kinds that one image can hold, a colour channel each."""
GREYS, MOST_GREY = (32, 223), 0.3
"""Levels that are neither black nor white, and the largest share of them in a mask."""


def masks_below(place: Path, plan: MapPlan | None) -> list[Path | dict[str, Files]]:
    """Return the masks of a file or folder, one an image to draw, by name.

    Args:
        place: an image of masks; a folder of them; or a folder that has one for each map (vessel/,
            lesions/hard_exudate/, as a set of phantoms), where files of one name belong together
            and a map without that file is left to the generator.
        plan: of the generator; None lets any image pass, to be refused with its own.

    Raises:
        Refusal: "expected a mask or a folder of masks; got none at ...".
    """
    if place.is_file():
        return [place]
    found = _images(place)
    if found:
        return list(found)
    kinds = () if plan is None else plan.kinds
    stems = sorted({path.stem for kind in kinds for path in _below(place, kind)})
    each = [{kind: files_beside(place, kind, stem) for kind in kinds} for stem in stems]
    rows = [{kind: files for kind, files in row.items() if files} for row in each]
    if not rows:
        folders = f", or folders for {', '.join(kinds)}" if kinds else ""
        raise Refusal(f"a mask or a folder of masks{folders}", f"none at {place}", "check --masks")
    return list(rows)


def own_masks(
    pair: Pair, finder: MaskFinder, folder: Path, *, size_px: int, frame: Frame = "auto"
) -> dict[str, Files]:
    """Write the masks of a pair on the square that a generator draws; return the files.

    Args:
        pair: whose eye is asked for.
        finder: says where its masks lie.
        folder: to write NAME.png into, one a mask.
        size_px: side of the square.
        frame: as in training.

    Raises:
        Refusal: if the pair has none of the masks, or one that is not its photograph's.
    """
    files = finder(pair)
    if not files:
        names = ", ".join(finder.names)
        raise Refusal(f"a mask of {names} for {pair.name}", "none", "leave the caption out")
    row: dict[str, Files] = {}
    for name, square in framed_masks(pair, files, size_px=size_px, frame=frame).items():
        path, image = folder / f"{name.replace(':', '-')}.png", Image.fromarray(square)
        write_with(path, lambda stream, image=image: image.save(stream, "PNG"))
        row[name] = (path,)
    return row


def asked_masks(
    wording: Wording, plan: MapPlan, side: int
) -> tuple[Float[Tensor, "1 kinds side side"], Bool[Tensor, "1 kinds"]]:
    """Return the masks that a wording asks for, as shares from 0 to 1, and which it gives.

    Raises:
        Refusal: for a mask that is no image, not square, too small, coloured, or of a kind that
            the generator does not know.
    """
    kinds = len(plan.kinds)
    if wording.mask is not None:
        return read_masks(wording.mask, kinds, side), torch.ones(1, kinds, dtype=torch.bool)
    asked = wording.masks or {}
    if unknown := sorted(set(asked) - set(plan.kinds)):
        raise Refusal(f"masks of {', '.join(plan.kinds)}", unknown[0], "name one of these")
    shares = [_union(asked.get(kind, ()), side) for kind in plan.kinds]
    return torch.cat(shares, 1), torch.tensor([[kind in asked for kind in plan.kinds]])


def read_masks(path: Path, kinds: int, side: int) -> Float[Tensor, "1 kinds side side"]:
    """Return the masks of an image file, as shares from 0 to 1.

    Args:
        path: a grey image for one kind; for two or three, one colour channel each.
        kinds: how many.
        side: to which they are brought by the area average.

    Raises:
        Refusal: if it is no image, not square, smaller than the side, not of so many kinds, or grey
            as a photograph.
    """
    try:
        with Image.open(path) as image:
            found = image.convert("RGB")
    except OSError as error:
        raise Refusal("a mask image", f"{path} ({error})", "name a PNG file") from error
    _require_square(found, path, kinds, side)
    _require_colours(found, path, kinds)
    largest = max(high for _, high in found.getextrema())
    if 0 < largest <= 1:
        raise Refusal("a mask of 0 and 255", f"0 and 1 in {path}", "multiply it by 255")
    _require_two_values(found, path)
    resized = np.array(found.resize((side, side), Image.Resampling.BOX), np.float32)
    return torch.from_numpy(resized[..., :kinds] / 255).permute(2, 0, 1)[None]


def _union(files: Files, side: int) -> Tensor:
    found = torch.zeros(1, 1, side, side)
    for path in files:
        found = torch.maximum(found, read_masks(path, 1, side))
    return found


def _require_square(found: Image.Image, path: Path, kinds: int, side: int) -> None:
    came = f"{path}: {found.width}x{found.height} px"
    if found.width != found.height or kinds > CHANNELS:
        raise Refusal(
            f"a square mask with a colour channel for each of at most {CHANNELS} kinds",
            f"{came} for {kinds} kinds",
            "bring it to the square of the photograph; give a folder for each of more kinds",
        )
    if found.width < side:
        raise Refusal(
            f"a mask of at least {side}x{side} px, as the image that is asked for",
            came,
            "give it larger, or ask for a smaller --size",
        )


def _require_colours(found: Image.Image, path: Path, kinds: int) -> None:
    red, green, blue = (np.asarray(channel) for channel in found.split())
    grey = not ((red != green).any() or (green != blue).any())
    if kinds == 1 and not grey:
        raise Refusal(
            "a black and white mask of one kind", f"a coloured image: {path}", "name the mask"
        )
    if kinds > 1 and grey and red.any():
        raise Refusal(
            f"a colour channel for each of {kinds} kinds",
            f"a grey image: {path}",
            "give a folder for each kind",
        )


def _require_two_values(found: Image.Image, path: Path) -> None:
    """Refuse photographs: masks have grey levels along outlines only."""
    values = np.asarray(found)
    share = float(((values > GREYS[0]) & (values < GREYS[1])).mean())
    if share > MOST_GREY:
        raise Refusal(
            "a black and white mask", f"{share:.0%} of {path} is grey, as in a photograph",
            "name the masks' folder",
        )  # fmt: skip


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)


def _below(place: Path, kind: str) -> list[Path]:
    """Return the files of a kind in any of the folders that `files_beside` looks into."""
    plain = kind.removeprefix("lesion:")
    folders = [place / kind, place / plain, place / "lesions" / plain]
    if kind == "lesion" and (place / "lesions").is_dir():
        folders += sorted((place / "lesions").iterdir())
    return [path for folder in folders for path in _images(folder)]

"""Lesions of an eye: masks that the user has, or what the lesion network finds.

    DIR/KIND/NAME.png     a mask of one kind, NAME the photograph's name without its ending

KIND is one of the four kinds, or one that phantoms draw, which is then counted among the four. A
kind without a folder was not looked for; a photograph without a file in a kind's folder has none of
it, as in IDRiD and in the folders of phantoms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool

from retinaforge.core import Refusal
from retinaforge.images import MaskSizeError
from retinaforge.images.records import IMAGE_SUFFIXES
from retinaforge.tasks.vessel_jobs import Job
from retinaforge.tasks.vessel_masks import fitted, read_vessel_mask
from retinaforge.vessels.biomarkers.lesions import LESION_KINDS

Mask = Bool[np.ndarray, "height width"]
PREFIX = "lesions/"
COUNTED_AS = {
    "haemorrhage_dot": "haemorrhage", "haemorrhage_flame": "haemorrhage",
    "preretinal_haemorrhage": "haemorrhage", "disc_haemorrhage": "haemorrhage",
    "cotton_wool_spot": "soft_exudate", **{kind: kind for kind in LESION_KINDS},
}  # fmt: skip
"""Which of the four kinds a folder's masks belong to."""


def with_lesion_masks(jobs: list[Job], folder: Path) -> list[Job]:
    """Give every job the lesion masks that a folder holds for it.

    Args:
        jobs: see `list_jobs`.
        folder: DIR above.

    Raises:
        Refusal: if there is no such folder, no kind of lesion in it, or no mask of any job.
    """
    homes = sorted(path for path in folder.glob("*/") if path.name in COUNTED_AS)
    if not homes:
        raise Refusal(
            f"a folder with a folder for each kind of lesion ({', '.join(LESION_KINDS)})",
            f"{folder}" if folder.is_dir() else f"no folder at {folder}",
            "lay masks out as DIR/KIND/NAME.png",
        )
    looked_for = tuple(k for k in LESION_KINDS if k in {COUNTED_AS[home.name] for home in homes})
    files = {home.name: _files(home) for home in homes}
    marked = []
    for job in jobs:
        names = job.stem, PurePosixPath(job.name).stem
        own = {
            f"{PREFIX}{drawn}": next(found[name] for name in names if name in found)
            for drawn, found in files.items()
            if any(name in found for name in names)
        }
        marked.append(replace(job, masks={**job.masks, **own}, lesion_kinds=looked_for))
    if not any(kind.startswith(PREFIX) for job in marked for kind in job.masks):
        raise Refusal(
            "lesion masks named like the photographs, up to the ending",
            f"none in {folder}, e.g. for {jobs[0].name}",
            "rename them, or leave --lesion-masks out",
        )
    return marked


def _files(home: Path) -> dict[str, Path]:
    return {p.stem: p for p in sorted(home.iterdir()) if p.suffix.lower() in IMAGE_SUFFIXES}


def read_lesion_masks(job: Job, size_px: tuple[int, int]) -> dict[str, Mask] | None:
    """Return a job's lesion masks by kind, at the size of its frame; None where it has none.

    Raises:
        UnreadableImage: see `read_photograph`.
        Refusal: if one is no mask, or of another shape than the frame.
    """
    if not job.lesion_kinds:
        return None
    found = {kind: np.zeros(size_px, dtype=bool) for kind in job.lesion_kinds}
    for name, path in lesion_files(job).items():
        found[COUNTED_AS[name]] |= _read(path, size_px)
    return found


def lesion_files(job: Job) -> Mapping[str, Path]:
    """Return a job's files of lesion masks by the name of their folder."""
    return {
        name.removeprefix(PREFIX): path
        for name, path in job.masks.items()
        if name.startswith(PREFIX)
    }


def _read(path: Path, size_px: tuple[int, int]) -> Mask:
    mask = read_vessel_mask(path)
    if abs(mask.shape[0] * size_px[1] / (mask.shape[1] * size_px[0]) - 1) > 0.01:
        raise MaskSizeError(
            f"a lesion mask of the shape of its frame, {size_px[1]}x{size_px[0]} px",
            f"one of {mask.shape[1]}x{mask.shape[0]} px: {path}",
            "give the mask drawn for this photograph",
        )
    return fitted(mask, size_px)

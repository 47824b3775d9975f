"""A record: one photograph on disk with everything the data set says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from retinaforge.core.photograph import Eye

Split = Literal["train", "val", "test"]
SPLITS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
"""How tables spell the splits, in small letters."""


def split_of(word: str) -> str:
    """Return a split by its usual name; a name that is none of ours stays as it is."""
    return SPLITS.get(word.strip().lower(), word.strip())


@dataclass(frozen=True)
class Record:
    """One row of a data set.

    Attributes:
        path: the image file.
        name: path relative to the data set's root, with forward slashes: unique in a study.
        dataset: name of the folder it came from.
        patient: whose eye it is, unique across data sets; where unknown, equal to the image.
        patient_known: False where the image itself had to stand in for the patient.
        eye: OD, OS or None.
        camera: camera model or "" where unknown.
        licence: licence text or "" where unknown.
        split: train, val, test or None where nobody decided yet.
        masks: mask files by kind: "vessel", "vessel2", "fov", "artery_vein", "disc", "cup".
        columns: every further column of the manifest, as text.
    """

    path: Path
    name: str
    dataset: str
    patient: str
    patient_known: bool = False
    eye: Eye | None = None
    camera: str = ""
    licence: str = ""
    split: Split | None = None
    masks: Mapping[str, Path] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

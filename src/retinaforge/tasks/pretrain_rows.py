"""Which images an encoder is pretrained on, how often each, and what is known of the patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from retinaforge.core import Record, Refusal
from retinaforge.images import read_records, split_by_patient

SEXES = {"female": 0.0, "f": 0.0, "woman": 0.0, "male": 1.0, "m": 1.0, "man": 1.0}
EYES = {"OD": 0.0, "OS": 1.0}


def training_records(
    folders: Sequence[Path], seed: int, *, whole: Sequence[Path] = ()
) -> list[Record]:
    """Return the photographs of the training patients of all folders.

    A folder's own split stands; photographs without one are split by patient.

    Args:
        folders: with training rows.
        seed: of the split by patient.
        whole: folders all of whose images are for training, whatever their tables say.

    Raises:
        Refusal: expected photographs of training patients; or images that are named once.
    """
    records = [r for folder in folders for r in read_records(folder)]
    train = [r for r in split_by_patient(records, seed=seed) if r.split == "train"]
    if folders and not train:
        named = ", ".join(str(folder) for folder in folders)
        raise Refusal(
            "photographs of training patients",
            f"{len(records)} photographs, none of them in the training split: {named}",
            "name a folder with training rows, or mend its splits.csv",
        )
    train += [replace(r, split="train") for folder in whole for r in read_records(folder)]
    names = Counter((r.dataset, r.name) for r in train)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise Refusal(
            "images that are named once, by their folder and their name in it",
            f"{len(twice)} named twice, the first {'/'.join(twice[0])}",
            "name each folder once, and rename folders of equal names",
        )
    return train


def is_synthetic(record: Record) -> bool:
    """Return whether the record's table says that no camera took it."""
    words = record.columns.get("labels", "").split(";")
    return "synthetic" in words or "phantom" in record.camera.lower()


def chances(records: Sequence[Record], synthetic_share: float) -> Float[np.ndarray, "n"]:
    """Return each record's chance to be drawn.

    Data sets are drawn in proportion to the square root of their size, so that the small ones are
    not lost beside a large one; synthetic images together have `synthetic_share`.
    """
    sizes = Counter(record.dataset for record in records)
    chance = np.array([sizes[record.dataset] ** -0.5 for record in records])
    made_up = np.array([is_synthetic(record) for record in records])
    if made_up.any() and not made_up.all():
        chance[made_up] *= synthetic_share / chance[made_up].sum()
        chance[~made_up] *= (1 - synthetic_share) / chance[~made_up].sum()
    return chance / chance.sum()


def metadata_of(record: Record, kinds: Sequence[str]) -> list[float]:
    """Return age in years, sex and eye as numbers, in the order of `kinds`; NaN where unknown."""
    columns = record.columns
    try:
        age = float(columns.get("age", "") or "nan")
    except ValueError:
        age = np.nan
    known = {
        "age": age,
        "sex": SEXES.get(columns.get("sex", "").strip().lower(), np.nan),
        "eye": EYES.get(record.eye or "", np.nan),
    }
    return [known[kind] for kind in kinds]

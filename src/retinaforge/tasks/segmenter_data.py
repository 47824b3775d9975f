"""Which photographs the shipped segmenter may learn from, and the part of them that judges it.

Only rows that are open to redistribution and meant for training: split "train", licence
CC BY 4.0, with a vessel mask. A fifth of the patients of each data set is put aside to choose the
threshold; test rows are never listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retinaforge.core import Record, Refusal
from retinaforge.core.rng import seed_for
from retinaforge.images import find_fov, read_mask, read_photograph, read_records
from retinaforge.tasks.sauna import sauna_plane
from retinaforge.tasks.segmenter_samples import Annotated, annotate

LICENCE = "CC BY 4.0"
VALIDATION_SHARE = 0.2


def learnable_records(folder: Path) -> list[Record]:
    """List the photographs that weights to be shipped may be trained on.

    Raises:
        Refusal: expected training rows with a vessel mask and licence CC BY 4.0.
    """
    records = [
        record
        for record in read_records(folder)
        if record.split == "train" and record.licence == LICENCE and "vessel" in record.masks
    ]
    if not records:
        raise Refusal(
            f"training rows with a vessel mask and licence {LICENCE}",
            f"none in {folder}",
            "check splits.csv (columns split, licence) and the vessel_mask column",
        )
    return records


def part_validation(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Split records into (learn from, choose the threshold on), by patient within each data set.

    The patients with the smallest hash of their name are put aside, so that the choice does not
    depend on the order or number of other rows. A data set of one patient is learnt from whole.
    """
    aside: set[str] = set()
    for dataset in sorted({record.dataset for record in records}):
        patients = {record.patient for record in records if record.dataset == dataset}
        ranked = sorted(patients, key=lambda patient: seed_for(0, "validation", patient))
        aside |= set(ranked[: int(VALIDATION_SHARE * len(ranked) + 0.5)])
    learn = [record for record in records if record.patient not in aside]
    return learn, [record for record in records if record.patient in aside]


def load_annotated(record: Record, *, soft_labels: bool = False) -> Annotated:
    """Read one photograph with its vessel mask at the sizes that crops are drawn from.

    Args:
        record: has a vessel mask.
        soft_labels: whether crops carry SAUNA's labels as well.
    """
    photo = read_photograph(record.path)
    vessels = read_mask(record.masks["vessel"], size_px=photo.size_px)
    derive = sauna_plane if soft_labels else None
    return annotate(photo, find_fov(photo), vessels, group=record.dataset, derive=derive)

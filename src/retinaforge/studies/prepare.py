"""From a folder of photographs to splits by patient, without duplicates, written down once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from retinaforge.core import Record, Refusal, seed_for
from retinaforge.core.artefacts import write_json
from retinaforge.images import find_duplicates, read_records, split_by_patient
from retinaforge.studies.folder import RunFolder
from retinaforge.studies.plan import DataPlan, Study
from retinaforge.tasks.sheets import Sheets, build_sheets

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prepared:
    """What a study works on.

    Attributes:
        train: sheets to train on.
        val: sheets of training patients set aside; they choose between arms.
        test: sheets of the held-out patients; only these are scored.
    """

    train: Sheets
    val: Sheets
    test: Sheets


def prepare(
    study: Study, data: Path, run: RunFolder, *, on_progress: Progress | None = None
) -> Prepared:
    """Read, check, split and normalise the photographs; a second call reopens them.

    Raises:
        Refusal: if nothing fits the study, or one of the splits stays empty.
    """
    records = choose_records(study.data, data)
    if run.data.is_file():
        assigned = _assigned(run, records)
        known: dict[str, Any] = json.loads(run.data.read_text())
    else:
        kept, known = _without_duplicates(study.data, records)
        split = split_by_patient(kept, seed=study.seed)
        assigned = set_aside_val(split, fraction=study.data.val_fraction, seed=study.seed)
    parts = {part: [r for r in assigned if r.split == part] for part in ("train", "val", "test")}
    _refuse_empty(parts)
    sheets = {
        part: build_sheets(
            chosen, run.sheets(part), size_px=study.data.sheet_px, on_progress=on_progress
        )
        for part, chosen in parts.items()
    }
    write_json(run.data, {**known, **_facts(data, assigned, sheets)})
    return Prepared(sheets["train"], sheets["val"], sheets["test"])


def choose_records(plan: DataPlan, data: Path) -> list[Record]:
    """Return the records of the wanted data sets that have the wanted masks.

    Raises:
        Refusal: if a data set is not there or no record has the masks.
    """
    records = read_records(data, second_observers=True)
    there = sorted({record.dataset for record in records})
    if missing := [name for name in plan.datasets if name not in there]:
        raise Refusal(
            f"the data sets {', '.join(plan.datasets)} in {data}",
            f"{', '.join(there)} (missing: {', '.join(missing)})",
            "point --data at the folder that holds them, or change [data] datasets",
        )
    wanted = [
        record
        for record in records
        if (not plan.datasets or record.dataset in plan.datasets)
        and all(kind in record.masks for kind in plan.require)
    ]
    if not wanted:
        raise Refusal(
            f"photographs with masks of kind {', '.join(plan.require) or 'any'}",
            f"{len(records)} photographs without them in {data}",
            "change [data] require in the study file",
        )
    return wanted


def set_aside_val(records: Sequence[Record], *, fraction: float, seed: int) -> list[Record]:
    """Move a share of the training patients of each data set to "val", unless it has some."""
    out = list(records)
    for dataset in sorted({record.dataset for record in records}):
        own = [record for record in records if record.dataset == dataset]
        patients = {record.patient for record in own if record.split == "train"}
        if len(patients) < 2 or any(record.split == "val" for record in own):
            continue
        order = sorted(patients, key=lambda patient: seed_for(seed, "val", patient))
        chosen = set(order[: min(ceil(fraction * len(order)), len(order) - 1)])
        out = [replace(r, split="val") if r.patient in chosen else r for r in out]
    return out


def _without_duplicates(
    plan: DataPlan, records: list[Record]
) -> tuple[list[Record], dict[str, Any]]:
    pairs = find_duplicates(records)
    listed = [
        {"first": pair.first.name, "second": pair.second.name, "dropped": plan.drop_duplicates}
        for pair in pairs
    ]
    dropped = {(pair.second.dataset, pair.second.name) for pair in pairs}
    if not plan.drop_duplicates:
        dropped = set()
    kept = [record for record in records if (record.dataset, record.name) not in dropped]
    return kept, {"duplicates": listed}


def _assigned(run: RunFolder, records: list[Record]) -> list[Record]:
    """Give the records the splits that this run wrote down when it began."""
    rows = json.loads(run.data.read_text())["records"]
    splits = {(row["dataset"], row["name"]): row["split"] for row in rows}
    return [
        replace(record, split=splits[record.dataset, record.name])
        for record in records
        if (record.dataset, record.name) in splits
    ]


def _refuse_empty(parts: dict[str, list[Record]]) -> None:
    for part, chosen in parts.items():
        if not chosen:
            raise Refusal(
                "at least three patients, so that each split has one",
                f"no patient for {part!r} ({ {k: len(v) for k, v in parts.items()} })",
                "add photographs, or a splits.csv that assigns them",
            )


def _facts(data: Path, records: list[Record], sheets: dict[str, Sheets]) -> dict[str, Any]:
    """Describe the data for the run folder and the report."""
    counts = Counter((str(record.split), record.dataset) for record in records)
    return {
        "root": data.name,
        "fingerprint": {part: sheet.fingerprint for part, sheet in sheets.items()},
        "images": {
            part: {name: n for (where, name), n in sorted(counts.items()) if where == part}
            for part in sheets
        },
        "patients": {part: len({r.patient for r in records if r.split == part}) for part in sheets},
        "patients_unknown": sum(not record.patient_known for record in records),
        "licences": dict(Counter(record.licence or "not stated" for record in records)),
        "refused": [
            {"name": name, "reason": reason}
            for sheet in sheets.values()
            for name, reason in sheet.refused
        ],
        "records": [
            {
                "dataset": record.dataset,
                "name": record.name,
                "patient": record.patient,
                "split": record.split,
            }
            for record in records
        ],
    }

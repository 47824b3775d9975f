"""Score a submission to REFUGE, REFUGE2 or GAMMA: challenge.json and images.csv."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import environment, write_json, write_text
from retinaforge.tasks.challenge_answers import Answers, read_answers
from retinaforge.tasks.challenge_images import MEASURES, Row, rows_of
from retinaforge.tasks.challenge_layout import Layout, layout_named
from retinaforge.tasks.challenge_scores import (
    RESAMPLES,
    cards_of,
    confusion_of,
    roc_of,
    scores_of,
)
from retinaforge.tasks.challenge_tables import Fault
from retinaforge.tasks.challenge_truth import read_truth

CHALLENGE_VERSION = 1


def score_challenge(
    challenge: str, truth: Path, answers: Path, out: Path, *, groups: Path | None = None,
    loose: bool = False, on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> dict[str, Any]:  # fmt: skip
    """Score a submission and write OUT/challenge.json and OUT/images.csv.

    Args:
        challenge: refuge, refuge2 or gamma.
        truth: folder of the challenge's truth.
        answers: folder of the unpacked submission.
        out: folder to write.
        groups: table of device, quality, patient, ...; None takes groups.csv beside the truth.
        loose: take greys between 0 and 255 as rim, see `read_labels`.
        on_progress: called with (done, count).

    Returns:
        What challenge.json holds.

    Raises:
        Refusal: if truth or answers are not laid out as the challenge's.
    """
    layout = layout_named(challenge)
    if Path(out).exists() and not Path(out).is_dir():
        raise Refusal("a folder to write", f"a file: {out}", "choose another name")
    truths, bad = read_truth(Path(truth), layout, groups)
    given = read_answers(Path(answers), layout)
    rows, faults = rows_of(truths, given, layout, loose=loose, on_progress=on_progress)
    told = summary(rows, [*bad, *faults], layout, given)
    told |= {"truth": str(truth), "answers": str(answers), "loose": loose,
             "environment": environment()}  # fmt: skip
    write_text(Path(out) / "images.csv", _table(rows))
    write_json(Path(out) / "challenge.json", told)
    return told


def summary(
    rows: Sequence[Row], faults: Sequence[Fault], layout: Layout, answers: Answers
) -> dict[str, Any]:
    """Return scores, images and faults as plain data."""
    return {
        "challenge": layout.name,
        "title": layout.title,
        "grades": list(layout.grades),
        "counts": {
            "images": len(rows),
            "patients": len({row.truth.patient for row in rows}),
            "answered": {p: _answered(answers, p) for p in ("masks", "labels", "fovea")},
            **{kind: _by_part(faults, kind) for kind in ("missing", "refused", "extra")},
        },
        "absent": answers.absent,
        "scores": [score.as_dict() for score in scores_of(rows, layout, answers.absent)],
        "images": [_plain(row) for row in rows],
        "faults": [vars(fault) for fault in faults],
        "roc": roc_of(rows),
        "confusion": confusion_of(rows, layout),
        "cards": [card.as_dict() for card in cards_of(layout)],
        "protocol": {
            "version": f"challenge {CHALLENGE_VERSION}",
            "interval": f"95 %, percentiles of {RESAMPLES} bootstrap draws of patients; where no "
            "patient is stated the image stands for one",
            "missing": "an image without an answer is left out of the mean, named and counted; "
            "the challenges' own figures are over the images answered, too",
            "empty disc": "an answer without a disc: Dice 0, its ratio counts as 0",
            "auroc": "glaucoma of any grade against none"
            + (", by the share not called none" if layout.graded else ", by the risk"),
        },
    }


def partly(told: dict[str, Any]) -> bool:
    """Return whether anything was missing or refused."""
    return any(fault["kind"] != "extra" for fault in told["faults"])


def _answered(answers: Answers, part: str) -> int:
    return len(getattr(answers, part) or ())


def _by_part(faults: Sequence[Fault], kind: str) -> dict[str, int]:
    return dict(sorted(Counter(f.part for f in faults if f.kind == kind).items()))


def _plain(row: Row) -> dict[str, Any]:
    return {
        "name": row.truth.name,
        "patient": row.truth.patient,
        **row.groups,
        **{name: _number(row.values[name]) for name in MEASURES},
        "vcdr_truth": _number(row.ratios[0]),
        "vcdr_answer": _number(row.ratios[1]),
        "fovea_offset_dd": None if row.offset is None else [round(v, 5) for v in row.offset],
        "grade": row.truth.grade,
        "risk": _number(row.share),
        "called": row.called,
        "reasons": row.reasons,
    }


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def _table(rows: Sequence[Row]) -> str:
    """Return images.csv: one row an image, empty where undefined, with the reasons."""
    plain = [_plain(row) for row in rows]
    columns = list(dict.fromkeys(key for row in plain for key in row if key != "fovea_offset_dd"))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in plain:
        reasons = "; ".join(f"{name}: {why}" for name, why in row["reasons"].items())
        writer.writerow({**row, "reasons": reasons})
    return text.getvalue()

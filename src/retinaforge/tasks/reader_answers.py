"""What readers answered, joined with the key: one reading a closed trial, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retinaforge.tasks.reader_questions import LEFT, REAL, SYNTHETIC
from retinaforge.tasks.reader_study import ReaderStudy

PAIR = "pair"
HEADS = ("reader", "position", "showing", "item", "kind", "synthetic_side", "source", "dataset",
         "patient", "stratum")  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """One closed trial of one reader.

    Attributes:
        reader: who.
        position: place in the reader's order, from 0.
        showing: 1, or 2 where the reader saw the item before.
        item: the image's id, or both ids of a pair; equal for all readers.
        kind: "real", "synthetic" or "pair"; "" without a key.
        synthetic_left: of a pair, whether the synthetic image stood left.
        facts: source, dataset, patient, stratum and columns of the (real) image.
        answers: by question.
        seconds: on screen.
        closed: when.
    """

    reader: str
    position: int
    showing: int
    item: str
    kind: str
    synthetic_left: bool
    answers: Mapping[str, str]
    seconds: float
    closed: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def synthetic(self) -> bool:
        """Tell whether the image is synthetic."""
        return self.kind == SYNTHETIC

    @property
    def right(self) -> bool:
        """Tell whether the synthetic image was told from the real one."""
        if self.kind == PAIR:
            return (self.answers[PAIR] == LEFT) == self.synthetic_left
        return self.answers["verdict"] == self.kind


def readings_of(
    study: ReaderStudy, table: Mapping[str, Sequence[Mapping[str, Any]]], key: dict[str, Any] | None
) -> list[Reading]:
    """Return the closed trials of all readers, in the order in which they read.

    Args:
        study: the study.
        table: rows of answers.sqlite; answers of trials that are not closed are left out.
        key: the truth; None leaves it out.
    """
    answers: dict[tuple[str, int], dict[str, str]] = {}
    for row in table["answers"]:
        answers.setdefault((row["reader"], row["position"]), {})[row["question"]] = row["value"]
    seen: dict[tuple[str, str], int] = {}
    found = []
    for row in sorted(table["trials"], key=lambda r: (r["reader"], r["position"])):
        if row["closed"] is None:
            continue
        images = study.trials(row["reader"])[row["position"]]
        item = "+".join(sorted(images))
        showing = seen[row["reader"], item] = seen.get((row["reader"], item), 0) + 1
        found.append(Reading(
            row["reader"], row["position"], showing, item, *_truth(images, key),
            answers.get((row["reader"], row["position"]), {}), row["ms"] / 1000, row["closed"],
            _facts(images, key),
        ))  # fmt: skip
    return found


def _truth(images: Sequence[str], key: dict[str, Any] | None) -> tuple[str, bool]:
    if key is None:
        return "", False
    kinds = [key["images"][name]["kind"] for name in images]
    return (PAIR, kinds[0] == SYNTHETIC) if len(kinds) == 2 else (kinds[0], False)


def _facts(images: Sequence[str], key: dict[str, Any] | None) -> dict[str, Any]:
    """Return the image's row of the key; of a pair the real one's, with both sources."""
    if key is None:
        return {}
    rows = sorted((key["images"][name] for name in images), key=lambda row: row["kind"] != REAL)
    return {**rows[0], "name": "+".join(row["name"] for row in rows)}


def answers_csv(readings: Sequence[Reading]) -> str:
    """Return one row a reading, a column a question; the truth is blank without a key."""
    names = list(dict.fromkeys(name for r in readings for name in r.answers))
    names.sort(key=lambda name: name == "comment")
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow([*HEADS, *names, "seconds", "closed"])
    for r in readings:
        side = "" if r.kind != PAIR else LEFT if r.synthetic_left else "right"
        facts = [r.facts.get(k, "") for k in ("name", "dataset", "patient", "stratum")]
        cells = [_no_formula(r.answers.get(name, "")) for name in names]
        table.writerow([r.reader, r.position + 1, r.showing, r.item, r.kind, side, *facts, *cells,
                        f"{r.seconds:.1f}", r.closed])  # fmt: skip
    return buffer.getvalue()


def _no_formula(text: str) -> str:
    """Return a remark that no spreadsheet runs."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text

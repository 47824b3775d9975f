"""Audit of attributes: what of sex, age and camera does a generator keep, erase or amplify?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.attributes import (
    CARDS,
    FEWEST,
    RESAMPLES,
    Kept,
    Reading,
    Told,
    association,
    fate_of,
    read,
    spread,
)
from retinaforge.core import Refusal, rng_for
from retinaforge.metrics.prediction import AUROC_CARD
from retinaforge.tasks.embedding import Embedded
from retinaforge.tasks.probe_target import READERS
from retinaforge.tasks.usefulness_set import Example
from retinaforge.validation import audit_head
from retinaforge.validation.audit_told import verdict, write_audit

USUAL = ("sex", "age", "camera")
WORDS = {
    "kept": "kept", "weakened": "weakened", "amplified": "amplified", "erased": "erased",
    "untold": "cannot be told of real images either", "unknown": "could not be judged",
}  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One set as an encoder sees it.

    Attributes:
        examples: the images, in the order of `vectors`.
        vectors: shape (n, channels).
        label: 0 or 1 of a finding, NaN where unknown; empty where none was asked for.
        left_out: images that could not be read.
    """

    examples: tuple[Example, ...]
    vectors: np.ndarray
    label: np.ndarray
    left_out: tuple[tuple[str, str], ...]


def side_of(embedded: Embedded, examples: Sequence[Example], label: np.ndarray) -> Side:
    """Return a set with its vectors; what could not be read is left out of both."""
    place = {id(example.record): k for k, example in enumerate(examples)}
    kept = [place[id(record)] for record in embedded.records]
    return Side(
        tuple(examples[k] for k in kept), np.asarray(embedded.vectors),
        label[kept] if len(label) else label, embedded.left_out,
    )  # fmt: skip


def texts_of(side: Side, name: str) -> list[str]:
    """Return what is known of an attribute, as text; "" where nothing is."""
    found = []
    for example in side.examples:
        record = example.record
        said = READERS[name][1](record) if name in READERS else record.columns.get(name, "")
        if not said and (value := example.facts.get(name)) is not None:
            said = {"female": "F", "male": "M"}.get(str(value).lower(), str(value))
        found.append(said.strip())
    return found


def questions_of(real: Side, synthetic: Side, name: str) -> dict[str, tuple[np.ndarray, ...]]:
    """Return truths of both sides: a number, or one question a class; NaN where unknown.

    Raises:
        Refusal: "expected real images that tell NAME; got ...".
    """
    texts = texts_of(real, name), texts_of(synthetic, name)
    if not any(texts[0]):
        raise Refusal(
            f"real images that tell {name}", f"none of {len(texts[0])}",
            "name another attribute, or add the column",
        )  # fmt: skip
    numbers = [np.array([_number(t) for t in side]) for side in texts]
    known = [t for t in texts[0] if t]
    if name == "age" or (np.isfinite(numbers[0]).sum() == len(known) and len(set(known)) > 10):
        return {name: tuple(numbers)}
    classes = sorted(set(known))
    asked = classes[1:] if len(classes) == 2 else classes
    return {
        f"{name}: {c}": tuple(
            np.array([math.nan if not t else float(t == c) for t in side]) for side in texts
        )
        for c in asked
    }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def audit_attributes(
    real: Side, synthetic: Side, names: Sequence[str], out: Path, *, label_name: str = "",
    seed: int = 0, about: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:  # fmt: skip
    """Probe attributes on both sides and write audit.json.

    Args:
        real, synthetic: sets with vectors of the same encoder.
        names: attributes; where none is given those of sex, age and camera that real images tell.
        out: folder.
        label_name: of the finding whose association with each attribute is compared, or "".
        seed: of folds and draws.
        about: what was asked, for the page.

    Raises:
        Refusal: where no attribute is told of real images.
    """
    asked = tuple(names) or tuple(n for n in USUAL if len(set(texts_of(real, n)) - {""}) > 1)
    if not asked:
        raise Refusal(
            "real images that tell sex, age or camera", "none that differs", "name an --attribute"
        )
    rows, left_out = [], []
    for name in asked:
        for question, (theirs, ours) in questions_of(real, synthetic, name).items():
            row, why = _row(question, real, theirs, synthetic, ours, seed)
            if row is None:
                left_out.append({"name": question, "reason": why})
            else:
                rows.append(row)
    bad = [{"name": name, "reason": why} for side in (real, synthetic)
           for name, why in side.left_out]  # fmt: skip
    return write_audit(
        out, audit="attributes", title=f"What became of {', '.join(asked)}",
        asked=[*about, ("Images", f"{len(real.examples)} real, {len(synthetic.examples)} "
                        "synthetic")],
        cautions=["That sex or age can be told is no fault by itself: it is one where it goes with "
                  "a label, or where a group disappears."],
        said=[_said(row, label_name) for row in rows], sections=_sections(rows, label_name),
        results=[_plain(row) for row in rows], cards=[*CARDS, AUROC_CARD],
        protocol={
            "probe": "logistic regression (of a number ridge) on a frozen encoder's vectors, "
            "penalty by inner folds of patients",
            "real": "taught and judged on real images of different patients",
            "synthetic": "the same probe on synthetic images",
            "taught on synthetic": "half of the patients of synthetic images teach, half judge",
            "interval": f"95 %, {RESAMPLES} draws of patients, of both sides at once",
            "fewest": f"{FEWEST} patients on each side", "seed": seed,
        }, left_out=[*bad, *left_out],
    )  # fmt: skip


def _row(
    question: str, real: Side, theirs: np.ndarray, synthetic: Side, ours: np.ndarray, seed: int
) -> tuple[dict[str, Any] | None, str]:
    known = np.flatnonzero(np.isfinite(theirs))
    number = len(set(theirs[known].tolist())) > 2
    truth = theirs[known] if number else theirs[known] > 0
    people = _patients(real, known)
    try:
        folds, words = audit_head.rounds([real.examples[k].record for k in known], truth)
        said, heads = audit_head.answers(real.vectors[known], truth, people, folds)
    except Refusal as refusal:
        return None, str(refusal)
    seen = heads[0].logits(synthetic.vectors)
    judged = np.flatnonzero(np.isfinite(said))
    rng = rng_for(seed, "audit attributes", question)
    told = Told(truth[judged].astype(float), said[judged],
                tuple(people[k] for k in judged), number)  # fmt: skip
    where = np.flatnonzero(np.isfinite(ours))
    mine = Told(ours[where], seen[where], tuple(_patients(synthetic, where)), number)
    kept = fate_of(read(told, rng=rng), read(mine, rng=rng))
    return {
        "question": question, "number": number, "split": words, "kept": kept,
        "own": _own(synthetic, ours, where, number, rng),
        "with": _with_label(real, known[judged], said[judged], synthetic, seen, rng),
    }, ""  # fmt: skip


def _patients(side: Side, places: np.ndarray) -> list[str]:
    return [side.examples[int(k)].record.patient for k in places]


def _own(
    side: Side, truth: np.ndarray, where: np.ndarray, number: bool, rng: np.random.Generator
) -> Reading:
    """Return how well a probe that learns from synthetic images tells them."""
    people = _patients(side, where)
    nothing = np.full(RESAMPLES, np.nan)
    if len(set(people)) < FEWEST:
        why = f"{len(set(people))} patients; {FEWEST} are needed"
        return Reading(math.nan, None, nothing, len(where), len(set(people)), why)
    rows, known = side.vectors[where], truth[where] if number else truth[where] > 0
    records = [side.examples[int(k)].record for k in where]
    try:
        one = audit_head.halves(records, known)
        said, _ = audit_head.answers(rows, known, people, [one])
    except Refusal as refusal:
        return Reading(math.nan, None, nothing, len(where), len(set(people)), refusal.came)
    told = Told(
        known[one.judge].astype(float), said[one.judge], tuple(people[k] for k in one.judge), number
    )
    return read(told, rng=rng)


def _with_label(
    real: Side, judged: np.ndarray, said: np.ndarray, synthetic: Side, seen: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, Any] | None:  # fmt: skip
    if not len(real.label) or not len(synthetic.label):
        return None
    own = np.isfinite(real.label[judged])
    mine = np.isfinite(synthetic.label)
    sides = [
        association(said[own], real.label[judged][own], _patients(real, judged[own]), rng=rng),
        association(seen[mine], synthetic.label[mine],
                    _patients(synthetic, np.flatnonzero(mine)), rng=rng),
    ]  # fmt: skip
    change = sides[1].value - sides[0].value
    return {"real": sides[0], "synthetic": sides[1], "change": change,
            "interval": spread(sides[1].draws - sides[0].draws)
            if math.isfinite(change) else None}  # fmt: skip


def _said(row: dict[str, Any], label: str) -> dict[str, Any]:
    kept: Kept = row["kept"]
    measure = "concordance" if row["number"] else "AUROC"
    text = f"{row['question']}: {WORDS[kept.fate]} ({measure} {kept.real.value:.3f} on real, "
    text += f"{kept.synthetic.value:.3f} on synthetic images"
    text += f", change {kept.change:+.3f}" + _between(kept.interval) + ")."
    level: Any = {"kept": "pass", "untold": "open", "unknown": "open", "weakened": "caution"}.get(
        kept.fate, "failure"
    )
    if kept.fate == "unknown":
        text += f" {kept.real.reason or kept.synthetic.reason}."
    own: Reading = row["own"]
    if kept.fate in ("erased", "weakened") and own.interval and own.interval[0] > 0.5:
        text += f" A probe taught on synthetic images tells it ({own.value:.3f}): it is there, but "
        text += "looks otherwise than in real ones."
    beside = row["with"]
    if beside and beside["interval"] and beside["interval"][0] > 0:
        level = "failure"
        text += f" It goes with {label} more than in real images ({beside['change']:+.3f}"
        text += f"{_between(beside['interval'])})."
    return verdict(level, text)


def _between(interval: tuple[float, float] | None) -> str:
    return f", {interval[0]:+.3f} to {interval[1]:+.3f}" if interval else ""


def _sections(rows: Sequence[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    figures = []
    for row in rows:
        kept: Kept = row["kept"]
        figures.append({
            "kind": "forest", "title": row["question"], "note": WORDS[kept.fate],
            "lines": [{"name": "chance", "value": 0.5}],
            "rows": [
                {"name": "real", "value": kept.real.value, "interval": kept.real.interval},
                {"name": "synthetic", "value": kept.synthetic.value,
                 "interval": kept.synthetic.interval, "shade": "bad"},
                {"name": "taught on synthetic", "value": row["own"].value,
                 "interval": row["own"].interval, "shade": "grey"},
            ],
        })  # fmt: skip
    found = [{
        "id": "told", "title": "How well it is told", "figures": figures,
        "read": [
            "How well a probe that learnt from real images tells the attribute, of real images of "
            "other patients and of synthetic ones.",
            "Both alike.",
            "Synthetic left of real: weakened or erased. Right of it: overdrawn.",
        ],
    }]  # fmt: skip
    beside = [(row["question"], row["with"]) for row in rows if row["with"]]
    if beside:
        found.append({
            "id": "with", "title": f"Does it go with {label}?", "figures": [
                {"kind": "forest", "title": question, "rows": [
                    {"name": side, "value": one[side].value, "interval": one[side].interval}
                    for side in ("real", "synthetic")]} for question, one in beside],
            "read": [
                f"How far what the probe says of the attribute goes with {label}, |AUROC − ½|.",
                "Synthetic no further right than real.",
                "Synthetic right of real: the generator draws a tie that a classifier can learn.",
            ],
        })  # fmt: skip
    return found


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    kept: Kept = row["kept"]
    beside = row["with"]
    return {
        "question": row["question"], "fate": kept.fate, "split": row["split"],
        "real": _reading(kept.real), "synthetic": _reading(kept.synthetic),
        "taught_on_synthetic": _reading(row["own"]),
        "change": {"value": kept.change, "interval": kept.interval},
        "association": None if beside is None else {
            "real": _reading(beside["real"]), "synthetic": _reading(beside["synthetic"]),
            "change": {"value": beside["change"], "interval": beside["interval"]},
        },
    }  # fmt: skip


def _reading(one: Reading) -> dict[str, Any]:
    return {"value": one.value, "interval": one.interval, "n": one.n, "patients": one.patients,
            "reason": one.reason}  # fmt: skip

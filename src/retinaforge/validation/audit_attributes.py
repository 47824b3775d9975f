"""Audit of attributes: what of sex, age and camera does a generator keep, erase or amplify?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.attributes import (
    FEWEST,
    RESAMPLES,
    Reading,
    Told,
    association,
    fate_of,
    read,
    spread,
)
from retinaforge.audits.classifier_cards import ASSOCIATION_CARD, ATTRIBUTE_CARD
from retinaforge.core import Refusal, rng_for
from retinaforge.metrics.prediction import AUROC_CARD
from retinaforge.validation import audit_head
from retinaforge.validation.audit_attributes_page import plain_of, said_of, sections_of
from retinaforge.validation.audit_sides import Side, questions_of, texts_of
from retinaforge.validation.audit_told import write_audit

USUAL = ("sex", "age", "camera")


def audit_attributes(
    real: Side, synthetic: Side, names: Sequence[str], out: Path, *, label_name: str = "",
    judge: str = audit_head.GIVEN, seed: int = 0, about: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:  # fmt: skip
    """Probe attributes on both sides and write audit.json.

    Args:
        real, synthetic: sets with vectors of the same encoder.
        names: attributes; where none is given those of sex, age and camera that real images tell.
        out: folder.
        label_name: of the finding whose association with each attribute is compared, or "".
        judge: "given" keeps a split of the real images, "halves" draws halves all the same.
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
            row, why = _row(question, (real, theirs), (synthetic, ours), judge, seed)
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
        said=[said_of(row, label_name) for row in rows], sections=sections_of(rows, label_name),
        results=[plain_of(row) for row in rows],
        cards=[ATTRIBUTE_CARD, ASSOCIATION_CARD, AUROC_CARD],
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
    question: str, one: tuple[Side, np.ndarray], other: tuple[Side, np.ndarray], judge: str,
    seed: int,
) -> tuple[dict[str, Any] | None, str]:  # fmt: skip
    (real, theirs), (synthetic, ours) = one, other
    known = np.flatnonzero(np.isfinite(theirs))
    number = len(set(theirs[known].tolist())) > 2
    truth = theirs[known] if number else theirs[known] > 0
    people = _patients(real, known)
    try:
        folds, words = audit_head.rounds([real.examples[k].record for k in known], truth, judge)
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

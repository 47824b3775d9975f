"""One row an image: every number of an answer beside its truth, NaN with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from retinaforge.anatomy.disc_cup import (
    DISC_CUP_CARDS,
    RIM,
    compare_disc_cup,
    compare_fovea,
    vertical_cup_to_disc,
    vertical_diameter,
)
from retinaforge.core import Quantity, Refusal
from retinaforge.tasks.challenge_answers import Answers
from retinaforge.tasks.challenge_layout import Layout
from retinaforge.tasks.challenge_masks import read_labels
from retinaforge.tasks.challenge_tables import Fault
from retinaforge.tasks.challenge_truth import Truth

MEASURES = tuple(card.name for card in DISC_CUP_CARDS)
NOT_KNOWN = "unknown"


@dataclass
class Row:
    """One image.

    Attributes:
        truth: what is known.
        groups: device, quality, ... ; device "unknown" where nobody says.
        values: by measure; NaN where undefined.
        reasons: why, by measure.
        ratios: vCDR of the truth and of the answer; NaN where there is no disc.
        offset: the answer's fovea minus the truth's, in disc diameters, None where undefined.
        share: risk of glaucoma in the answer; NaN where not answered.
        called: class the answer calls; None where not answered.
    """

    truth: Truth
    groups: dict[str, str]
    values: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    ratios: tuple[float, float] = (math.nan, math.nan)
    offset: tuple[float, float] | None = None
    share: float = math.nan
    called: int | None = None


def rows_of(
    truths: Sequence[Truth], answers: Answers, layout: Layout, *, loose: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> tuple[list[Row], list[Fault]]:  # fmt: skip
    """Compare every image's answer with its truth.

    Args:
        truths: what is known.
        answers: the submission.
        layout: of the challenge.
        loose: see `read_labels`.
        on_progress: called with (done, count).

    Returns:
        One row an image of the truth, and everything missing, refused or beside the question.
    """
    refused = {(fault.part, fault.name) for fault in answers.faults}
    faults = list(answers.faults)
    rows = []
    for done, truth in enumerate(truths, start=1):
        row, bad = _row(truth, answers, layout, loose=loose)
        rows.append(row)
        faults += [f for f in bad if f.kind != "missing" or (f.part, f.name) not in refused]
        on_progress(done, len(truths))
    return rows, faults + _extra(truths, answers)


def _row(truth: Truth, answers: Answers, layout: Layout, *, loose: bool) -> tuple[Row, list[Fault]]:
    faults: list[Fault] = []
    row = Row(truth, {"device": NOT_KNOWN, **truth.groups})
    disc_px = _compare_masks(row, answers, layout, faults, loose=loose)
    _compare_fovea(row, answers, disc_px, faults)
    _take_label(row, answers, layout, faults)
    return row, faults


def _compare_masks(
    row: Row, answers: Answers, layout: Layout, faults: list[Fault], *, loose: bool
) -> int:
    """Fill in Dice and ratios; return the vertical diameter of the truth's disc, 0 if unknown."""
    three, name = MEASURES[:3], row.truth.name
    if row.truth.mask is None:
        _undefined(row, three, "the truth has no mask")
        return 0
    try:
        real = read_labels(row.truth.mask, loose=True)
    except Refusal as error:
        faults.append(Fault("masks", name, "refused", f"the truth: {error}"))
        _undefined(row, three, "the truth's mask cannot be read")
        return 0
    height, width = real.shape
    if "device" not in row.truth.groups:
        row.groups["device"] = layout.devices.get((width, height), NOT_KNOWN)
    row.ratios = vertical_cup_to_disc(real), math.nan
    path = _answer(answers, "masks", name, faults)
    if path is None:
        _undefined(row, three, answers.absent.get("masks", "no answer"))
        return vertical_diameter(real >= RIM)
    try:
        said = read_labels(path, size_px=real.shape, loose=loose)
    except Refusal as error:
        faults.append(Fault("masks", name, "refused", str(error)))
        _undefined(row, three, "the answer's mask was refused")
    else:
        row.ratios = row.ratios[0], vertical_cup_to_disc(said)
        _take(row, compare_disc_cup(real, said))
    return vertical_diameter(real >= RIM)


def _compare_fovea(row: Row, answers: Answers, disc_px: int, faults: list[Fault]) -> None:
    two, truth = MEASURES[3:], row.truth
    if truth.fovea is None:
        _undefined(row, two, "the truth states no fovea")
        return
    said = _answer(answers, "fovea", truth.name, faults)
    if said is None:
        _undefined(row, two, answers.absent.get("fovea", "no answer"))
        return
    point = (float(said[0]), float(said[1]))
    _take(row, compare_fovea(truth.fovea, point, disc_px))
    if disc_px:
        row.offset = (
            (point[0] - truth.fovea[0]) / disc_px,
            (point[1] - truth.fovea[1]) / disc_px,
        )


def _take_label(row: Row, answers: Answers, layout: Layout, faults: list[Fault]) -> None:
    if row.truth.grade is None:
        return
    said = _answer(answers, "labels", row.truth.name, faults)
    if said is None:
        return
    shares = np.asarray(said, np.float64)
    if layout.graded:
        row.called, total = int(shares.argmax()), float(shares.sum())
        # The share of every class but none; a submission of 0 and 1 gives 0 or 1.
        row.share = 1 - float(shares[0]) / total if total > 0 else math.nan
    else:
        row.share = float(shares[0])


def _answer(answers: Answers, part: str, name: str, faults: list[Fault]):
    """Return an answer, or None; one that is missing from a task that was answered is a fault."""
    given = getattr(answers, part)
    if given is None:
        return None
    if name not in given:
        faults.append(Fault(part, name, "missing", "the truth has it, the answers do not"))
        return None
    return given[name]


def _take(row: Row, found: dict[str, Quantity]) -> None:
    for name, quantity in found.items():
        row.values[name] = quantity.value
        if quantity.reason:
            row.reasons[name] = quantity.reason


def _undefined(row: Row, names: Sequence[str], reason: str) -> None:
    for name in names:
        row.values[name], row.reasons[name] = math.nan, reason


def _extra(truths: Sequence[Truth], answers: Answers) -> list[Fault]:
    known = {truth.name for truth in truths}
    return [
        Fault(part, name, "extra", "the truth knows no such image")
        for part in ("masks", "labels", "fovea")
        for name in sorted(set(getattr(answers, part) or ()) - known)
    ]

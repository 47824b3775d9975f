"""The tables of a study: arms, slices, sources left out, and what synthetic images are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retinaforge.metrics.classification import one_against_rest
from retinaforge.metrics.classification_calibration import predictive_entropy
from retinaforge.metrics.classification_patients import by_patient
from retinaforge.metrics.prediction import AUROC_CARD
from retinaforge.tasks.usefulness_arms import REAL_ARM
from retinaforge.tasks.usefulness_exchange import exchange
from retinaforge.tasks.usefulness_fit import JUDGE, Fit
from retinaforge.tasks.usefulness_rounds import SPLIT, SYNTHETIC, WITHOUT
from retinaforge.tasks.usefulness_scores import (
    HEADLINE,
    SCORES,
    Measured,
    Said,
    Score,
    corrected,
    difference,
    draws_of,
    measure,
    number,
    plain,
    spread_of,
)
from retinaforge.tasks.usefulness_study import Done
from retinaforge.tasks.usefulness_target import Question, grade_of

Row = dict[str, Any]
FEWEST_IN_SLICE = 10


def _fits(done: Done, arm: str, protocol: str = SPLIT) -> list[Fit]:
    return [f for f in done.fits if f.job.arm.name == arm and f.job.round.protocol == protocol]


def said_of(
    done: Done, fits: Sequence[Fit], where: str, column: int, keep: np.ndarray | None = None
) -> list[Said]:
    """Return what fits said to one question, of images whose answer is known.

    Args:
        done: the study.
        fits: of one arm.
        where: "judge", "external" or "synthetic".
        column: the question's number.
        keep: True for images of the material that count; None for all.
    """
    m = done.prepared.material
    widths = [len(q.classes) for q in m.labels.questions]
    start = sum(widths[:column])
    found = []
    for fit in fits:
        places = fit.places[where]
        good = np.isfinite(m.labels.values[places, column])
        if keep is not None:
            good &= keep[places]
        truth = m.labels.values[places[good], column].astype(np.int64)
        block = fit.answers[where][good, start : start + widths[column]].astype(np.float64)
        block /= block.sum(axis=1, keepdims=True)
        found.append(Said(truth, block, m.patients[places[good]]))
    return found


def _patients(rounds: Sequence[Said]) -> list[str]:
    return [str(name) for one in rounds for name in one.patients]


def arm_rows(done: Done) -> list[Row]:
    """Return every score of every arm, wherever it was asked, with its difference from real."""
    rows: list[Row] = []
    m = done.prepared.material
    for column, question in enumerate(m.labels.questions):
        for where in _wheres(done):
            rows += _of_question(done, question, column, where, level="image")
            if where != SYNTHETIC and _several(done, where):
                rows += _of_question(done, question, column, where, level="patient")
    return rows


def _wheres(done: Done) -> list[str]:
    real = _fits(done, REAL_ARM)
    return list(real[0].answers)


def _several(done: Done, where: str) -> bool:
    """Return whether a patient judges with more than one image."""
    names = done.prepared.material.patients[_fits(done, REAL_ARM)[0].places[where]]
    return len(set(names.tolist())) < len(names)


def _of_question(
    done: Done, question: Question, column: int, where: str, *, level: str
) -> list[Row]:
    asked: list[tuple[str, str, Score]] = [(card.name, "", score) for card, score in SCORES]
    if len(question.classes) > 2:
        asked += [(AUROC_CARD.name, name, _against_rest(k))
                  for k, name in enumerate(question.classes)]  # fmt: skip
    arms = [arm.name for arm in done.arms if where in _fits(done, arm.name)[0].answers]
    rounds = {arm: said_of(done, _fits(done, arm), where, column) for arm in arms}
    if level == "patient":
        rounds = {arm: [_gathered(one) for one in found] for arm, found in rounds.items()}
    weights = draws_of(_patients(rounds[arms[0]]) or ["nobody"], words=where)
    n = len({k for f in _fits(done, arms[0]) for k in f.places[where].tolist()})
    counts = {"n": len(weights) if level == "patient" else n, "patients": len(weights)}
    rows: list[Row] = []
    for metric, one_class, score in asked:
        found = {arm: measure(rounds[arm], question, score, weights) for arm in arms}
        own = [
            {"where": where, "level": level, "question": question.name, "metric": metric,
             "class": one_class, "arm": arm, **plain(found[arm]), **counts}
            for arm in arms
        ]  # fmt: skip
        _against_real(own, found)
        rows += own
    return rows


def _against_rest(which: int) -> Score:
    return lambda t, s, w, q: one_against_rest(t, s, w, which=which)


def _gathered(one: Said) -> Said:
    if not len(one.truth):
        return one
    truth, said, names = by_patient(one.truth, one.said, one.patients.tolist())
    return Said(truth, said, np.array(names))


def _against_real(rows: list[Row], found: dict[str, Measured]) -> None:
    gaps = []
    for row in rows:
        row["difference"] = None
        if row["arm"] != REAL_ARM:
            row["difference"] = difference(found[row["arm"]], found[REAL_ARM])
            gaps.append(row["difference"])
    corrected(gaps)


def slice_rows(done: Done) -> list[Row]:
    """Return the headline score by quality, and the share recognised by DR grade.

    By grade only one class is there, so that the share called rightly (accuracy) is told.
    """
    m = done.prepared.material
    quality = np.array([str(one.facts.get("quality", "")) for one in m.examples])
    grades = np.array([grade_of(one) for one in m.examples])
    rows: list[Row] = []
    for column, question in enumerate(m.labels.questions):
        for arm in done.arms:
            fits = _fits(done, arm.name)
            for name in sorted(set(quality) - {""}):
                rows += _slice(done, fits, question, column, ("quality", name), quality == name)
            for grade in range(5):
                rows += _slice(done, fits, question, column, ("dr_grade", str(grade)),
                               grades == grade)  # fmt: skip
    return rows


def _slice(
    done: Done, fits: Sequence[Fit], question: Question, column: int, name: tuple[str, str],
    keep: np.ndarray,
) -> list[Row]:  # fmt: skip
    rounds = said_of(done, fits, JUDGE, column, keep)
    if sum(len(one.truth) for one in rounds) < FEWEST_IN_SLICE:
        return []
    by_grade = name[0] == "dr_grade"
    card, score = SCORES[1] if by_grade else SCORES[0]
    weights = draws_of(_patients(rounds), words=" ".join(name))
    one = measure(rounds, question, score, weights)
    return [{"by": name[0], "group": name[1], "question": question.name, "metric": card.name,
             "arm": fits[0].job.arm.name, **plain(one), "n": len(weights)}]  # fmt: skip


def entropy_rows(done: Done) -> list[Row]:
    """Return how unsure each arm says it is, where it is right and where it is wrong."""
    rows: list[Row] = []
    for column, question in enumerate(done.prepared.material.labels.questions):
        for arm in done.arms:
            rounds = said_of(done, _fits(done, arm.name), JUDGE, column)
            unsure = np.concatenate([predictive_entropy(one.said) for one in rounds])
            right = np.concatenate([one.said.argmax(axis=1) == one.truth for one in rounds])
            rows.append({
                "arm": arm.name, "question": question.name,
                "right": number(unsure[right].mean()) if right.any() else None,
                "wrong": number(unsure[~right].mean()) if not right.all() else None,
            })  # fmt: skip
    return rows


def leave_out_rows(done: Done) -> dict[str, Any] | None:
    """Return each source's headline score when it was not taught: mean, worst, gap; None of one.

    The gap is the mean over sources of (score where the source was taught − where it was not).
    """
    protocols = dict.fromkeys(r.protocol for r in done.rounds if r.protocol != SPLIT)
    if not protocols:
        return None
    m, (_, score) = done.prepared.material, SCORES[0]
    rows: list[Row] = []
    for column, question in enumerate(m.labels.questions):
        base: dict[str, Measured] = {}
        for arm in done.arms:
            unseen, seen = {}, {}
            for protocol in protocols:
                name = protocol.removeprefix(f"{WITHOUT}:")
                out = said_of(done, _fits(done, arm.name, protocol), JUDGE, column)
                own = said_of(done, _fits(done, arm.name), JUDGE, column, m.source == name)
                weights = draws_of(_patients(out) + _patients(own), words=protocol)
                unseen[name] = measure(out, question, score, weights)
                seen[name] = measure(own, question, score, weights)
            rows.append(_left_out(arm.name, question, unseen, seen, base))
    return {"metric": HEADLINE, "sources": [p.removeprefix(f"{WITHOUT}:") for p in protocols],
            "rows": rows}  # fmt: skip


def _left_out(
    arm: str, question: Question, unseen: dict[str, Measured], seen: dict[str, Measured],
    base: dict[str, Measured],
) -> Row:  # fmt: skip
    mean, worst = _over(unseen, np.mean), _over(unseen, np.min)
    taught = _over(seen, np.mean)
    gap = Measured((taught.value - mean.value,), taught.draws - mean.draws, taught.reason)
    row = {
        "arm": arm, "question": question.name,
        "by_source": {name: plain(one) for name, one in unseen.items()},
        "taught_by_source": {name: plain(one) for name, one in seen.items()},
        "mean": plain(mean), "worst": plain(worst), "gap": plain(gap), "difference": None,
    }  # fmt: skip
    if arm == REAL_ARM:
        base.update(mean=mean, worst=worst)
    else:
        row["difference"] = {"mean": difference(mean, base["mean"]),
                             "worst": difference(worst, base["worst"])}  # fmt: skip
    return row


def _over(measured: dict[str, Measured], how: Any) -> Measured:
    """Return mean or minimum over sources; not defined where one source is not."""
    values = [one.value for one in measured.values()]
    reasons = [f"{name}: {one.reason}" for name, one in measured.items() if one.reason]
    draws = how(np.stack([one.draws for one in measured.values()]), axis=0)
    return Measured((float(how(values)),), draws, "; ".join(reasons))


def exchange_rows(done: Done) -> dict[str, Any]:
    """Return what synthetic images are worth in photographs, or why that cannot be told."""
    more = [arm.name for arm in done.arms if arm.kind == "more"]
    added = [arm.name for arm in done.arms if arm.kind == "added"]
    if not more or not added:
        why = "no photographs were held back (--few N)" if not more else "no synthetic images"
        return {"rows": [], "reason": why}
    rows: list[Row] = []
    curve: list[Row] = []
    for column, question in enumerate(done.prepared.material.labels.questions):
        one_each = range(len(question.classes)) if len(question.classes) > 2 else ()
        for which in (None, *one_each):
            name = "" if which is None else question.classes[which]
            score = SCORES[0][1] if which is None else _against_rest(which)
            what = {"question": question.name, "class": name}
            real = [_taught(done, arm, column, score) for arm in (REAL_ARM, *more)]
            drawn = [_taught(done, arm, column, score) for arm in added]
            rows += [{**what, **row} for row in _worth(real, drawn)]
            curve += [{**what, "photographs": n, "value": number(one.value),
                       "interval": spread_of(one.draws)[0]} for n, one in real]  # fmt: skip
    return {"rows": rows, "curve": curve, "reason": ""}


def _taught(done: Done, arm: str, column: int, score: Score) -> tuple[float, Measured]:
    """Return how many images taught an arm, and how it scores."""
    fits = _fits(done, arm)
    rounds = said_of(done, fits, JUDGE, column)
    question = done.prepared.material.labels.questions[column]
    weights = draws_of(_patients(rounds), words=JUDGE)
    taught = float(np.mean([fit.taught for fit in fits]))
    return taught, measure(rounds, question, score, weights)


def _worth(
    real: Sequence[tuple[float, Measured]], drawn: Sequence[tuple[float, Measured]]
) -> list[Row]:
    first = real[0][0]
    return exchange(
        [n for n, _ in real], [one.value for _, one in real],
        np.stack([one.draws for _, one in real]),
        [(n - first, one.value, one.draws) for n, one in drawn],
    )  # fmt: skip

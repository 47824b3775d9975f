"""Robustness of classifiers taught on real, on real and synthetic, and on synthetic images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.degradation import (
    CARDS,
    DEGRADATIONS,
    LEVELS,
    consistency,
    degraded,
    lost_from,
)
from retinaforge.core import rng_for
from retinaforge.metrics.prediction import AUROC_CARD, auroc, balanced_accuracy, patient_draws
from retinaforge.tasks.probe_target import Round
from retinaforge.validation import audit_head
from retinaforge.validation.audit_eyes import Eyes, unread
from retinaforge.validation.audit_masking import ARMS
from retinaforge.validation.audit_told import Level, verdict, write_audit

RESAMPLES = 1000
HIGH = 0.1
"""Loss of AUROC, mean over kinds and levels, from which a verdict says found."""

Progress = Callable[[int, int], None]
Curve = dict[str, Any]


def audit_degradation(
    see: audit_head.See, real: Eyes, out: Path, *, synthetic: Eyes | None = None, batch: int = 16,
    seed: int = 0, about: Sequence[tuple[str, str]] = (), on_progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Measure consistency and accuracy at five levels of seven degradations; write audit.json.

    Args:
        see: what an encoder makes of squares, from `audit_head.seer`.
        real: images that teach and judge; only the judging ones are damaged.
        out: folder.
        synthetic: images that teach further arms.
        batch: squares a step.
        seed: of specks, directions and draws.
        about: what was asked, for the page.
        on_progress: called with (kinds and levels done, all).
    """
    folds, words = audit_head.rounds(real.records, real.truth)
    judged = np.concatenate([one.judge for one in folds])
    vectors = audit_head.vectors_of(see, len(real.truth), lambda k: real.pixels[k], batch=batch)
    heads = _heads(see, real, vectors, folds, synthetic, batch)
    names = [real.patients[k] for k in judged]
    weights = np.concatenate([
        np.ones((1, len(judged))),
        patient_draws(names, rng=rng_for(seed, "audit degradation"), resamples=RESAMPLES),
    ])  # fmt: skip
    clean = {arm: said[judged] for arm, (said, _) in heads.items()}
    good = {arm: _scores(real.truth[judged], said, weights) for arm, said in clean.items()}
    curves: list[Curve] = []
    for done, (kind, level) in enumerate([(d.name, k) for d in DEGRADATIONS for k in LEVELS]):
        seen = _damaged(see, real, judged, kind, level, seed, batch)
        for arm, (_, own) in heads.items():
            said = _said(own, folds, judged, seen)
            now = _scores(real.truth[judged], said, weights)
            same = weights @ consistency(clean[arm] > 0, said > 0) / weights.sum(axis=1)
            curves.append({"arm": arm, "kind": kind, "level": level, **now, "consistency": same,
                           "loss": now["auroc"] - good[arm]["auroc"]})  # fmt: skip
        if on_progress:
            on_progress(done + 1, len(DEGRADATIONS) * len(LEVELS))
    told = unread(real, synthetic)
    return _write(out, curves, good, real, judged, words, seed, about, told)


def _heads(
    see: audit_head.See, real: Eyes, vectors: np.ndarray, folds: Sequence[Round],
    synthetic: Eyes | None, batch: int,
) -> dict[str, tuple[np.ndarray, list[audit_head.Head]]]:  # fmt: skip
    found = {ARMS[0]: audit_head.answers(vectors, real.truth, real.patients, folds)}
    if synthetic is None:
        return found
    more = audit_head.vectors_of(
        see, len(synthetic.truth), lambda k: synthetic.pixels[k], batch=batch
    )
    extra = (more, synthetic.truth, synthetic.patients)
    for arm in ARMS[1:]:
        found[arm] = audit_head.answers(
            vectors, real.truth, real.patients, folds, extra=extra, alone=arm == ARMS[2]
        )
    return found


def _damaged(
    see: audit_head.See, real: Eyes, judged: np.ndarray, kind: str, level: int, seed: int,
    batch: int,
) -> np.ndarray:  # fmt: skip
    def make(k: int) -> np.ndarray:
        place = int(judged[k])
        # The same specks and directions at every level: a level adds, it does not move.
        rng = rng_for(seed, "degraded", kind, real.records[place].name)
        return degraded(real.pixels[place], real.parts[place].fov, kind, level, rng=rng)

    return audit_head.vectors_of(see, len(judged), make, batch=batch)


def _said(
    heads: Sequence[audit_head.Head], folds: Sequence[Round], judged: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    said, start = np.zeros(len(judged)), 0
    for head, one in zip(heads, folds, strict=True):
        end = start + len(one.judge)
        said[start:end] = head.logits(seen[start:end])
        start = end
    return said


def _scores(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return AUROC and balanced accuracy: the value, then the draws."""
    known = truth.astype(np.int64)
    return {
        "auroc": auroc(known, np.stack([-said, said], axis=1), weights),
        "balanced_accuracy": balanced_accuracy(known, (said > 0).astype(np.int64), weights),
    }


def _line(draws: np.ndarray) -> dict[str, Any]:
    """Return value and interval of what stands first, and in the draws."""
    value, known = float(draws[0]), draws[1:][np.isfinite(draws[1:])]
    if not math.isfinite(value) or 2 * len(known) < len(draws):
        return {"value": value, "interval": None}
    low, high = np.quantile(known, [0.025, 0.975])
    return {"value": value, "interval": [float(low), float(high)]}


def _write(
    out: Path, curves: list[Curve], good: dict[str, dict[str, np.ndarray]], real: Eyes,
    judged: np.ndarray, words: str, seed: int, about: Sequence[tuple[str, str]],
    left_out: Sequence[dict[str, str]],
) -> dict[str, Any]:  # fmt: skip
    people = len({real.patients[k] for k in judged})
    mean = {arm: np.mean([c["loss"] for c in curves if c["arm"] == arm], axis=0) for arm in good}
    return write_audit(
        out, audit="degradation", title="Good images and worse ones",
        asked=[*about, ("Images that judge", f"{len(judged)} of {people} patients")],
        said=_verdicts(curves, good, mean),
        sections=[_summary(good, mean), *(_section(d.name, d.unit, d.sizes, curves, good)
                                          for d in DEGRADATIONS)],
        results=[{"arm": c["arm"], "kind": c["kind"], "level": c["level"],
                  **{m: _line(c[m]) for m in ("auroc", "balanced_accuracy", "consistency", "loss")}}
                 for c in curves],
        cards=[*CARDS, AUROC_CARD],
        protocol={
            "split": words, "interval": f"95 %, {RESAMPLES} draws of patients, the same for all",
            "classifier": "logistic regression on a frozen encoder's vectors, called at logit 0",
            "taught on": "good images alone: what damage is not learnt is measured",
            "sizes": {d.name: f"{', '.join(f'{s:g}' for s in d.sizes)} ({d.unit})"
                      for d in DEGRADATIONS},
            "seed": seed,
        }, left_out=left_out,
    )  # fmt: skip


def _verdicts(
    curves: Sequence[Curve], good: dict[str, dict[str, np.ndarray]], mean: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    found = []
    for arm in good:
        line = _line(mean[arm])
        own = [c for c in curves if c["arm"] == arm]
        lost = []
        for d in DEGRADATIONS:
            pairs = [_line(c["loss"])["interval"] for c in own if c["kind"] == d.name]
            first = lost_from([(pair[0], pair[1]) if pair else None for pair in pairs])
            lost += [f"{d.name} from level {first}"] if first else []
        much = bool(line["interval"]) and line["value"] < -HIGH and line["interval"][1] < 0
        level: Level = "failure" if much else "caution" if lost else "pass"
        text = f"Taught on {arm}: AUROC {good[arm]['auroc'][0]:.3f} on good images, on average "
        text += f"{line['value']:+.3f}{_between(line)} on worse ones."
        text += f" Surely lost: {', '.join(lost)}." if lost else " No kind surely lowers it."
        found.append(verdict(level, text))
    for arm in ARMS[1:]:
        if arm in mean:
            line = _line(mean[arm] - mean[ARMS[0]])
            sure = bool(line["interval"]) and line["interval"][0] * line["interval"][1] > 0
            found.append(verdict(
                "open" if not sure else "pass" if line["value"] > 0 else "caution",
                f"{arm} instead of {ARMS[0]}: the loss changes by {line['value']:+.3f}"
                f"{_between(line)}.",
            ))  # fmt: skip
    return found


def _between(line: dict[str, Any]) -> str:
    if not line["interval"]:
        return ""
    return f" ({line['interval'][0]:+.3f} to {line['interval'][1]:+.3f})"


def _summary(good: dict[str, dict[str, np.ndarray]], mean: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        "id": "mean", "title": "On average",
        "figures": [
            {"kind": "forest", "title": "AUROC on good images",
             "rows": [{"name": arm, **_line(found["auroc"])} for arm, found in good.items()]},
            {"kind": "forest", "title": "Change on worse ones",
             "lines": [{"name": "no change", "value": 0.0}],
             "rows": [{"name": arm, **_line(draws)} for arm, draws in mean.items()]},
        ],
        "read": [
            "How good a classifier is on good images, and what it loses on average over seven "
            "kinds of damage at five levels.",
            "Little loss from a high start.",
            "A small loss from a start near one half: there was nothing to lose.",
        ],
    }  # fmt: skip


def _section(
    kind: str, unit: str, sizes: Sequence[float], curves: Sequence[Curve],
    good: dict[str, dict[str, np.ndarray]],
) -> dict[str, Any]:  # fmt: skip
    own = [c for c in curves if c["kind"] == kind]
    levels = ["good", *(f"{size:g}" for size in sizes)]
    one = np.ones(RESAMPLES + 1)
    figures = []
    for measure, title in (("auroc", "AUROC"), ("balanced_accuracy", "Balanced accuracy"),
                           ("consistency", "Consistency")):  # fmt: skip
        series = []
        for arm in good:
            first = one if measure == "consistency" else good[arm][measure]
            lines = [_line(d) for d in [first, *(c[measure] for c in own if c["arm"] == arm)]]
            series.append({"name": arm, "values": [line["value"] for line in lines],
                           "intervals": [line["interval"] for line in lines]})  # fmt: skip
        figures.append({"kind": "curves", "title": title, "note": unit, "levels": levels,
                        "series": series})  # fmt: skip
    return {"id": kind, "title": kind.capitalize(), "figures": figures}

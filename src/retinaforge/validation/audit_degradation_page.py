"""What the audit of degradation writes: verdicts and curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.classifier_cards import CONSISTENCY_CARD, ROBUST_CARD
from retinaforge.audits.degradation import DEGRADATIONS, lost_from
from retinaforge.metrics.prediction import AUROC_CARD
from retinaforge.validation.audit_eyes import Eyes
from retinaforge.validation.audit_told import Level, span_words, verdict, write_audit

RESAMPLES = 1000
HIGH = 0.1
"""Loss of AUROC, mean over kinds and levels, from which a verdict says found."""
REAL = "real"
TITLES = {"jpeg": "JPEG", "channel": "One channel fades", "illumination": "Uneven light"}
CHANCE = 0.5

Curve = dict[str, Any]


def _line(draws: np.ndarray) -> dict[str, Any]:
    """Return value and interval of what stands first, and in the draws."""
    value, known = float(draws[0]), draws[1:][np.isfinite(draws[1:])]
    if not math.isfinite(value) or 2 * len(known) < len(draws):
        return {"value": value, "interval": None}
    low, high = np.quantile(known, [0.025, 0.975])
    return {"value": value, "interval": [float(low), float(high)]}


def write_degradation(
    out: Path, curves: list[Curve], good: dict[str, dict[str, np.ndarray]], real: Eyes,
    judged: np.ndarray, words: str, seed: int, about: Sequence[tuple[str, str]],
    left_out: Sequence[dict[str, str]], *, cautions: Sequence[str] = (),
    shown: Mapping[str, dict[str, str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write audit.json of curves: of each arm, kind and level the measures and their draws."""
    people = len({real.patients[k] for k in judged})
    mean = {arm: np.mean([c["loss"] for c in curves if c["arm"] == arm], axis=0) for arm in good}
    return write_audit(
        out, audit="degradation", title="Good images and worse ones",
        asked=[*about, ("Images that judge", f"{len(judged)} of {people} patients")],
        cautions=cautions, said=_verdicts(curves, good, mean),
        sections=[_summary(good, mean), *(_section(d.name, d.unit, d.sizes, curves, good, shown)
                                          for d in DEGRADATIONS)],
        results=[{"arm": c["arm"], "kind": c["kind"], "level": c["level"],
                  **{m: _line(c[m]) for m in ("auroc", "balanced_accuracy", "consistency", "loss")}}
                 for c in curves],
        cards=[CONSISTENCY_CARD, ROBUST_CARD, AUROC_CARD],
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
    found = [
        _on_arm(arm, [c for c in curves if c["arm"] == arm], good[arm]["auroc"], mean[arm])
        for arm in good
    ]
    for arm in [name for name in mean if name != REAL]:
        start = good[arm]["auroc"] - good[REAL]["auroc"]
        # Not the loss: who starts low has little to lose.
        worse = _line(start + mean[arm] - mean[REAL])
        sure = bool(worse["interval"]) and worse["interval"][0] * worse["interval"][1] > 0
        word = ("higher" if worse["value"] > 0 else "lower") if sure else "not shown to differ"
        found.append(verdict(
            "note" if sure else "open",
            f"Taught on {arm} instead of {REAL}: mean AUROC on worse images {word}, "
            f"{worse['value']:+.3f}{span_words(worse['interval'], signed=True)}; on good images "
            f"{_line(start)['value']:+.3f}{span_words(_line(start)['interval'], signed=True)}.",
        ))  # fmt: skip
    return found


def _on_arm(arm: str, own: Sequence[Curve], good: np.ndarray, mean: np.ndarray) -> dict[str, Any]:
    start, line = _line(good), _line(mean)
    text = f"Taught on {arm}: AUROC {start['value']:.3f}{span_words(start['interval'])} on good "
    text += f"images, on average {line['value']:+.3f}{span_words(line['interval'], signed=True)} "
    text += "on worse ones."
    if not start["interval"] or start["interval"][0] <= CHANCE:
        return verdict("open", text + " It is not shown to work on good images: nothing to lose.")
    lost = []
    for d in DEGRADATIONS:
        pairs = [_line(c["loss"])["interval"] for c in own if c["kind"] == d.name]
        first = lost_from([(pair[0], pair[1]) if pair else None for pair in pairs])
        lost += [f"{d.name} from {d.sizes[first - 1]:g} ({d.unit})"] if first else []
    much = bool(line["interval"]) and line["value"] < -HIGH and line["interval"][1] < 0
    level: Level = "failure" if much else "caution" if lost else "pass"
    text += f" Surely lost: {', '.join(lost)}." if lost else " No kind surely lowers it."
    return verdict(level, text)


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
            "kinds of damage at five levels; below, each kind by its size, and consistency: the "
            "share of images that are called as they were when they were good.",
            "Little loss from a high start.",
            "A small loss from a start near one half: there was nothing to lose.",
        ],
    }  # fmt: skip


def _section(
    kind: str, unit: str, sizes: Sequence[float], curves: Sequence[Curve],
    good: dict[str, dict[str, np.ndarray]], shown: Mapping[str, dict[str, str]] | None,
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
        chance = [] if measure == "consistency" else [{"name": "chance", "value": CHANCE}]
        figures.append({"kind": "curves", "title": title, "note": unit, "levels": levels,
                        "lines": chance, "series": series})  # fmt: skip
    return {"id": kind, "title": TITLES.get(kind, kind.capitalize()), "figures": figures,
            "pictures": [shown[kind]] if shown else []}  # fmt: skip

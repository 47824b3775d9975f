"""What a study of mask-to-fundus pairs says: every arm beside photographs alone.

An image's value is its mean over the seeds; means and differences carry intervals over patients,
and the spread over seeds stands beside them. p values of one measure are corrected by Holm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.core import Card, rng_for
from retinaforge.core.artefacts import environment, write_json
from retinaforge.metrics.scores import difference_score, mean_score
from retinaforge.metrics.statistics import BOOTSTRAP_CARD, HOLM_CARD, SIGN_FLIP_CARD, holm
from retinaforge.tasks.segmentation_usefulness import Options, plan_of
from retinaforge.tasks.segmentation_usefulness_arms import BASELINE
from retinaforge.tasks.segmentation_usefulness_set import Eyes
from retinaforge.vessels.compare_overlap import AUC, CLDICE, DICE

JSON = "usefulness-vessels.json"
CARDS: tuple[Card, ...] = (DICE, CLDICE, AUC)
FEWEST_SEEDS = 5


def write_results(
    out: Path, eyes: Eyes, options: Options, results: Sequence[dict[str, Any]],
    failed: Sequence[dict[str, str]], about: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Write usefulness-vessels.json and return what it holds.

    Args:
        out: folder of the study.
        eyes: who taught and judged.
        options: the plan.
        results: one a run.
        failed: runs that failed, with their reason.
        about: further facts (folders).
    """
    told = {
        "arms": [_arm(arm, results) for arm in options.arms],
        "measures": [card.name for card in CARDS],
        **scores_of(results, [arm.name for arm in options.arms]),
        "counts": _counts(eyes, options, results),
        "failed": list(failed),
        "cautions": cautions(eyes, options),
        "cards": [card.as_dict() for card in (*CARDS, BOOTSTRAP_CARD, SIGN_FLIP_CARD, HOLM_CARD)],
        "protocol": {
            "steps": f"{options.config.steps} optimiser steps of {options.config.batch} crops of "
            f"{options.config.side_px} px, the same for every arm",
            "widths": list(options.config.widths),
            "loss": options.config.loss,
            "split": "by patient: splits that the data state, else a hash of the patient",
            "threshold": "on patients put aside from those that teach",
            "interval": "95 %, bootstrap over judging patients of means over seeds",
            "seeds": list(options.seeds),
        },
        "plan": plan_of(eyes, options),
        **about,
        "environment": environment(),
    }
    write_json(Path(out) / JSON, told)
    return told


def scores_of(results: Sequence[dict[str, Any]], arms: Sequence[str]) -> dict[str, Any]:
    """Return scores of arms, spreads over seeds, and differences from the baseline."""
    scores, differences = [], []
    for card in CARDS:
        tables = {arm: _table(results, arm, card.name) for arm in arms}
        family = []
        for arm, (names, patients, values) in tables.items():
            rng = rng_for(0, "usefulness-vessels", card.name)
            where = {"arm": arm}
            one = mean_score(card, _means(values), patients, rng=rng, where=where)
            per_seed = [_plain(v) for v in _means(values.T)]
            scores.append({**one.as_dict(), "per_seed": per_seed})
            if arm != BASELINE and names and names == tables[BASELINE][0]:
                rng = rng_for(0, "usefulness-vessels", card.name)
                base = _means(tables[BASELINE][2])
                gap = difference_score(card, _means(values), base, patients, rng=rng, where=where)
                family.append(gap.as_dict())
        corrected = holm([math.nan if d["p"] is None else d["p"] for d in family])
        differences += [{**d, "p_holm": _plain(p)} for d, p in zip(family, corrected, strict=True)]
    return {"scores": scores, "differences": differences}


def _table(
    results: Sequence[dict[str, Any]], arm: str, measure: str
) -> tuple[list[str], list[str], np.ndarray]:
    """Return images, patients and values (image by seed), NaN where undefined."""
    runs = [run for run in results if run["arm"] == arm]
    if not runs:
        return [], [], np.zeros((0, 1))
    images = runs[0]["images"]
    values = [[_value(image[measure]) for image in run["images"]] for run in runs]
    return (
        [image["name"] for image in images],
        [image["patient"] for image in images],
        np.array(values, np.float64).T,
    )


def _means(table: np.ndarray) -> np.ndarray:
    """Return the mean of each row over what is defined; NaN where nothing is."""
    known = np.isfinite(table)
    count = known.sum(axis=1)
    total = np.where(known, table, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def cautions(eyes: Eyes, options: Options) -> list[str]:
    """Return what is to be said before the first number."""
    said = []
    if len(options.seeds) < FEWEST_SEEDS:
        said.append(f"{len(options.seeds)} seeds: fewer than {FEWEST_SEEDS} say little of training")
    patients = len({record.patient for record in eyes.judge})
    if patients < 20:
        said.append(f"{patients} patients judge: intervals over so few are too narrow")
    most = max(options.ratios) * len(eyes.teach)
    if len(eyes.pairs) < most:
        said.append(
            f"{len(eyes.pairs)} pairs: the largest ratio asks for {most:g}; their share of the "
            "crops is kept"
        )
    return said


def _arm(arm: Any, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    own = [run for run in results if run["arm"] == arm.name]
    return {
        "name": arm.name, "words": arm.words, "share": round(arm.share, 4), "runs": len(own),
        "real": own[0]["real"] if own else None,
        "synthetic": own[0]["synthetic"] if own else None,
    }  # fmt: skip


def _counts(eyes: Eyes, options: Options, results: Sequence[dict[str, Any]]) -> dict[str, int]:
    sides = {side: getattr(eyes, side) for side in ("teach", "choose", "judge", "pairs")}
    return {
        **{side: len(records) for side, records in sides.items()},
        "patients_teach": len({r.patient for r in eyes.teach}),
        "patients_judge": len({r.patient for r in eyes.judge}),
        "runs": len(results),
        "runs_planned": len(options.arms) * len(options.seeds),
    }


def _value(number: float | None) -> float:
    return math.nan if number is None else float(number)


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

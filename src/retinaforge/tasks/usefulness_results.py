"""What a study of usefulness writes: usefulness.json, and every answer in predictions.parquet."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retinaforge.core.artefacts import environment, write_json, write_with
from retinaforge.metrics.classification_calibration import ENTROPY_CARD
from retinaforge.metrics.prediction import BALANCED_ACCURACY_CARD
from retinaforge.tasks.usefulness_arms import REAL_ARM
from retinaforge.tasks.usefulness_fit import JUDGE, Fit
from retinaforge.tasks.usefulness_labels import together_rows
from retinaforge.tasks.usefulness_rounds import EXTERNAL, REAL, SPLIT, SYNTHETIC
from retinaforge.tasks.usefulness_scores import HEADLINE, RESAMPLES, SCORES
from retinaforge.tasks.usefulness_study import Done
from retinaforge.tasks.usefulness_tables import (
    arm_rows,
    entropy_rows,
    exchange_rows,
    leave_out_rows,
    slice_rows,
)

USEFULNESS_VERSION = 1
JSON, PREDICTIONS = "usefulness.json", "predictions.parquet"


def write_results(done: Done, out: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Write usefulness.json and predictions.parquet, and return what the JSON holds.

    Args:
        done: the study.
        out: folder.
        about: further facts (folders, warnings).
    """
    told = {**summary(done), **about, "environment": environment()}
    told["warnings"] = [*told.get("warnings", ()), *_all_alike(told)]
    table = predictions(done)
    write_with(out / PREDICTIONS, lambda stream: table.to_parquet(stream, index=False))
    path = write_json(out / JSON, told)
    return json.loads(path.read_text(encoding="utf-8"))


def _all_alike(told: dict[str, Any]) -> list[str]:
    """Return a caution for every question to which photographs alone taught a single answer."""
    sure = {q["name"]: 1 / len(q["classes"]) for q in told["questions"]}
    return [
        f"Taught with photographs alone, every image is called alike ({row['question']}): what "
        "counts calls says nothing here, AUROC does; more --steps may help."
        for row in told["results"]
        if (row["arm"], row["where"], row["level"]) == (REAL_ARM, JUDGE, "image")
        and row["metric"] == BALANCED_ACCURACY_CARD.name and row["class"] == ""
        and row["value"] is not None and math.isclose(row["value"], sure[row["question"]])
        and len(set(row["per_seed"])) == 1
    ]  # fmt: skip


def summary(done: Done) -> dict[str, Any]:
    """Return scores, differences and how they came about, as plain data."""
    p = done.prepared
    return {
        "questions": [{"name": q.name, "kind": q.kind, "classes": list(q.classes)}
                      for q in p.material.labels.questions],
        "classes_left_out": p.classes_left_out,
        "headline": HEADLINE,
        "arms": [_arm(done, arm.name) for arm in done.arms],
        "judged": _judged(done),
        "results": arm_rows(done),
        "labels_together": together_rows(done),
        "slices": slice_rows(done),
        "entropy": entropy_rows(done),
        "leave_one_source_out": leave_out_rows(done),
        "exchange": exchange_rows(done),
        "left_out": [
            *({"name": n, "reason": w, "kind": "unreadable"} for n, w in p.unreadable),
            *({"name": n, "reason": w, "kind": "no answer"} for n, w in p.silent),
            *({"name": n, "reason": w, "kind": "kept apart"} for n, w in p.kept_apart),
        ],
        "protocol": _protocol(done),
        "cards": [card.as_dict() for card in (*(card for card, _ in SCORES), ENTROPY_CARD)],
    }  # fmt: skip


def _arm(done: Done, name: str) -> dict[str, Any]:
    own = [fit for fit in done.fits if fit.job.arm.name == name and _in_split(fit)]
    arm = own[0].job.arm
    return {
        "name": name, "kind": arm.kind, "ratio": None if math.isnan(arm.ratio) else arm.ratio,
        "taught": [fit.taught for fit in own], "settings": [fit.setting for fit in own],
    }  # fmt: skip


def _in_split(fit: Fit) -> bool:
    return fit.job.round.protocol == SPLIT


def _judged(done: Done) -> dict[str, dict[str, int]]:
    """Return images and patients that teach and judge, by where they stand."""
    m, one = done.prepared.material, done.rounds[0]
    judged = np.unique(np.concatenate([r.judge for r in done.rounds if r.protocol == SPLIT]))
    sets = {"teach": one.teach, "spare": one.spare, "test": judged,
            EXTERNAL: m.places(EXTERNAL), SYNTHETIC: m.places(SYNTHETIC)}  # fmt: skip
    return {
        name: {"images": len(places), "patients": len(set(m.patients[places].tolist())),
               **_by_class(done, places)}
        for name, places in sets.items()
    }  # fmt: skip


def _by_class(done: Done, places: np.ndarray) -> dict[str, int]:
    labels = done.prepared.material.labels
    many = len(labels.questions) > 1
    return {
        f"{q.name} {name}" if many else name: int((labels.values[places, k] == place).sum())
        for k, q in enumerate(labels.questions)
        for place, name in enumerate(q.classes)
        if not many or place == 1
    }


def _protocol(done: Done) -> dict[str, Any]:
    m, o = done.prepared.material, done.options
    real = [one for one, kind in zip(m.examples, m.origin, strict=True) if kind == REAL]
    return {
        "version": USEFULNESS_VERSION,
        "split": done.split_words,
        "seeds": o.seeds,
        "steps": "every arm is taught for the same number of steps on batches of the same size",
        "tuning": "of every arm alike: the setting with the largest pooled AUROC on "
        f"{_folds(done)} of the teaching photographs' patients; the arm of synthetic images alone "
        "too",
        "photographs_held_back": o.few and f"taught with {o.few} photographs, the rest held back",
        "backbone": {k: v for k, v in done.backbone.items() if k not in ("card", "fingerprint")},
        "fingerprint": done.backbone.get("fingerprint", ""),
        "interval": f"95 %, percentiles of {RESAMPLES} bootstrap draws of the judging patients, "
        "the same draws for all arms, each the mean over the seeds; per_seed has their spread",
        "p": "twice the smaller share of draws on either side of 0; p_holm corrected over arms",
        "patients_unknown": sum(not one.record.patient_known for one in real),
        "expected_seconds": round(done.plan.first, 1),
        "expected_seconds_of_teaching": round(done.plan.seconds, 1),
        "seconds": round(done.seconds, 1),
    }  # fmt: skip


def _folds(done: Done) -> str:
    count = done.backbone.get("folds", 0)
    return "one inner fold (a quarter)" if count == 1 else "inner folds"


def predictions(done: Done) -> pd.DataFrame:
    """Return one row an image, question, arm, seed and protocol: truth and probabilities."""
    frames = [_frame(done, fit, where) for fit in done.fits for where in fit.answers]
    return pd.concat([f for many in frames for f in many], ignore_index=True)


def _frame(done: Done, fit: Fit, where: str) -> list[pd.DataFrame]:
    m, places = done.prepared.material, fit.places[where]
    records = [m.examples[k].record for k in places]
    frames, start = [], 0
    for column, question in enumerate(m.labels.questions):
        width = len(question.classes)
        said = fit.answers[where][:, start : start + width]
        start += width
        truth = m.labels.values[places, column]
        names = np.array([*question.classes, ""])
        frames.append(pd.DataFrame({
            "image": [r.name for r in records], "dataset": [r.dataset for r in records],
            "patient": [r.patient for r in records], "where": where,
            "protocol": fit.job.round.protocol, "arm": fit.job.arm.name,
            "seed": fit.job.round.seed, "question": question.name,
            "truth": names[np.where(np.isfinite(truth), np.nan_to_num(truth), -1).astype(int)],
            "predicted": names[said.argmax(axis=1)],
            **{f"p_{name}": said[:, k] for k, name in enumerate(question.classes)},
        }))  # fmt: skip
    return frames


def arms_in_words(told: dict[str, Any]) -> Sequence[str]:
    """Return the names of the arms, photographs alone first."""
    names = [arm["name"] for arm in told["arms"]]
    return [REAL_ARM, *(name for name in names if name != REAL_ARM)]

"""What a probing run writes: probe.json, and every answer in predictions.parquet."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retinaforge.core.artefacts import environment, write_json, write_with
from retinaforge.tasks import probe_attentive, probe_heads
from retinaforge.tasks.embedding import EMBEDDING_VERSION
from retinaforge.tasks.probe import CONSTANT, PROBE_VERSION, Answer, Probed
from retinaforge.tasks.probe_scores import (
    METRICS,
    RESAMPLES,
    Measured,
    as_plain,
    difference,
    measure,
    references_of,
)

Key = tuple[str, str]


def write_results(probed: Probed, out: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Write probe.json and predictions.parquet, and return what the JSON holds.

    Args:
        probed: the run.
        out: folder.
        about: further facts (folders, specs, warnings).
    """
    told = {**summary(probed), **about, "environment": environment()}
    table = predictions(probed)
    write_with(out / "predictions.parquet", lambda stream: table.to_parquet(stream, index=False))
    path = write_json(out / "probe.json", told)
    return json.loads(path.read_text(encoding="utf-8"))


def summary(probed: Probed) -> dict[str, Any]:
    """Return scores, differences, what they are about and how they came about, as plain data."""
    keys = list(dict.fromkeys((a.encoder, a.probe) for a in probed.answers))
    by_key = {key: [a for a in probed.answers if (a.encoder, a.probe) == key] for key in keys}
    measured = {key: measure(probed, by_key[key]) for key in keys}
    return {
        "target": _target(probed),
        "protocol": _protocol(probed),
        "looks": [_look(probed, name) for name in probed.looks],
        "results": [
            {"encoder": e, "probe": p, **as_plain(one), **_counts(probed), "settings": settings}
            for (e, p), ones in measured.items()
            for settings in [_settings(by_key[e, p])]
            for one in ones
        ],
        "differences": _differences(probed, measured),
        "after": _after(probed, by_key),
        "pictures": {f"{e} | {p}": _picture(probed, by_key[e, p]) for e, p in keys if p},
        "cards": [card.as_dict() for card in METRICS[probed.target.kind]],
        "left_out": [
            {"name": name, "reason": why, "kind": kind} for name, why, kind in probed.left_out
        ],
    }


def predictions(probed: Probed) -> pd.DataFrame:
    """Return one row an image, encoder, head and round: truth and answer, before and after."""
    frames = []
    for answer in probed.answers:
        one = probed.rounds[answer.round]
        frames.append(_frame(probed, answer, one.judge, answer.answers, "original"))
        if probed.rebuilt is not None:
            paired = probed.paired(one)
            frames.append(_frame(probed, answer, paired, answer.after, "reconstruction"))
    return pd.concat(frames, ignore_index=True)


def _frame(
    probed: Probed, answer: Answer, places: np.ndarray, said: np.ndarray, version: str
) -> pd.DataFrame:
    target, records = probed.target, [probed.records[k] for k in places]
    rows: dict[str, Any] = {
        "image": [r.name for r in records],
        "dataset": [r.dataset for r in records],
        "patient": [r.patient for r in records],
        "version": version,
        "encoder": answer.encoder,
        "probe": answer.probe or CONSTANT,
        "seed": probed.rounds[answer.round].seed,
    }
    truth = target.values[places]
    if target.kind == "number":
        return pd.DataFrame({**rows, "truth": truth, "predicted": said})
    names = np.array(target.classes)
    rows |= {"truth": names[truth.astype(int)], "predicted": names[said.argmax(axis=1)]}
    return pd.DataFrame(
        {**rows, **{f"p_{name}": said[:, k] for k, name in enumerate(target.classes)}}
    )


def _target(probed: Probed) -> dict[str, Any]:
    target = probed.target
    plain: dict[str, Any] = {
        "name": target.name, "kind": target.kind, "unit": target.unit,
        "metric": METRICS[target.kind][0].name, "classes": list(target.classes),
        "classes_left_out": probed.classes_left_out, **_counts(probed),
    }  # fmt: skip
    if target.kind == "number":
        known = target.values[np.isfinite(target.values)]
        return {**plain, "mean": float(known.mean()), "sd": float(known.std())}
    one = probed.rounds[0]
    return {
        **plain,
        "photographs": {
            name: {side: int((target.values[places] == k).sum()) for side, places in
                   (("teach", one.teach), ("judge", one.judge))}
            for k, name in enumerate(target.classes)
        },
    }  # fmt: skip


def _counts(probed: Probed) -> dict[str, int]:
    """Return photographs and patients that teach and judge, in the first round."""
    one = probed.rounds[0]
    judged = sorted({int(k) for r in probed.rounds for k in r.judge})
    return {
        "n": len(judged),
        "patients": len({probed.records[k].patient for k in judged}),
        "n_teach": len(one.teach),
        "patients_teach": len({probed.records[k].patient for k in one.teach}),
    }


def _protocol(probed: Probed) -> dict[str, Any]:
    a = probe_attentive
    unknown = sum(not record.patient_known for record in probed.records)
    return {
        "version": f"probe {PROBE_VERSION}, embedding {EMBEDDING_VERSION}",
        "split": probed.split_words,
        "seeds": [one.seed for one in probed.rounds],
        "interval": f"95 %, percentiles of {RESAMPLES} bootstrap draws of patients, the same draws "
        "for all, each the mean over the seeds; the spread of training is in per_seed",
        "patients_unknown": unknown,
        "linear": "logistic regression with balanced classes (C), or ridge (penalty 1 / 2C), C of "
        f"{', '.join(f'{c:g}' for c in probe_heads.STRENGTHS)}; columns standardised by the "
        "teaching photographs",
        "knn": f"cosine of the same columns, k of "
        f"{', '.join(str(k) for k in sorted(probe_heads.NEIGHBOURS))}",
        "choice": f"C and k by {probe_heads.INNER_FOLDS} inner folds of teaching patients: largest "
        "pooled AUROC, or smallest MAE; of ties the strongest",
        "attentive": f"one query over the last block's patch tokens, {a.EPOCHS} epochs (at least "
        f"{a.STEPS} steps) of AdamW, rate {a.RATE:g}, batch {a.BATCH}, decay {a.DECAY:g}, fixed "
        "beforehand",
        "twin": "the same architecture with random weights (seed 0)",
    }


def _look(probed: Probed, name: str) -> dict[str, Any]:
    return {"name": name, "twin": probed.twin_of.get(name), **probed.looks[name]}


def _settings(answers: Sequence[Answer]) -> list[float] | None:
    chosen = [answer.setting for answer in answers]
    return None if any(map(math.isnan, chosen)) else chosen


def _differences(probed: Probed, measured: dict[Key, list[Measured]]) -> list[dict[str, Any]]:
    return [
        {"encoder": e, "probe": p, "against": word, **difference(one, other)}
        for (e, p), ones in measured.items()
        if p
        for word, beside in references_of(probed, e, p).items()
        for one, other in zip(ones, measured[beside], strict=True)
    ]


def _after(probed: Probed, by_key: dict[Key, list[Answer]]) -> dict[str, Any] | None:
    """Return what reconstructions lose: the same heads on both, the same photographs."""
    if probed.rebuilt is None:
        return None
    rows = []
    for (e, p), answers in by_key.items():
        before = measure(probed, answers, paired=True)
        after = measure(probed, answers, after=True)
        for one, other in zip(before, after, strict=True):
            sides = {"before": as_plain(one), "after": as_plain(other)}
            change = difference(other, one)
            rows.append(
                {"encoder": e, "probe": p, "metric": one.card.name, **sides, "change": change}
            )
    places = sorted({int(k) for one in probed.rounds for k in probed.paired(one)})
    patients = {probed.records[k].patient for k in places}
    return {"n": len(places), "patients": len(patients), "rows": rows}


def _picture(probed: Probed, answers: Sequence[Answer]) -> dict[str, Any]:
    """Return what the page draws: a confusion matrix summed over seeds, or points of a scatter."""
    target = probed.target
    if target.kind == "number":
        total: dict[int, list[float]] = {}
        for answer in answers:
            for place, said in zip(probed.rounds[answer.round].judge, answer.answers, strict=True):
                total.setdefault(int(place), []).append(float(said))
        return {"points": [[round(float(target.values[k]), 2), round(float(np.mean(v)), 2)]
                           for k, v in sorted(total.items())]}  # fmt: skip
    counts = np.zeros((len(target.classes),) * 2, int)
    for answer in answers:
        truth = target.values[probed.rounds[answer.round].judge].astype(int)
        np.add.at(counts, (truth, answer.answers.argmax(axis=1)), 1)
    return {"confusion": counts.tolist()}

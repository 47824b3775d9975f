"""Train the quality grade: rows of numbers, multinomial logistic regression, a JSON with its card.

The run folder keeps each row (`rows.jsonl`), so that the same command resumes. Training rows and
phantoms teach and, one set left out at a time, choose the strength of the penalty; validation and
test rows are only told about.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, log_loss, roc_auc_score

from retinaforge.core import Record, artefacts, seed_for
from retinaforge.metrics.quality_vector import (
    FARTHEST,
    TWO_SIDED,
    VECTOR_NAMES,
    WORKING_SIZES_PX,
)
from retinaforge.phantoms.quality import QUALITY_LABELS
from retinaforge.tasks.quality_samples import (
    PHANTOMS,
    SHOTS,
    Sample,
    counts_of,
    phantom_samples,
    quality_records,
    samples_of,
)
from retinaforge.tasks.segmenter_data import LICENCE

FORMAT, VERSION = "retinaforge-quality", 1
HELD_OUT_FIRST = 1_000
"""Number of the first phantom that is not learnt from."""

SQUARED = np.array([name.removeprefix("middle_") in TWO_SIDED for name in VECTOR_NAMES], float)
"""1 for columns whose square counts too; more squares did worse on sets left out."""

MODEL, ROWS = "quality.json", "rows.jsonl"
Rows = dict[str, list[Sample]]


@dataclass(frozen=True)
class QualityConfig:
    """The recipe.

    Attributes:
        phantoms: drawn eyes to learn from; a quarter as many are held out, twice.
        most: photographs of a data set that are used in each part at most.
        penalties: inverse strengths that are tried on sets left out.
        seed: of damage and phantoms.
    """

    phantoms: int = 60
    most: int = 60
    penalties: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    seed: int = 0


def train_quality(
    data: Path,
    out: Path,
    *,
    config: QualityConfig | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Train on photographs and phantoms; write quality.json, with the card in it.

    Args:
        data: folder of data sets with splits.csv.
        out: run folder; the same call resumes there.
        config: the recipe.
        on_step: called with (images looked at, of how many).

    Returns:
        The card: data, counts, licence, results on what was held out, commit.

    Raises:
        Refusal: expected training rows under CC BY 4.0.
    """
    config = config or QualityConfig()
    rows = collect(quality_records(data), out, config=config, on_step=on_step)
    sizes, card_sizes = {}, {}
    for size_px in WORKING_SIZES_PX:
        fit, losses = fitted_best(rows["train"], size_px, config.penalties)
        sizes[str(size_px)] = fit
        card_sizes[str(size_px)] = {
            "loss_on_sets_left_out_by_penalty": losses,
            **{part: judged_on(rows[part], fit, size_px) for part in ("val", "test")},
        }
    card = {**_card(rows, config), "results": card_sizes}
    model = {"format": FORMAT, "version": VERSION, "grades": list(QUALITY_LABELS),
             "columns": list(VECTOR_NAMES), "sizes": sizes, "card": card}  # fmt: skip
    artefacts.write_json(out / MODEL, model)
    return card


def collect(
    records: Sequence[Record], out: Path, *, config: QualityConfig,
    on_step: Callable[[int, int], None] | None = None,
) -> Rows:  # fmt: skip
    """Return the rows of each part, measuring those that the run folder does not hold yet."""
    out.mkdir(parents=True, exist_ok=True)
    held = max(1, config.phantoms // 4)
    jobs: list[tuple[str, str, Callable[[], list[Sample]]]] = [
        (r.split or "train", f"{config.seed}:{r.name}",
         lambda r=r: samples_of(r, seed=config.seed)) for r in few(records, config.most)
    ]  # fmt: skip
    for part, numbers in _phantom_numbers(config.phantoms, held).items():
        jobs += [(part, f"{config.seed}:phantom:{n}",
                  lambda n=n: phantom_samples(n, seed=config.seed)) for n in numbers]  # fmt: skip
    kept = _kept(out / ROWS)
    rows: Rows = {"train": [], "val": [], "test": []}
    with (out / ROWS).open("a", encoding="utf-8") as stream:
        for done, (part, key, job) in enumerate(jobs, 1):
            if key not in kept:
                kept[key] = job()
                line = {"key": key, "rows": [s.as_dict() for s in kept[key]]}
                stream.write(json.dumps(line) + "\n")
                stream.flush()
            rows[part] += kept[key]
            if on_step:
                on_step(done, len(jobs))
    return rows


def few(records: Sequence[Record], most: int) -> list[Record]:
    """Return at most `most` photographs of each data set and part, by a hash of the patient."""
    taken: dict[tuple[str, str | None], int] = {}
    chosen: list[Record] = []
    for record in sorted(records, key=lambda r: (seed_for(0, "quality", r.patient), r.name)):
        part = (record.dataset, record.split)
        taken[part] = taken.get(part, 0) + 1
        if taken[part] <= most:
            chosen.append(record)
    return chosen


def _phantom_numbers(learnt: int, held: int) -> dict[str, range]:
    first = HELD_OUT_FIRST
    return {"train": range(learnt), "val": range(first, first + held),
            "test": range(first + held, first + 2 * held)}  # fmt: skip


def _kept(path: Path) -> dict[str, list[Sample]]:
    """Return what an earlier run measured; a line that was cut short is left out."""
    kept: dict[str, list[Sample]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        kept[entry["key"]] = [Sample.from_dict(row) for row in entry["rows"]]
    return kept


def fitted_best(
    samples: Sequence[Sample], size_px: int, penalties: Sequence[float]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the coefficients of the best penalty, and the loss of each on sets left out.

    Each camera's photographs, and the phantoms, are left out in turn: what is asked of a grade is
    that it holds for a camera it never saw.
    """
    families = sorted({_family(s) for s in samples})
    losses = {f"{c:g}": float(np.mean([_left_out(samples, one, size_px, c) for one in families]))
              for c in penalties}  # fmt: skip
    best = min(losses, key=lambda c: losses[c])
    return fitted(samples, size_px, float(best)), {c: round(v, 4) for c, v in losses.items()}


def _family(sample: Sample) -> str:
    """Return the data set; IDRiD's two parts are one camera's."""
    return sample.group.split("_")[0]


def _left_out(samples: Sequence[Sample], family: str, size_px: int, penalty: float) -> float:
    """Return the weighted log loss on a family of a model that never saw it."""
    fit = fitted([s for s in samples if _family(s) != family], size_px, penalty)
    x, y, w = table([s for s in samples if _family(s) == family], size_px)
    return float(log_loss(y, probabilities(x, fit), sample_weight=w, labels=[0, 1, 2]))


def table(samples: Sequence[Sample], size_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return numbers, grades (0-2) and weights of the rows that have every number.

    Each data set counts by the square root of its size, each grade alike within it.
    """
    x = np.array([s.vectors[size_px] for s in samples])
    y = np.array([QUALITY_LABELS.index(s.label) for s in samples])  # type: ignore[arg-type]
    groups = np.array([s.group for s in samples])
    whole = np.isfinite(x).all(axis=1)
    x, y, groups = x[whole], y[whole], groups[whole]
    w = np.zeros(len(y))
    for group in np.unique(groups):
        for grade in np.unique(y[groups == group]):
            here = (groups == group) & (y == grade)
            w[here] = np.sqrt((groups == group).sum()) / here.sum()
    return x, y, w * len(w) / w.sum()


def fitted(samples: Sequence[Sample], size_px: int, penalty: float) -> dict[str, Any]:
    """Return means, scales and weights of z and z² as plain data."""
    x, y, w = table(samples, size_px)
    means, scales = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    model = LogisticRegression(C=penalty, max_iter=5000)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(_design(x, means, scales), y, sample_weight=w)
    n = len(means)
    return {
        "means": _rounded(means), "scales": _rounded(scales),
        "linear": [_rounded(row[:n]) for row in model.coef_],
        "square": [_rounded(row[n:]) for row in model.coef_],
        "intercepts": _rounded(model.intercept_),
    }  # fmt: skip


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{v:.6g}") for v in values]


def _design(x: np.ndarray, means: Any, scales: Any) -> np.ndarray:
    z = np.clip((x - np.array(means)) / np.array(scales), -FARTHEST, FARTHEST)
    return np.hstack([z, z**2 * SQUARED])


def probabilities(x: np.ndarray, fit: dict[str, Any]) -> np.ndarray:
    """Return P(good), P(usable), P(reject), one row an image."""
    weights = np.hstack([np.array(fit["linear"]), np.array(fit["square"])])
    logits = _design(x, fit["means"], fit["scales"]) @ weights.T + np.array(fit["intercepts"])
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def judged_on(samples: Sequence[Sample], fit: dict[str, Any], size_px: int) -> dict[str, Any]:
    """Return how well the grade does on rows: together, by group, by kind and level of damage."""
    together = _scores(samples, fit, size_px)
    groups = sorted({s.group for s in samples})
    by_group = {g: _scores([s for s in samples if s.group == g], fit, size_px) for g in groups}
    return {"all": together, "by_group": by_group, "by_damage": _by_damage(samples, fit, size_px)}


def _scores(samples: Sequence[Sample], fit: dict[str, Any], size_px: int) -> dict[str, Any]:
    x, y, _ = table(samples, size_px)
    p = probabilities(x, fit)
    said = p.argmax(axis=1)
    poor = y > 0
    both = bool(poor.any() and not poor.all())
    confusion = [[int(((y == a) & (said == b)).sum()) for b in range(3)] for a in range(3)]
    return {
        "n": len(y),
        "accuracy": round(float((said == y).mean()), 4),
        "kappa_quadratic": round(float(cohen_kappa_score(y, said, weights="quadratic")), 4),
        "auc_not_good": round(float(roc_auc_score(poor, 1 - p[:, 0])), 4) if both else None,
        "confusion_true_by_said": confusion,
    }


def _by_damage(samples: Sequence[Sample], fit: dict[str, Any], size_px: int) -> dict[str, Any]:
    """Return counts of good, usable and reject said, by damage planted alone in photographs."""
    found: dict[str, list[int]] = {}
    for s in samples:
        if s.group == PHANTOMS or len(s.planted) > 1:
            continue
        name = " ".join(f"{k} {v:g}" for k, v in s.planted.items()) or "as it is"
        said = probabilities(np.array([s.vectors[size_px]]), fit)[0].argmax()
        found.setdefault(f"{name} ({s.label})", [0, 0, 0])[int(said)] += 1
    return dict(sorted(found.items()))


def _card(rows: Rows, config: QualityConfig) -> dict[str, Any]:
    photographs = sorted({(s.group, s.name) for s in rows["train"] if s.group != PHANTOMS})
    sets = sorted({group for group, _ in photographs})
    return {
        "training_data": [
            *(f"{d} ({sum(g == d for g, _ in photographs)} training images)" for d in sets),
            f"{config.phantoms} phantoms in {SHOTS} photographs each",
        ],
        "licence": f"Apache-2.0; trained on data under {LICENCE}, authors named in the model card",
        "counts": {part: counts_of(samples) for part, samples in rows.items()},
        "config": asdict(config),
        "commit": artefacts.git_commit(Path(__file__).parent),
    }  # fmt: skip

"""Encoders as judges: how far each arm's reconstructions lie from the originals in their spaces.

    feature_cosine = 1 - <f(x), f(y)> / (|f(x)| |f(y)|)      one photograph, embeddings f

An encoder that was the loss of an arm is no independent judge of it, so each number says whether
it was: near-perfect scores under the loss's own network vanish under another one.

References:
    Skorniewska and Papiez, arXiv 2608.13455 (judges that were the loss).
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from retinaforge.core import Card, Score, rng_for
from retinaforge.core.artefacts import write_bytes
from retinaforge.encoders import load_encoder
from retinaforge.losses import encoders_named
from retinaforge.metrics import difference_score, mean_score
from retinaforge.studies.features import embed
from retinaforge.studies.folder import RESIZE_ONLY, Job, RunFolder
from retinaforge.studies.plan import Study, located

ROLE = "encoder-judge"
CARD = Card(
    name="feature_cosine",
    version=1,
    measures="1 - cosine of an encoder's embeddings of a photograph and of its reconstruction",
    range="[0, 2]",
    direction="lower is better",
    unit="1",
    smallest_n=1,
    reference="Salton and McGill 1983 (cosine); as a judge of reconstructions: this package",
    known_failure="an encoder that was the loss finds its own arm near whatever its vessels; one "
    "that sees no vessels is content with any",
)
Features = Mapping[str, np.ndarray]


def specs_of(study: Study, data: Path) -> dict[str, str]:
    """Return the judges' names and specs: names of the study's [encoders], or specs themselves."""
    return {
        name.split(":")[0]: located(study.encoders.get(name, name), data)
        for name in study.measure.encoder_judges
    }


def save_features(folder: Path, study: Study, data: Path, squares: Features) -> None:
    """Embed an arm's held-out reconstructions with every judge, one file a judge."""
    for name, spec in specs_of(study, data).items():
        features = embed(load_encoder(spec), list(squares.values()))
        buffer = io.BytesIO()
        np.savez_compressed(buffer, features=features, names=np.array(list(squares)))
        write_bytes(_file(folder, name), buffer.getvalue())


def encoder_scores(study: Study, run: RunFolder, jobs: Sequence[Job]) -> list[Score]:
    """Return each arm's mean distance in each judge's space, and its difference to the baseline.

    The first seed of an arm is judged. The originals are what resizing alone gives.
    """
    patient = run.patients()
    scores: list[Score] = []
    for name in (judge.split(":")[0] for judge in study.measure.encoder_judges):
        stored = {job.arm: _read(run, job, name) for job in reversed(jobs)}
        originals = stored.pop(RESIZE_ONLY, {})
        distances = {arm: _distances(originals, own) for arm, own in stored.items()}
        scores += list(_of_judge(study, name, distances, patient))
    return scores


def cosine_distances(f: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Return 1 - cosine row by row, in float64; NaN where a vector is zero or not finite."""
    f, g = np.asarray(f, np.float64), np.asarray(g, np.float64)
    lengths = np.linalg.norm(f, axis=1) * np.linalg.norm(g, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - np.einsum("nd,nd->n", f, g) / np.where(lengths > 0, lengths, math.nan)


def _of_judge(
    study: Study, name: str, distances: dict[str, dict[str, float]], patient: Mapping[str, str]
) -> Iterator[Score]:
    losses = {arm.name: arm.loss for arm in study.arm}
    baseline = distances.get(study.measure.baseline, {})
    for arm, own in distances.items():
        images = [image for image in own if image in patient]
        if not images:
            continue
        where = {"arm": arm, "encoder": name, "judge": "", "reference": "original"}
        where["dataset"] = "all"
        extra = {"role": ROLE, "was_the_loss": name in encoders_named(losses.get(arm, ""))}
        values = np.array([own[image] for image in images])
        people = [patient[image] for image in images]
        rng = rng_for(study.seed, "encoder judge")
        kwargs = {"resamples": study.measure.bootstrap}
        score = mean_score(CARD, values, people, rng=rng, where=where, **kwargs)
        yield replace(score, extra={**score.extra, **extra})
        both = [image for image in images if image in baseline]
        if arm != study.measure.baseline and both:
            gap = difference_score(
                CARD,
                np.array([own[image] for image in both]),
                np.array([baseline[image] for image in both]),
                [patient[image] for image in both],
                rng=rng_for(study.seed, "encoder judge"),
                where={**where, "difference_to": study.measure.baseline},
                **kwargs,
            )
            yield replace(gap, extra={**gap.extra, **extra, "role": f"{ROLE}-difference"})


def _file(folder: Path, name: str) -> Path:
    return folder / f"features-{name}.npz"


def _read(run: RunFolder, job: Job, name: str) -> dict[str, np.ndarray]:
    path = _file(run.job(job), name)
    if not path.is_file():
        return {}
    with np.load(path) as stored:
        return dict(zip(stored["names"].tolist(), stored["features"], strict=True))


def _distances(originals: Features, own: Features) -> dict[str, float]:
    images = [image for image in own if image in originals]
    if not images:
        return {}
    pair = [np.stack([side[image] for image in images]) for side in (originals, own)]
    return dict(zip(images, cosine_distances(*pair).tolist(), strict=True))

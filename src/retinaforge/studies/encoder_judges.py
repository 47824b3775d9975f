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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from retinaforge.core import Card, RetinaForgeError, Score, rng_for
from retinaforge.core.artefacts import write_bytes
from retinaforge.encoders import load
from retinaforge.losses import encoders_named
from retinaforge.metrics import difference_score, mean_score
from retinaforge.studies.features import embed
from retinaforge.studies.folder import RESIZE_ONLY, Job, RunFolder, slug_of
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
PHOTOGRAPH = ("dataset", "image")
Features = Mapping[str, np.ndarray]


def specs_of(study: Study, data: Path) -> dict[str, str]:
    """Return the judges' names and specs: names of the study's [encoders], or specs themselves."""
    return {
        name.split(":")[0]: located(study.encoders.get(name, name), data)
        for name in study.measure.encoder_judges
    }


def complete_features(study: Study, data: Path, run: RunFolder, jobs: Sequence[Job]) -> list[str]:
    """Embed every arm's held-out reconstructions with every judge that has not seen them yet.

    They are read from the pictures that measuring left, so a judge can be added to a finished run.

    Returns:
        What could not be had, in words.
    """
    problems = []
    for name, spec in specs_of(study, data).items():
        waiting = [job for job in jobs if not _file(run.job(job), name).is_file()]
        try:
            encoder = load(spec) if waiting else None
        except (RetinaForgeError, OSError) as error:
            problems.append(f"judge {name}: {error}")
            continue
        for job in waiting:
            squares = _reconstructions(run, job)
            if squares:
                _save(_file(run.job(job), name), embed(encoder, list(squares.values())), squares)
    return problems


def _reconstructions(run: RunFolder, job: Job) -> dict[str, np.ndarray]:
    """Return a job's held-out reconstructions by "dataset/name"."""
    folder = run.job(job) / "reconstructions"
    if not folder.is_dir():
        return {}
    table = pd.read_parquet(folder.parent / "per_image.parquet", columns=["part", *PHOTOGRAPH])
    images = table[table.part == "test"].drop_duplicates()
    found = {}
    for dataset, image in zip(images["dataset"], images["image"], strict=True):
        path = folder / f"synthetic_{slug_of(dataset, image)}.png"
        if path.is_file():
            with Image.open(path) as picture:
                found[f"{dataset}/{image}"] = np.asarray(picture.convert("RGB"))
    return found


def _save(path: Path, features: np.ndarray, names: Iterable[str]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, features=features, names=np.array(list(names)))
    write_bytes(path, buffer.getvalue())


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

"""From rows to a scorecard: means with intervals over patients, differences, corrected p."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from retinaforge.core import Card, Score, rng_for
from retinaforge.core.artefacts import whole_file
from retinaforge.metrics import difference_score, holm, jackknife_interval, mean_score, split_half
from retinaforge.metrics.real_against_real import DISTANCES
from retinaforge.studies.encoder_judges import encoder_scores
from retinaforge.studies.folder import RESIZE_ONLY, Job, RunFolder
from retinaforge.studies.measure import HUMAN, ORIGINAL, available_judges, read_cards
from retinaforge.studies.plan import Study
from retinaforge.studies.witness import witnesses

KEYS = ["judge", "reference", "measure"]
ROLES = {RESIZE_ONLY: "resize-only", ORIGINAL: "real-vs-human", HUMAN: "human-ceiling"}
# The measures that the verdict speaks of: one family for Holm's correction.
HEADLINE = ("psnr", "ssim", "dice", "cldice", "edge_sharpness")


def gather_rows(run: RunFolder, jobs: Sequence[Job]) -> pd.DataFrame:
    """Join the rows of all measured jobs and write them to per_image.parquet."""
    paths = [run.job(job) / "per_image.parquet" for job in jobs]
    table = pd.concat([pd.read_parquet(path) for path in paths if path.is_file()])
    with whole_file(run.per_image) as stream:
        table.to_parquet(stream, index=False)
    return table


def best_arm(study: Study, data: Path, table: pd.DataFrame) -> str:
    """Return the arm with the best mean of the primary measure on the validation patients."""
    judge = available_judges(study.measure.judges[:1], data)[0][0].card.name
    own = table[
        (table.part == "val")
        & (table.judge == judge)
        & (table.reference == "original")
        & (table.measure == study.measure.primary)
        & ~table.arm.isin(list(ROLES))
    ]
    return str(own.groupby("arm")["value"].mean().idxmax())


def summarise(study: Study, data: Path, run: RunFolder, jobs: Sequence[Job]) -> list[Score]:
    """Return every score of a finished run, from the rows of its jobs."""
    measured = [job for job in jobs if (run.job(job) / "per_image.parquet").is_file()]
    table = gather_rows(run, measured)
    table = table[table.part == "test"]
    cards = {
        name: Card(**fields)
        for job in measured
        for name, fields in read_cards(run.job(job)).items()
    }
    # Several seeds of an arm are averaged image by image first: seeds are not patients.
    index = ["arm", *KEYS, "dataset", "image", "patient"]
    means = table.groupby(index, dropna=False)["value"].mean().reset_index()
    losses = {job.arm: str(run.status(job).get("loss", "")) for job in measured}
    judges = available_judges(study.measure.judges, data)[0]
    scores = list(_means(study, means, cards))
    scores += _corrected(_differences(study, means, cards), primary=judges[0].card.name)
    scores += _set_distances(study, run, measured)
    known = witnesses(study, data, losses)
    # Encoders as judges say for themselves whether they were the loss.
    return [*map(known.marked, scores), *encoder_scores(study, run, measured)]


def _means(study: Study, means: pd.DataFrame, cards: dict[str, Card]) -> Iterator[Score]:
    for (arm, *keys), group in means.groupby(["arm", *KEYS]):
        for dataset, part in [("all", group), *group.groupby("dataset")]:
            where = {"arm": arm, "judge": keys[0], "reference": keys[1], "dataset": str(dataset)}
            rng = rng_for(study.seed, "bootstrap", str(dataset))
            score = mean_score(
                cards[keys[2]],
                part["value"].to_numpy(float),
                list(part["patient"]),
                rng=rng,
                where=where,
                resamples=study.measure.bootstrap,
            )
            yield replace(score, extra={**score.extra, "role": ROLES.get(arm, "score")})


def _differences(study: Study, means: pd.DataFrame, cards: dict[str, Card]) -> list[Score]:
    """Compare every arm with the pixel-only arm, image by image."""
    baseline = means[means.arm == study.measure.baseline].set_index([*KEYS, "dataset", "image"])
    scores = []
    for (arm, *keys), group in means.groupby(["arm", *KEYS]):
        if arm in ROLES or arm == study.measure.baseline:
            continue
        own = group.set_index([*KEYS, "dataset", "image"])
        both = own.join(baseline["value"].rename("value_baseline"), how="inner")
        where = {
            "arm": arm,
            "judge": keys[0],
            "reference": keys[1],
            "dataset": "all",
            "difference_to": study.measure.baseline,
        }
        scores.append(
            difference_score(
                cards[keys[2]],
                both["value"].to_numpy(float),
                both["value_baseline"].to_numpy(float),
                list(both["patient"]),
                rng=rng_for(study.seed, "difference"),
                where=where,
                resamples=study.measure.bootstrap,
            )
        )
    return scores


def _corrected(scores: list[Score], *, primary: str) -> list[Score]:
    """Apply Holm within the headline family, and within each further measure by itself."""

    def family(score: Score) -> str:
        chosen = score.where["judge"] in ("", primary) and score.where["reference"] == "original"
        if chosen and score.card.name in HEADLINE:
            return "headline"
        return "/".join((score.card.name, score.where["judge"], score.where["reference"]))

    out = list(scores)
    for name in {family(score) for score in scores}:
        places = [i for i, score in enumerate(scores) if family(score) == name]
        p = [scores[i].extra["p"] for i in places]
        for i, corrected in zip(places, holm([np.nan if x is None else x for x in p]), strict=True):
            value = None if np.isnan(corrected) else corrected
            out[i] = replace(out[i], extra={**out[i].extra, "p_holm": value, "family": name})
    return out


def _set_distances(study: Study, run: RunFolder, jobs: Sequence[Job]) -> list[Score]:
    """Compare each arm's features with the originals', beside two halves of the originals."""
    stored = {
        job: np.load(run.job(job) / "features.npz")
        for job in jobs
        if (run.job(job) / "features.npz").is_file()
    }
    originals = next((features for job, features in stored.items() if job.arm == RESIZE_ONLY), None)
    if originals is None:
        return []
    patient = run.patients()
    real = dict(zip(originals["names"], originals["features"], strict=True))
    where = {"judge": "", "reference": "original", "dataset": "all"}
    where["encoder"] = study.measure.encoder.split(":")[0]
    people = [patient[name] for name in real]
    halves = split_half(np.stack(list(real.values())), people, rng=rng_for(study.seed, "halves"))
    scores = [
        Score(
            half.card,
            half.value,
            None,
            len(real),
            {**where, "arm": "real against real"},
            half.reason,
            {"role": "real-vs-real"},
        )
        for half in halves
    ]
    for arm in dict.fromkeys(job.arm for job in stored if job.arm != RESIZE_ONLY):
        own = [stored[job] for job in stored if job.arm == arm]
        for distance in DISTANCES:
            scores.append(_distance_score(distance, own, real, patient, {**where, "arm": arm}))
    return scores


def _distance_score(
    distance, runs, real: dict[str, np.ndarray], patient: dict[str, str], where: dict[str, str]
) -> Score:
    """Score the first seed's set; its interval is a jackknife over patients."""
    features = runs[0]
    names = [name for name in features["names"] if name in real]
    mine = dict(zip(features["names"], features["features"], strict=True))
    pair = np.stack([real[name] for name in names]), np.stack([mine[name] for name in names])
    quantity = distance(*pair)
    interval = jackknife_interval(distance, *pair, [patient[name] for name in names])
    return Score(
        quantity.card, quantity.value, interval, len(names), where, quantity.reason,
        {"role": "score"},
    )  # fmt: skip

"""What several studies of usefulness say of their synthetic sets, on the same patients.

Each folder is one set: the same photographs, target and arms. From its predictions are taken

    gain   score of real + synthetic at a ratio − score of real alone
    TSTR   score of synthetic images alone

with the same bootstrap draws of the judging patients for all sets, and with the patients cut in two
halves many times: how far the order of the sets by one half is that by the other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retinaforge.core import Refusal, rng_for
from retinaforge.tasks.usefulness_arms import REAL_ARM
from retinaforge.tasks.usefulness_fit import JUDGE
from retinaforge.tasks.usefulness_results import JSON, PREDICTIONS
from retinaforge.tasks.usefulness_rounds import SPLIT, SYNTHETIC
from retinaforge.tasks.usefulness_scores import SCORES, Said, draws_of, measure, number
from retinaforge.tasks.usefulness_target import Question

GAIN, TSTR = "gain", "tstr"
HALVES = 200


@dataclass(frozen=True)
class Outcome:
    """One outcome of every set.

    Attributes:
        values: one a set; NaN where not defined.
        draws: over patients, shape (draws, sets).
        halves: by halves of the patients, shape (2, cuts, sets).
    """

    values: np.ndarray
    draws: np.ndarray
    halves: np.ndarray


@dataclass(frozen=True)
class Outcomes:
    """What the studies say.

    Attributes:
        names: of the sets, from their folders.
        asked: what all have in common (target, question, headline, where, ratio, encoder).
        found: by "gain" and "tstr".
        trts: what photographs taught says of each set, scored by the set's labels.
        synthetic: number of synthetic images in each.
        patients: who judge, by their number.
    """

    names: tuple[str, ...]
    asked: dict[str, Any]
    found: dict[str, Outcome]
    trts: np.ndarray
    synthetic: tuple[int, ...]
    patients: int


@dataclass(frozen=True)
class _Study:
    told: dict[str, Any]
    table: pd.DataFrame


def read_outcomes(
    folders: Sequence[Path], *, where: str = JUDGE, ratio: float = 1.0, question: str = ""
) -> Outcomes:
    """Read the folders that `retinaforge usefulness` wrote, one a synthetic set.

    Args:
        folders: each with usefulness.json and predictions.parquet.
        where: "judge" or "external".
        ratio: synthetic images for each photograph in the gain.
        question: which, where the studies ask several; none: the only one.

    Raises:
        Refusal: of folders that are no study, that ask different things, that are judged by
            different images, or that lack the arm.
    """
    names = _names(folders)
    studies = [_read(folder, where, question) for folder in folders]
    _require_alike(names, studies)
    told = studies[0].told
    asked = {
        "target": told["target"], "question": told["question"]["name"],
        "headline": told["headline"], "where": where, "ratio": ratio,
        "encoder": told.get("encoder", ""), "seeds": told["protocol"]["seeds"],
    }  # fmt: skip
    drawn = [_of_study(name, one, f"real+synthetic {ratio:g}")
             for name, one in zip(names, studies, strict=True)]  # fmt: skip
    return Outcomes(
        tuple(names), asked,
        {kind: _joined([one[kind] for one in drawn]) for kind in (GAIN, TSTR)},
        np.array([_trts(one.told) for one in studies]),
        tuple(one.told["judged"][SYNTHETIC]["images"] for one in studies),
        studies[0].table["patient"].nunique(),
    )  # fmt: skip


def _names(folders: Sequence[Path]) -> list[str]:
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise Refusal(
            "folders with names of their own, which name the sets", f"{double} twice",
            "rename one, or name each folder once",
        )  # fmt: skip
    return names


def _read(folder: Path, where: str, question: str) -> _Study:
    try:
        told = json.loads((folder / JSON).read_text(encoding="utf-8"))
        table = pd.read_parquet(folder / PREDICTIONS)
        asked = {q["name"]: q for q in told["questions"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(
            "a folder that `retinaforge usefulness` wrote", f"{folder}: {error}", "run it again"
        ) from error
    name = question or next(iter(asked))
    if name not in asked or (not question and len(asked) > 1):
        raise Refusal(
            "one question that the studies ask" if question else "--question, as several are asked",
            question or ", ".join(asked), f"choose of {', '.join(asked)}",
        )  # fmt: skip
    rows = table[(table["protocol"] == SPLIT) & (table["where"] == where)]
    rows = rows[(rows["question"] == name) & (rows["truth"] != "")]
    if not len(rows):
        raise Refusal(
            f"answers about {where} images", f"none in {folder}",
            "run usefulness with --external, or judge by the others",
        )  # fmt: skip
    return _Study({**told, "question": asked[name]}, rows)


def _require_alike(names: Sequence[str], studies: Sequence[_Study]) -> None:
    """Refuse studies whose scores are not of the same images about the same thing."""
    first = studies[0]
    for name, one in zip(names, studies, strict=True):
        for key in ("target", "question", "headline"):
            if one.told[key] != first.told[key]:
                raise Refusal(
                    f"studies with the same {key}",
                    f"{_said(first.told[key])} ({names[0]}) and {_said(one.told[key])} ({name})",
                    "run them alike",
                )
        if _judged(one) != _judged(first):
            raise Refusal(
                "studies judged by the same images", f"others in {name} than in {names[0]}",
                "run them with the same --real and --external folders",
            )  # fmt: skip


def _said(value: Any) -> str:
    return str(value["classes"] if isinstance(value, Mapping) else value)


def _judged(one: _Study) -> set[tuple[str, str, int]]:
    own = one.table[one.table["arm"] == REAL_ARM]
    return set(zip(own["image"], own["truth"], own["seed"], strict=True))


def _of_study(name: str, one: _Study, added: str) -> dict[str, Outcome]:
    arms = set(one.table["arm"])
    for arm in (added, "synthetic"):
        if arm not in arms:
            have = ", ".join(sorted(a for a in arms if a.startswith("real+synthetic"))) or "none"
            raise Refusal(
                f"the arm {arm!r} in every study", f"{name} without it (it has {have})",
                "name a --ratio that all have, or run usefulness with it",
            )  # fmt: skip
    scored = {arm: _measured(one, arm) for arm in (REAL_ARM, added, "synthetic")}
    return {
        GAIN: _outcome(scored[added] - scored[REAL_ARM]),
        TSTR: _outcome(scored["synthetic"]),
    }


def _outcome(row: np.ndarray) -> Outcome:
    draws, halves = row[1 : -2 * HALVES], row[-2 * HALVES :]
    return Outcome(row[0], draws, halves.reshape(2, HALVES))


def _measured(one: _Study, arm: str) -> np.ndarray:
    """Return an arm's score: of all patients, in each draw, in each half of each cut."""
    asked = one.told["question"]
    question = Question(asked["name"], asked["kind"], tuple(asked["classes"]))
    score = next(score for card, score in SCORES if card.name == one.told["headline"])
    own = one.table[one.table["arm"] == arm]
    rounds = [_said_of(own[own["seed"] == seed], question) for seed in sorted(own["seed"].unique())]
    patients = [str(name) for said in rounds for name in said.patients]
    weights = draws_of(patients, words=str(own["where"].iloc[0]))
    halves = halves_of(sorted(weights))
    found = measure(
        rounds, question, score,
        {name: np.concatenate([weights[name], halves[name]]) for name in weights},
    )  # fmt: skip
    return np.concatenate([[found.value], found.draws])


def _said_of(rows: pd.DataFrame, question: Question) -> Said:
    places = {name: k for k, name in enumerate(question.classes)}
    said = rows[[f"p_{name}" for name in question.classes]].to_numpy(np.float64)
    truth = rows["truth"].map(places).to_numpy(np.int64)
    return Said(truth, said / said.sum(axis=1, keepdims=True), rows["patient"].to_numpy(str))


def halves_of(patients: Sequence[str]) -> dict[str, np.ndarray]:
    """Return for each patient 1 where in a half, else 0: first halves of all cuts, then second."""
    rng = rng_for(0, "usefulness", "halves")
    first = np.stack([rng.permutation(len(patients)) < len(patients) // 2 for _ in range(HALVES)])
    both = np.concatenate([first, ~first]).astype(np.float64)
    return {name: both[:, k] for k, name in enumerate(patients)}


def _joined(each: Sequence[Outcome]) -> Outcome:
    return Outcome(
        np.array([one.values for one in each], np.float64),
        np.stack([one.draws for one in each], axis=1),
        np.stack([one.halves for one in each], axis=2),
    )


def _trts(told: Mapping[str, Any]) -> float:
    """Return what photographs taught scores on the synthetic images."""
    wanted = {"where": SYNTHETIC, "level": "image", "arm": REAL_ARM, "class": "",
              "metric": told["headline"], "question": told["question"]["name"]}  # fmt: skip
    rows = [r for r in told["results"] if all(r[k] == v for k, v in wanted.items())]
    value = rows[0]["value"] if rows else None
    return math.nan if value is None else float(value)


def plain(outcome: Outcome, place: int) -> dict[str, Any]:
    """Return one set's outcome with its interval over patients, as JSON has it."""
    known = outcome.draws[:, place][np.isfinite(outcome.draws[:, place])]
    spread = len(known) * 2 >= len(outcome.draws) and len(known) > 1
    return {
        "value": number(float(outcome.values[place])),
        "interval": [float(v) for v in np.quantile(known, [0.025, 0.975])] if spread else None,
    }

"""Folders of usefulness and validate, made up: sets whose use is planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PATIENTS = 60


def answers(truth: np.ndarray, skill: float, seed: int) -> np.ndarray:
    """Return probabilities of the finding that tell truth with a skill."""
    noise = np.random.default_rng(seed).normal(size=len(truth))
    return 1 / (1 + np.exp(-(skill * (truth - 0.5) * 2 + noise)))


def useful_folder(
    folder: Path, *, gain: float, alone: float, ratio: float = 1.0, **told: Any
) -> Path:
    """Write a study of one set: how much mixed images gain, how well synthetic ones teach."""
    folder.mkdir(parents=True)
    truth = np.arange(PATIENTS) % 2
    frames = []
    arms = {"real": 0.6, f"real+synthetic {ratio:g}": 0.6 + gain, "synthetic": alone}
    for arm, skill in arms.items():
        for seed in range(2):
            yes = answers(truth, skill, seed)  # with the same noise for all
            frames.append(pd.DataFrame({
                "image": [f"{k}.png" for k in range(PATIENTS)],
                "patient": [f"p{k}" for k in range(PATIENTS)],
                "where": "judge", "protocol": "split", "arm": arm, "seed": seed,
                "question": "referable", "truth": np.array(["no", "yes"])[truth],
                "p_no": (1 - yes).astype(np.float32), "p_yes": yes.astype(np.float32),
            }))  # fmt: skip
    pd.concat(frames).to_parquet(folder / "predictions.parquet", index=False)
    row = {"where": "synthetic", "level": "image", "arm": "real", "class": "", "metric": "auroc",
           "question": "referable", "value": 0.5 + alone / 4}  # fmt: skip
    content = {
        "questions": [{"name": "referable", "kind": "class", "classes": ["no", "yes"]}],
        "target": "referable", "headline": "auroc", "encoder": "made up", "results": [row],
        "protocol": {"seeds": 2}, "judged": {"synthetic": {"images": 30}}, **told,
    }  # fmt: skip
    (folder / "usefulness.json").write_text(json.dumps(content))
    return folder


def score(identity: str, value: float | None, direction: str = "lower is better") -> dict[str, Any]:
    """Return one line of a scorecard."""
    family, place, name = identity.split(":")
    where = {"column": place} if name == "ks" else {"space": place or None}
    card = {"name": name, "version": 1, "direction": direction, "unit": "1", "measures": "made up"}
    return {"identity": identity, "family": family, "name": name, **where, "value": value,
            "interval": None, "n": 60, "reason": "", "card": card}  # fmt: skip


def card_folder(folder: Path, scores: list[dict[str, Any]], **protocol: Any) -> Path:
    """Write a scorecard."""
    folder.mkdir(parents=True)
    told = {"scores": scores, "verdict": [], "environment": {"git": "abc"}, "protocol": {
        "suite": "quick", "real": {"folder": "real"}, "synthetic": {}, **protocol,
    }}  # fmt: skip
    (folder / "scorecard.json").write_text(json.dumps(told))
    return folder


def many(root: Path, *, count: int = 12, noise: int = 6) -> tuple[list[Path], list[Path]]:
    """Return sets of two kinds that help more and more, with scores that know it or do not.

    `right` falls as the sets get better, as a distance should; `wrong` rises; `constant` is the
    same; `none` is missing of all but three; the rest is noise.
    """
    rng = np.random.default_rng(3)
    useful, cards = [], []
    for k in range(count):
        name = f"{'ab'[k % 2]}-{k:02d}"
        useful.append(useful_folder(root / "useful" / name, gain=0.1 * k, alone=0.15 * k))
        lines = [
            score("fidelity:structure:right", -0.1 * k),
            score("fidelity:structure:wrong", 0.1 * k),
            score("fidelity::constant", 1.0),
            score("fidelity::none", float(k) if k < 3 else None),
            score("fidelity::free", float(-k), "neither"),
            *(score(f"vessels:column{c}:ks", float(rng.normal())) for c in range(noise)),
        ]
        cards.append(card_folder(root / "cards" / name, lines))
    return useful, cards

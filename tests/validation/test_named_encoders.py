"""Encoders that the user names by file: their scores, their names, and the cache's key."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up import DIMENSIONS, side_of
from safetensors.torch import save_file

from retinaforge.core import rng_for
from retinaforge.metrics import CATALOGUE, inception_score
from retinaforge.nets.clip import ClipShape, ClipTower
from retinaforge.validation import cache
from retinaforge.validation.eye import Measured, Settings
from retinaforge.validation.fidelity import Sides, fidelity_scores
from retinaforge.validation.naming import card_in
from retinaforge.validation.spaces import classes_of, embed_named
from retinaforge.validation.trackers import track

INCEPTION, CLIP = "inception:i.pth", "clip:c.safetensors"
CLASSES = 8


def with_encoders(side: list[Measured], *, sure: float) -> list[Measured]:
    """Add vectors of two encoders, and class probabilities that are more or less sure."""
    for m in side:
        rng = rng_for(0, "named", m.row["side"], m.row["name"])
        m.arrays[INCEPTION], m.arrays[CLIP] = rng.normal(size=(2, DIMENSIONS))
        logits = sure * np.eye(CLASSES)[rng.integers(CLASSES)]
        m.arrays[classes_of(INCEPTION)] = (np.exp(logits) / np.exp(logits).sum()).astype("f4")
    return side


@pytest.fixture(scope="module")
def sides() -> Sides:
    real = with_encoders(side_of(30), sure=4.0)
    return Sides(real, with_encoders(side_of(24, side="synthetic"), sure=0.5))


def test_classes_give_an_inception_score_beside_that_of_halves_of_the_real_set(sides) -> None:
    lines = fidelity_scores(sides, (INCEPTION, CLIP), seed=0)
    found = [s for s in lines if s.card.name == "inception_score"]
    assert [s.where["space"] for s in found] == [INCEPTION]
    (score,) = found
    p = np.stack([m.arrays[classes_of(INCEPTION)] for m in sides.synthetic])
    assert score.value == pytest.approx(inception_score(p).value)
    assert score.extra["floor"]["low"] > score.extra["matched"]["high"]
    tracked = {t.name: value for t, value in track(sides, (INCEPTION, CLIP)).items()}
    assert tracked[f"{INCEPTION}: inception_score"] == pytest.approx(score.value)


def test_the_gaussian_discrepancy_is_cmmd_where_the_space_is_clip(sides) -> None:
    lines = fidelity_scores(sides, (INCEPTION, CLIP), seed=0)
    names = {space: {s.card.name for s in lines if s.where["space"] == space}
             for space in ("structure", INCEPTION, CLIP)}  # fmt: skip
    assert names[CLIP] == names["structure"] - {"mmd_gaussian"} | {"cmmd"}
    assert names[INCEPTION] == names["structure"] | {"inception_score"}
    assert f"{CLIP}: cmmd" in {t.name for t in track(sides, (INCEPTION, CLIP))}


def test_cards_say_what_a_score_is_called_in_a_space() -> None:
    cards = {card.name: card for card in CATALOGUE}
    gaussian, frechet = cards["mmd_gaussian"], cards["frechet_distance"]
    assert card_in("clip:a.pth", gaussian).name == "cmmd"
    assert card_in("clip", gaussian) == card_in("structure", gaussian) == gaussian
    assert "FID, where the file is that of 2015" in card_in("inception:a", frechet).measures
    assert card_in("inception:a", frechet).name == "frechet_distance"
    assert "Not FID" in card_in("squeezenet:a", frechet).reference


def small_tower(path: Path, seed: int) -> str:
    torch.manual_seed(seed)
    shape = ClipShape(
        width=64, depth=1, heads=1, patch_px=8, input_px=32, hidden=64, projected=DIMENSIONS
    )
    save_file(ClipTower(shape).state_dict(), path)
    return f"clip:{path}"


def test_another_file_under_the_same_name_is_another_key(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    keys = []
    for seed in (1, 2):
        settings = Settings(size_px=64, encoders=(small_tower(path, seed),))
        cache.measured_by.cache_clear()
        keys.append(cache.measured_by(settings))
        assert hashlib.sha256(path.read_bytes()).hexdigest() in keys[-1]
    assert keys[0] != keys[1]


def test_a_tower_gives_one_vector_and_no_classes(tmp_path: Path) -> None:
    spec = small_tower(tmp_path / "c.safetensors", 1)
    found = embed_named(spec, np.zeros((64, 64, 3), dtype=np.uint8))
    assert set(found) == {spec}
    assert np.linalg.norm(found[spec]) == pytest.approx(1, abs=1e-6)

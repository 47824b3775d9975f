"""Retrieval: exact whatever the parts, and planted near-copies come first."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.audits import retrieval
from retinaforge.audits.retrieval import nearest_real, real_to_real, share_below
from retinaforge.core import Refusal, rng_for
from retinaforge.encoders import Encoder, load
from retinaforge.images import read_records
from retinaforge.phantoms import write_phantoms
from retinaforge.tasks.embedding import embed_arrays, embed_folder
from retinaforge.tasks.sheets import normalised_sheet

SHARED = Path(__file__).parents[3] / "shared/data"
SQUEEZENET = SHARED / "weights/squeezenet_v1_0_imagenet/squeezenet_v1_0_imagenet.npz"


def made_up(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(3, 1, (count, 12)).astype(np.float32)


@pytest.mark.parametrize("chunk", [3, 7, 4096])
def test_the_search_is_exact_whatever_the_parts(chunk: int, monkeypatch) -> None:
    monkeypatch.setattr(retrieval, "CHUNK", chunk)
    queries, real = made_up(10, 0), made_up(25, 1)
    a, b = queries - real.mean(0), real - real.mean(0)
    alike = (a / np.linalg.norm(a, axis=1)[:, None]) @ (b / np.linalg.norm(b, axis=1)[:, None]).T
    found = nearest_real(queries, real, top=4)
    np.testing.assert_array_equal(found.places, np.argsort(-alike, axis=1)[:, :4])
    np.testing.assert_allclose(found.likeness, -np.sort(-alike, axis=1)[:, :4], atol=1e-5)


def test_of_equally_near_ones_the_first_is_named(monkeypatch) -> None:
    monkeypatch.setattr(retrieval, "CHUNK", 2)
    real = made_up(6, 2)
    real[4] = real[1]
    assert nearest_real(real[1:2], real, top=2).places.tolist() == [[1, 4]]


def test_a_patients_own_eyes_do_not_count() -> None:
    real = made_up(6, 3)
    patients = ["a", "a", "b", "b", "c", "c"]
    real[1::2] = real[::2] + 0.001
    same = nearest_real(real, real, top=2)
    assert same.places[0].tolist() == [0, 1]
    apart = nearest_real(real, real, top=5, apart=(patients, patients))
    assert set(apart.places[0, :4].tolist()) == {2, 3, 4, 5}
    assert (apart.places[:, 4] == -1).all()
    assert np.isnan(apart.likeness[:, 4]).all()
    assert (real_to_real(real, patients) < 0.999).all()
    assert share_below(1.0, real_to_real(real, patients)) == 1.0
    assert np.isnan(share_below(1.0, real_to_real(real, ["a"] * 6)))


def test_vectors_of_two_encoders_are_refused() -> None:
    with pytest.raises(Refusal, match="expected vectors of one encoder"):
        nearest_real(made_up(2, 0), made_up(3, 0)[:, :5])
    with pytest.raises(Refusal, match="at least two real images"):
        nearest_real(made_up(2, 0), made_up(1, 0))


def changed(square: np.ndarray, name: str) -> np.ndarray:
    """Return a near-copy: cropped by up to 4 % a side, gains and gamma within 8 %."""
    rng = rng_for(0, "near-copy", name)
    side = len(square)
    left, top, right, bottom = (int(rng.integers(0, side // 25 + 1)) for _ in range(4))
    cropped = Image.fromarray(square[top : side - bottom, left : side - right])
    light = np.asarray(cropped.resize((side, side), Image.Resampling.BICUBIC)) / 255.0
    light = light ** rng.uniform(0.92, 1.08) * rng.uniform(0.92, 1.08, 3)
    return (light.clip(0, 1) * 255).round().astype(np.uint8)


def rate_at_rank_1(encoder: Encoder, folder: Path, count: int, size_px: int) -> float:
    real = embed_folder(encoder, read_records(folder)[:count], size_px=size_px)
    copies = np.stack([
        changed(normalised_sheet(record, size_px).photograph.pixels, record.name)
        for record in real.records
    ])  # fmt: skip
    found = nearest_real(embed_arrays(encoder, copies), real.vectors, top=1)
    return float((found.places[:, 0] == np.arange(len(real))).mean())


def test_planted_copies_of_phantoms_come_first(tmp_path: Path) -> None:
    write_phantoms(tmp_path, count=8, size_px=128, seed=5)
    rate = rate_at_rank_1(load("random-vit-tiny@0"), tmp_path, 8, 224)
    print(f"near-copies of phantoms at rank 1: {rate:.2f}")
    assert rate >= 0.75


@pytest.mark.data
@pytest.mark.skipif(not SQUEEZENET.is_file(), reason="needs ../shared/data")
def test_planted_copies_of_photographs_come_first() -> None:
    encoder = load(f"squeezenet:{SQUEEZENET}")
    rate = rate_at_rank_1(encoder, SHARED / "idrid_grading", 24, 224)
    print(f"near-copies of photographs at rank 1: {rate:.2f}")
    assert rate >= 0.9


@pytest.mark.slow
def test_a_hundred_thousand_real_images_take_seconds() -> None:
    real = np.random.default_rng(0).normal(size=(100_000, 128)).astype(np.float32)
    start = time.process_time()
    assert (nearest_real(real[:50], real).places[:, 0] == np.arange(50)).all()
    assert time.process_time() - start < 20

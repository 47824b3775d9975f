"""Known damage and its grade, and the fit of the quality grade on made-up rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from retinaforge.audits.quality import read_quality_model
from retinaforge.core import Refusal, rng_for
from retinaforge.images import find_fov, normalise
from retinaforge.metrics.quality_vector import VECTOR_NAMES, WORKING_SIZES_PX
from retinaforge.phantoms import draw
from retinaforge.phantoms.quality import DIM, QUALITY_LABELS
from retinaforge.tasks import quality_train
from retinaforge.tasks.quality_damage import KINDS, LEVELS, label_of, planted_in
from retinaforge.tasks.quality_samples import (
    Sample,
    faults_of,
    phantom_samples,
    plans_of,
    quality_records,
)

N = len(VECTOR_NAMES)


@pytest.fixture(scope="module")
def square():
    photo = draw(4, size_px=160).photograph
    return normalise(photo, find_fov(photo), size_px=160)


@pytest.mark.parametrize("kind", KINDS)
def test_more_damage_never_has_a_better_label(kind: str) -> None:
    order = [QUALITY_LABELS.index(label_of({kind: level})) for level in LEVELS]
    assert order == sorted(order)
    assert order[-1] == (1 if kind == "colour-cast" else 2)


def test_nothing_planted_is_good_and_the_worst_of_two_counts() -> None:
    assert label_of({}) == "good"
    assert label_of({"blur": 5, "haze": 1}) == label_of({"blur": 5}) == "reject"


@pytest.mark.parametrize("kind", KINDS)
def test_damage_stays_in_the_field_and_grows_with_its_level(square, kind: str) -> None:
    pixels, fov = square.photograph.pixels, square.fov
    made = [planted_in(pixels, fov, kind, level, rng=rng_for(0)) for level in (3, 5)]
    if kind != "jpeg":
        assert all((m[~fov.mask] == pixels[~fov.mask]).all() for m in made)
    change = [np.abs(m[fov.mask].astype(float) - pixels[fov.mask]).mean() for m in made]
    assert 0 < change[0] < change[1]


def test_a_shadow_covers_the_share_that_it_states(square) -> None:
    white = np.full_like(square.photograph.pixels, 200)
    dark = planted_in(white, square.fov, "shade", 4, rng=rng_for(1))
    assert (dark[square.fov.mask][:, 0] < 200 * DIM).mean() == pytest.approx(0.5, abs=0.03)


def test_every_photograph_is_shown_as_it_is_and_with_every_kind() -> None:
    plans = plans_of("odir/1.jpg", seed=0)
    assert plans[0] == {}
    assert [next(iter(p)) for p in plans[1 : 1 + len(KINDS)]] == list(KINDS)
    assert plans == plans_of("odir/1.jpg", seed=0) != plans_of("odir/2.jpg", seed=0)


def test_faults_stay_within_what_a_camera_can_be_set_to() -> None:
    drawn = [faults_of(rng_for(seed, "faults")) for seed in range(300)]
    assert 25.0 < max(f.get("noise", 0) for f in drawn) <= 40.0
    assert min(f.get("exposure", 1) for f in drawn) >= 0.2
    assert {len(f) for f in drawn} >= {0, 1, 2}


@pytest.mark.slow
def test_a_drawn_eye_gives_the_same_rows_again() -> None:
    first = phantom_samples(2, seed=0)
    assert first == phantom_samples(2, seed=0)
    assert {s.patient for s in first} == {"phantoms:2"}


def test_a_folder_without_open_training_rows_is_refused(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(Refusal, match="training rows of chase_db1"):
        quality_records(tmp_path)


def rows(count: int, seed: int) -> list[Sample]:
    """Make rows whose first number falls with the grade."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        grade = i % 3
        x = rng.standard_normal(N)
        x[0] -= 6 * grade
        vectors = {size: x.tolist() for size in WORKING_SIZES_PX}
        group = ("phantoms", "hrf")[i % 2]
        made.append(Sample(str(i), group, str(i), QUALITY_LABELS[grade], {}, vectors))
    return made


def test_rows_that_can_be_told_apart_are_and_the_written_model_agrees(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"train": rows(240, 0), "val": rows(60, 1), "test": rows(60, 2)}
    monkeypatch.setattr(quality_train, "quality_records", lambda data: [])
    monkeypatch.setattr(quality_train, "collect", lambda *a, **k: parts)
    config = quality_train.QualityConfig(penalties=(1.0,))
    card = quality_train.train_quality(tmp_path, tmp_path, config=config)
    assert card["results"]["256"]["test"]["all"]["accuracy"] > 0.85
    plain = json.loads((tmp_path / quality_train.MODEL).read_text())
    x = np.array(parts["test"][0].vectors[256])
    here = quality_train.probabilities(x[None], plain["sizes"]["256"])[0]
    there = read_quality_model(tmp_path / quality_train.MODEL).sizes[256].probabilities(x)
    np.testing.assert_allclose(here, there, rtol=1e-9)


def test_a_row_survives_the_run_folder_and_a_torn_line_does_not(tmp_path) -> None:
    path, one = tmp_path / "rows.jsonl", rows(1, 0)[0]
    whole = json.dumps({"key": "a", "rows": [one.as_dict()]})
    path.write_text(whole + "\n" + whole[:20])
    assert quality_train._kept(path) == {"a": [one]}

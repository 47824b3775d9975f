"""`generate interpolate`: who is drawn between two ends, and what the files say of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from PIL import Image
from sample_stand_ins import painter
from typer.testing import CliRunner

from retinaforge.cli.generate_sample import interpolate, sample
from retinaforge.core import Refusal
from retinaforge.tasks import sample_open
from retinaforge.tasks.pairs import read_pairs
from retinaforge.tasks.sample_between import label, noise_of, requests_between

app = typer.Typer()
app.command()(interpolate)
app.command()(sample)
ENDS = ("--prompt", "a left eye", "--prompt", "a right eye that has many many drusen")


@pytest.fixture
def call(monkeypatch):
    monkeypatch.setattr(sample_open, "open_painter", lambda folder, **more: painter(trained_px=16))
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return invoke


def pixels(folder, number):
    return np.asarray(Image.open(folder / f"synthetic_{number:06d}.png")).astype(float)


def test_from_one_caption_to_another(call, tmp_path):
    out = tmp_path / "out"
    how = ("--steps", 3, "--seed", 4)
    found = call("interpolate", "m", *ENDS, "--images", 5, "--rows", 2, *how, "--out", out,
                 "--json")  # fmt: skip
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["written"] == 10
    assert "synthetic_interpolation.png" in found.stderr
    pairs = read_pairs(out)
    assert [pair.text for pair in pairs[:5]] == [ENDS[1], "", "", "", ENDS[3]]
    assert [pair.more["between"]["share"] for pair in pairs] == [0, 0.25, 0.5, 0.75, 1] * 2
    assert pairs[7].more["between"]["captions"] == [ENDS[1], ENDS[3]]
    assert pairs[7].more["between"]["seeds"] == [5, 5]
    assert all(pair.synthetic for pair in pairs)
    with Image.open(out / "synthetic_000002.png") as image:
        assert image.text["Synthetic"] == "true"
        assert json.loads(image.text["Between"])["share"] == 0.5
    with Image.open(out / "synthetic_interpolation.png") as sheet:
        assert sheet.text["Synthetic"] == "true"
        assert sheet.width == 5 * (160 + 8) + 8
    # Both ends are what `sample` draws of that caption and seed.
    for number, text in ((0, ENDS[1]), (4, ENDS[3])):
        plain = tmp_path / f"plain-{number}"
        call("sample", "m", "--prompt", text, *how, "--out", plain)
        assert np.abs(pixels(out, number) - pixels(plain, 0)).max() <= 1
    away = [np.abs(pixels(out, at) - pixels(out, 0)).mean() for at in range(5)]
    assert away == sorted(away)
    assert away[2] < 0.8 * away[4]
    again = call("interpolate", "m", *ENDS, "--images", 5, "--rows", 2, *how, "--out", out)
    assert "0 images drawn, 10 there before" in again.stdout


def test_from_one_seed_to_another(call, tmp_path):
    found = call("interpolate", "m", "--prompt", "an eye", "--to-seed", 9, "--images", 3,
                 "--steps", 2, "--out", tmp_path)  # fmt: skip
    assert found.exit_code == 0, found.output
    pairs = read_pairs(tmp_path)
    assert [pair.text for pair in pairs] == ["an eye"] * 3
    assert pairs[1].more["between"]["seeds"] == [0, 9]
    call("sample", "m", "--prompt", "an eye", "--seed", 9, "--steps", 2, "--out", tmp_path / "p")
    assert np.abs(pixels(tmp_path, 2) - pixels(tmp_path / "p", 0)).max() <= 1
    assert np.abs(pixels(tmp_path, 1) - pixels(tmp_path, 2)).mean() > 1


def test_the_noise_is_the_seeds_own_where_it_is_fixed():
    fixed = requests_between(["a", "b"], seed=3, to_seed=None, images=4)
    assert noise_of(fixed, (3, 4, 4)) is None
    moved = requests_between(["a", "b"], seed=3, to_seed=8, images=2, rows=2)
    assert [(one.seed, one.toward.seed) for one in moved] == [(3, 8), (3, 8), (4, 9), (4, 9)]
    assert noise_of(moved, (3, 4, 4)).shape == (4, 3, 4, 4)


def test_labels_say_how_far_and_what_the_ends_are():
    said = [label(one) for one in requests_between(["a", "b"], seed=3, to_seed=None, images=3)]
    assert said == ["0% · a · seed 3", "50% · seed 3", "100% · b · seed 3"]
    said = [label(one) for one in requests_between(["a"], seed=3, to_seed=8, images=3)]
    assert said == ["0% · a · seed 3", "50%", "100% · seed 8"]


def test_a_caption_that_cannot_be_said_costs_its_images(call, tmp_path):
    found = call("interpolate", "m", "--prompt", "an eye", "--prompt", "unsayable", "--images", 2,
                 "--steps", 1, "--out", tmp_path)  # fmt: skip
    assert found.exit_code == 1
    assert "a word that nobody can say" in found.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--prompt", "a"), "two ends: two captions, or one and another seed; got 1 captions"),
        (("--prompt", "a", "--prompt", "a"), "two ends"),
        (("--prompt", "a", "--to-seed", 0), "two ends"),
        (("--prompt", "a", "--prompt", "b", "--prompt", "c"), "got 3 captions"),
        (("--prompt", "a", "--to-seed", 2**63 - 1), "at least 2 images a row"),
    ],
)
def test_refusals(call, tmp_path, words, message):
    found = call("interpolate", "model", "--out", tmp_path / "out", *words)
    assert isinstance(found.exception, Refusal)
    assert message in str(found.exception)
    assert not (tmp_path / "out").exists()

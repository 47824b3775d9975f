"""From a generator's folder on disk to images, by the command itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from retinaforge.cli.generate import app
from retinaforge.generators.classes import EYE, ClassVocabulary
from retinaforge.generators.dit import DiT
from retinaforge.generators.maps import MapPlan
from retinaforge.generators.network import NetworkShape
from retinaforge.images import read_records

sys.path.append(str(Path(__file__).parents[1] / "generators"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from lumina_toys import WIDTH, tiny_text, tiny_vae

    from retinaforge.generators.folder import save_pipeline

    home = tmp_path_factory.mktemp("generator")
    text, vae = tiny_text("bert", home / "text"), tiny_vae(home / "vae", factor=4)
    plan = MapPlan(("vessel",), 4)
    shape = NetworkShape(
        latent_channels=4, patch=2, text_width=WIDTH, class_sizes=(2,), map_channels=plan.channels
    )
    torch.manual_seed(0)
    network = DiT(shape, width=32, depth=2, heads=2)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    meta = {
        "scale": 0.5, "shift": 0.1, "size_px": 32, "maps": plan.as_dict(),
        "vocabulary": ClassVocabulary((EYE,)).as_dict(),
    }  # fmt: skip
    return save_pipeline(home / "model", network, autoencoder=vae, text_encoder=text, meta=meta)


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_folder_draws_with_words_classes_and_masks(model, tmp_path):
    Image.new("L", (64, 64), 255).save(tmp_path / "mask.png")
    found = call(
        "sample", model, "--prompt", "A left eye.", "--prompt", "Drusen.", "--per-caption", 2,
        "--class", "eye=OS", "--masks", tmp_path / "mask.png", "--steps", 3, "--method", "dpm",
        "--out", tmp_path / "out", "--grid", "--json",
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["written"] == 4
    records = read_records(tmp_path / "out")
    with Image.open(records[0].path) as image:
        assert image.size == (32, 32)
        assert len(image.text["Model"]) == 16
    assert (tmp_path / "out" / "synthetic_grid.png").is_file()


def test_a_larger_size_is_noted(model, tmp_path):
    found = call(
        "sample", model, "--prompt", "", "--size", "96x48", "--steps", 2, "--out", tmp_path / "out"
    )
    assert found.exit_code == 0, found.output
    assert "drawn at 48 px by a generator that learnt at 32 px" in found.stderr
    with Image.open(tmp_path / "out" / "synthetic_000000.png") as image:
        assert image.size == (96, 48)


def test_folders_that_are_none(model, tmp_path):
    words = ("--prompt", "a", "--out", tmp_path / "out")
    found = call("sample", model, *words, "--autoencoder", tmp_path / "none")
    assert "expected a folder with config.json" in str(found.exception)
    found = call("sample", tmp_path, *words)
    assert "expected a generator" in str(found.exception)
    assert not (tmp_path / "out").exists()

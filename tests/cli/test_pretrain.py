"""`retinaforge pretrain`: done, found done, refused; what it writes loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from retinaforge.encoders.fundus import load_fundus
from retinaforge.nets.vit import VitShape
from retinaforge.tasks import pretrain_plan as task

SMALL = ("--batch", 2, "--steps", 3, "--sheet", 64, "--precision", "fp32")


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = VitShape(width=24, depth=1, heads=2, patch_px=16, input_px=64)
    monkeypatch.setitem(task.SHAPES, "tiny", shape)


def test_an_encoder_is_pretrained_found_done_and_loads(
    retinaforge, eyes: Path, tmp_path: Path
) -> None:
    words = ("pretrain", "--whole", eyes, "--out", tmp_path / "run", *SMALL)
    first = retinaforge(*words, "--json")
    assert first.code == 0, first.told
    facts = json.loads(first.out)
    assert (facts["state"], facts["steps"], facts["left_out"]) == ("trained", 3, [])
    assert facts["readings"]["loss"] > 0
    encoder = load_fundus(Path(facts["encoder"]))
    assert encoder.embedding(torch.zeros(1, 3, 64, 64)).shape == (1, 24)
    assert encoder.card.licence == "Apache-2.0; trained on drawn eyes only"
    card = json.loads((tmp_path / "run" / "model" / "card.json").read_text())
    assert card["sha256"] == encoder.card.fingerprint_sha256
    assert card["training_data"] == ["10 phantoms (recipe healthy, seed 3, 192 px)"]
    assert (tmp_path / "run" / "reconstructions.png").is_file()
    before = Path(facts["encoder"]).stat().st_mtime_ns
    again = retinaforge(*words)
    assert again.code == 0
    assert Path(facts["encoder"]).stat().st_mtime_ns == before
    assert again.out.startswith("found done")
    another = retinaforge(*words, "--mask", 0.5)
    assert another.code == 2
    assert "mask = 0.75, as the run in" in another.told


def test_metadata_and_two_targets(retinaforge, eyes: Path, tmp_path: Path) -> None:
    options = ("--metadata", "age,sex,eye", "--target", "pixels+gradient")
    shown = retinaforge("pretrain", "--data", eyes, "--out", tmp_path / "run", *SMALL, *options)
    assert shown.code == 0, shown.told
    encoder = load_fundus(tmp_path / "run" / "model" / "encoder.safetensors")
    assert encoder.network.metadata.kinds == ("age", "sex", "eye")
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert line["loss"] == pytest.approx(line["pixels"] + line["gradients"])


def test_dino_runs(retinaforge, eyes: Path, tmp_path: Path) -> None:
    words = ("pretrain", "--data", eyes, "--out", tmp_path / "run", *SMALL, "--method", "dino")
    shown = retinaforge(*words)
    assert shown.code == 0, shown.told
    encoder = load_fundus(tmp_path / "run" / "model" / "encoder.safetensors")
    assert encoder.card.name == "fundus-dino-tiny"
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(encoder.embedding(images), encoder.class_token(images))


def test_an_unreadable_photograph_is_left_out_and_told(
    retinaforge, eyes: Path, tmp_path: Path
) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for source in sorted((eyes / "images").iterdir())[:2]:
        (photographs / source.name).write_bytes(source.read_bytes())
    (photographs / "broken.png").write_bytes(b"no image")
    shown = retinaforge("pretrain", "--whole", photographs, "--out", tmp_path / "run", *SMALL)
    assert shown.code == 1
    assert "left out broken.png" in shown.told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--method", "simclr"), "expected --method mae or dino; got 'simclr'"),
        (("--size", "huge"), "expected --size tiny or small"),
        (("--target", "edges"), "expected --target pixels or pixels+gradient"),
        (("--mask", "1.5"), "expected a mask between 0 and 1; got 1.5"),
        (("--metadata", "age,income"), "expected metadata among age, sex, eye; got income"),
        (("--method", "dino", "--metadata", "age"), "with the method mae; got the method dino"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_reading(
    retinaforge, eyes: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    shown = retinaforge("pretrain", "--data", eyes, "--out", tmp_path / "run", *words)
    assert shown.code == 2
    assert told in shown.told
    assert not (tmp_path / "run").exists()


def test_nothing_to_learn_from_is_refused(retinaforge, tmp_path: Path) -> None:
    shown = retinaforge("pretrain", "--out", tmp_path / "run")
    assert shown.code == 2
    assert "neither --data nor --whole" in shown.told


def test_a_sheet_that_no_memory_holds_is_refused(retinaforge, eyes: Path, tmp_path: Path) -> None:
    words = ("pretrain", "--whole", eyes, "--out", tmp_path / "run", "--sheet", 100_000)
    told = retinaforge(*words)
    assert told.code == 2
    assert "--sheet" in told.told

"""RETFound and its like: kinds of images, pooling, sizes, and one file at full size."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pytest
import torch
import vit_layouts
import vit_makers

from retinaforge.core import Refusal
from retinaforge.encoders import load
from retinaforge.encoders.retfound import MAE_FILES, RETFOUND
from retinaforge.encoders.visionfm import STATISTICS


def written(folder: Path, case: str, name: str) -> Path:
    path = folder / name
    torch.save(vit_makers.wrapped(case, vit_makers.drawn(case)), path)
    return path


@pytest.mark.parametrize(
    ("name", "modality", "how"),
    [
        ("RETFound_mae_natureOCT.pth", "OCT", "its name says so"),
        ("RETFound_oct_weights.pth", "OCT", "its name says so"),
        ("RETFound_mae_natureCFP.pth", "colour fundus", "its name says so"),
        ("doctor.pth", "colour fundus", "taken for granted, for the file does not say"),
    ],
)
def test_weights_of_oct_scans_are_called_so(tmp_path, name, modality, how) -> None:
    path = written(tmp_path, "retfound", name)
    if modality == "OCT":
        with pytest.raises(Refusal, match=r"of colour fundus photographs; got .*; these are OCT"):
            load(f"retfound:{path}")
    card = load(f"retfound:{path}{',modality=oct' if modality == 'OCT' else ''}").card
    assert card.modality == modality
    assert how in card.training_data
    assert ("Kermany" in card.training_data) == (modality == "OCT")
    assert card.training_sets == (("kermany_oct",) if modality == "OCT" else ("eyepacs",))


def test_the_wrong_kind_of_weights_is_refused(tmp_path) -> None:
    path = written(tmp_path, "retfound", "RETFound_mae_natureOCT.pth")
    with pytest.raises(
        Refusal,
        match=r"weights of colour fundus photographs \(modality=cfp\); got .*; these are OCT "
        r"weights \(its name says so\); name the file of .*, write modality=oct",
    ):
        load(f"retfound:{path},modality=cfp")
    assert load(f"retfound:{path},modality=oct").card.modality == "OCT"
    with pytest.raises(Refusal, match=r"modality= one of cfp, oct; got 'mri'"):
        load(f"retfound:{path},modality=mri")


def test_a_known_fingerprint_says_which_published_file_it_is(tmp_path, monkeypatch) -> None:
    path = written(tmp_path, "retfound", "renamed.pth")
    known = MAE_FILES[1].sha256
    monkeypatch.setattr("retinaforge.encoders.checkpoint.sha256_of", lambda _: known)
    card = load(f"retfound:{path},modality=oct").card
    assert card.modality == "OCT"
    assert "its SHA-256 is that of retfound-oct" in card.certainty
    with pytest.raises(Refusal, match=r"these are OCT weights \(its SHA-256 is that of retfound-"):
        load(f"retfound:{path},modality=cfp")


def test_an_unknown_fingerprint_is_said(tmp_path) -> None:
    card = load(f"retfound:{written(tmp_path, 'retfound', 'a.pth')}").card
    assert card.certainty.startswith(RETFOUND.confirmed)
    assert "whose weights they are rests on its keys and name" in card.certainty


def test_pooling_is_the_files_or_the_users(tmp_path) -> None:
    plain = written(tmp_path, "retfound", "plain.pth")
    tuned = written(tmp_path, "retfound fine-tuned", "tuned.pth")
    assert "class token through the last norm" in load(f"retfound:{plain}").card.network
    assert "norm without weights" in load(f"retfound:{plain},pool=mean").card.network
    card = load(f"retfound:{tuned},pool=mean").card
    assert "mean of the patches through fc_norm" in card.network
    assert "fine-tuned since, on what the file does not say" in card.training_data
    assert "2 arrays head.* left aside" in card.key_report
    for path, asked in ((plain, "max"), (tuned, "class")):
        with pytest.raises(Refusal, match=f"pool=class or pool=mean, .*; got pool={asked}"):
            load(f"retfound:{path},pool={asked}")


def test_files_that_its_own_code_fine_tuned_are_known_by_their_arguments(tmp_path) -> None:
    classes = {"head.weight": torch.zeros(5, 128), "head.bias": torch.zeros(5)}
    for model, case in (("RETFound_mae", "retfound"), ("RETFound_dinov2", "dinov2")):
        plain = {k: v for k, v in vit_makers.drawn(case).items()
                 if not k.startswith(("decoder", "mask_token"))}  # fmt: skip
        content = {"model": plain | classes, "args": argparse.Namespace(model=model)}
        torch.save(content, tmp_path / "checkpoint-best.pth")
        card = load(tmp_path / "checkpoint-best.pth").card
        assert card.family == model.lower().replace("_", "-").removesuffix("-mae")
        assert "fine-tuned since, on what the file does not say" in card.training_data


@pytest.mark.parametrize(
    ("name", "kind"), [("VFM_OCT_weights", "oct"), ("VFM_SiltLamp_weights", "slitlamp"),
                       ("VFM_UltraSound_weights", "ultrasound"), ("weights", "cfp")],
)  # fmt: skip
def test_visionfm_normalises_each_kind_by_its_own(tmp_path, name: str, kind: str) -> None:
    content = vit_makers.wrapped("visionfm", vit_makers.drawn("visionfm"))
    if name != "weights":
        content["args"] = vit_makers.ARGS  # says no modality
    torch.save(content, tmp_path / f"{name}.pth")
    encoder = load(f"visionfm:{tmp_path / name}.pth,modality={kind}")
    assert encoder.card.name == f"visionfm {kind}"
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in STATISTICS[kind])
    unit = torch.rand(1, 3, 48, 48)
    torch.testing.assert_close(
        encoder.prepare(2 * unit - 1, None), (unit - mean) / std, rtol=1e-4, atol=1e-5
    )


def test_uni4eye_takes_blue_first(tmp_path) -> None:
    encoder = load(vit_makers.write("uni4eye", tmp_path))
    unit = torch.rand(1, 3, 48, 48)
    torch.testing.assert_close(encoder.prepare(2 * unit - 1, None), unit.flip(1))


def test_other_transformers_are_refused_by_their_keys(tmp_path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(Refusal, match=r"pos_embed, .*; got keys such as conv1.weight"):
        load(f"retfound:{path}")
    lacking = vit_makers.drawn("retfound")
    del lacking["blocks.3.attn.proj.bias"]
    torch.save({"model": lacking}, path)
    with pytest.raises(Refusal, match=r"1 missing \(blocks.3.attn.proj.bias\)"):
        load(f"retfound:{path}")


@pytest.mark.slow
def test_a_whole_retfound_of_three_hundred_million_weights_loads(tmp_path) -> None:
    """1.3 GB of random weights in RETFound's layout, decoder included; no twin in memory."""
    path = tmp_path / "RETFound_mae_natureCFP.pth"
    shapes = vit_layouts.retfound()
    torch.save({"model": {k: torch.full(s, 0.01) for k, s in shapes.items()}}, path)
    assert path.stat().st_size == pytest.approx(4 * 329_541_888, rel=1e-3)
    began = time.process_time()
    encoder = load(f"retfound:{path}")
    spent = time.process_time() - began
    assert encoder.card.key_report.startswith("294 arrays loaded; 103 arrays decoder_* left aside")
    assert sum(p.numel() for p in encoder.parameters()) == 303_301_632
    assert encoder.features(torch.zeros(1, 3, 64, 64), (1,), input_px=32)[0].shape == (1, 4, 1024)
    assert spent < 30

"""`retinaforge validate --encoder inception:FILE --encoder clip:FILE`, on random weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from retinaforge.nets.clip import ClipShape, ClipTower
from retinaforge.nets.inception import InceptionV3
from retinaforge.phantoms import write_phantoms

pytestmark = pytest.mark.slow


def test_named_encoders_give_cmmd_and_an_inception_score(retinaforge, tmp_path: Path) -> None:
    for side, seed in (("real", 11), ("drawn", 12)):
        write_phantoms(tmp_path / side, count=3, size_px=192, seed=seed)
    files = {"inception": tmp_path / "i.pth", "clip": tmp_path / "c.safetensors"}
    torch.manual_seed(0)
    torch.save(InceptionV3("2015").state_dict(), files["inception"])
    shape = ClipShape(width=64, depth=2, heads=1, patch_px=14, input_px=56, hidden=64, projected=16)
    save_file(ClipTower(shape).state_dict(), files["clip"])
    specs = {name: f"{name}:{path}" for name, path in files.items()}
    out = tmp_path / "out"
    done = retinaforge(
        "validate", tmp_path / "real" / "images", tmp_path / "drawn" / "images", "--out", out,
        "--encoder", specs["inception"], "--encoder", specs["clip"],
    )  # fmt: skip
    assert done.code == 0, done.err
    card = json.loads((out / "scorecard.json").read_text())
    found = {(s["space"], s["name"]): s for s in card["scores"] if s["family"] == "fidelity"}
    score = found[specs["inception"], "inception_score"]
    assert 1 <= score["value"] <= 3
    assert "fewer than 1008 classes" in score["reason"]
    assert found[specs["clip"], "cmmd"]["value"] >= 0
    assert "CMMD" in found[specs["clip"], "cmmd"]["card"]["measures"]
    assert (specs["clip"], "mmd_gaussian") not in found
    for name, path in files.items():
        said = card["protocol"]["spaces"][specs[name]]
        assert said["fingerprint_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert said["licence"]
        assert "antialiased" in said["preprocessing"]
    page = (out / "report.html").read_text()
    assert "cmmd" in page
    assert "inception_score" in page

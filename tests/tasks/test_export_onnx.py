"""ONNX: the same probabilities as PyTorch at any size; refusals."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from retinaforge.cli import main
from retinaforge.core import Refusal
from retinaforge.nets.unet import VesselNet
from retinaforge.tasks import export
from retinaforge.vessels.artery_vein import ARTERY_VEIN_FORMAT
from retinaforge.vessels.network import FORMAT, save_network

META = {"threshold": 0.5, "views_px": [360.0], "training_data": ["none"], "licence": "none"}


def small_network(path: Path, *, outputs: int = 1, form: str = FORMAT) -> VesselNet:
    torch.manual_seed(0)
    model = VesselNet((8, 16), outputs).eval()
    save_network(model, path, meta=META, form=form)
    return model


@pytest.mark.parametrize(
    ("kind", "outputs", "form"), [("vessels", 1, FORMAT), ("artery-vein", 3, ARTERY_VEIN_FORMAT)]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnxruntime_gives_the_same_probabilities_at_any_size(
    tmp_path: Path, kind: str, outputs: int, form: str
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    model = small_network(tmp_path / "net.safetensors", outputs=outputs, form=form)
    told = export.export_onnx(kind, tmp_path / "net.onnx", weights=tmp_path / "net.safetensors")
    session = runtime.InferenceSession(told["path"])
    for size in ((64, 64), (48, 120), (75, 91)):
        images = torch.rand(2, 3, *size) * 2 - 1
        fov = (torch.rand(2, 1, *size) > 0.1).float()
        (maps,) = session.run(None, {"images": images.numpy(), "fov": fov.numpy()})
        with torch.inference_mode():
            expected = torch.sigmoid(model(images, fov)).numpy()
        assert np.abs(maps - expected).max() < 1e-4


def test_without_its_packages_the_export_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_network(tmp_path / "net.safetensors")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refusal, match="write ONNX; got an installation without onnx"):
        export.export_onnx("vessels", tmp_path / "a.onnx", weights=tmp_path / "net.safetensors")


def test_an_unknown_kind_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["retinaforge", "export", "lungs", str(tmp_path / "a.onnx")]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "expected a network that can be exported (vessels, artery-vein); got 'lungs'" in told

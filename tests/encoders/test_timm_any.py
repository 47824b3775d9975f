"""Any model of timm: without it a hint; with a stand-in of its interface the whole path; where the
peers' environment is on the path, timm itself.

    PYTHONPATH=PEERS .venv/bin/python -m pytest tests/encoders/test_timm_any.py
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders import MapEncoder, load
from retinaforge.encoders.listing import family_listed
from retinaforge.encoders.timm_any import TIMM, TimmEncoder

KEPT: list[torch.library.Library] = []
HAS_TIMM = importlib.util.find_spec("timm") is not None
needs_timm = pytest.mark.skipif(not HAS_TIMM, reason="timm is not installed")
CONFIG = {"input_size": (3, 32, 32), "interpolation": "bilinear",
          "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.25)}  # fmt: skip


class Small(nn.Module):
    """A network with timm's interface: two stages, a batch norm, a pooled vector."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 4, stride=4)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 6, 2, stride=2)
        self.feature_info = [{}, {}]
        self.pretrained_cfg = {"classifier": "head.fc"}

    def forward_intermediates(
        self, x: Tensor, indices: list[int], *, intermediates_only: bool, output_fmt: str
    ) -> list[Tensor]:
        assert intermediates_only
        assert output_fmt == "NCHW"
        first = self.norm(self.first(x))
        maps = [first, self.second(first)]
        return [maps[index] for index in indices]

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.norm(self.first(x))).amax((2, 3))


@pytest.fixture
def stand_in(monkeypatch) -> list[dict]:
    """Put a package with timm's interface in its place; return what was asked of it."""
    asked: list[dict] = []

    def create_model(name: str, **options: object) -> Small:
        asked.append({"name": name, **options})
        return Small()

    timm = types.ModuleType("timm")
    data = types.ModuleType("timm.data")
    timm.__version__, timm.data, timm.create_model = "1.0", data, create_model
    timm.list_models = lambda: ["convnext_tiny", "small_net"]
    timm.is_model = lambda name: name in timm.list_models()
    data.resolve_model_data_config = lambda _model: CONFIG
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "timm.data", data)
    return asked


def weight_file(folder: Path, **further: Tensor) -> Path:
    torch.manual_seed(3)
    state = {key: torch.randn(v.shape) for key, v in Small().state_dict().items() if v.ndim}
    state["norm.running_var"] = torch.rand(4) + 0.5
    save_file(state | further, folder / "model.safetensors")
    return folder / "model.safetensors"


def test_without_timm_the_way_to_install_it_is_said(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(Refusal, match=r"timm beside this package; got none .*pip install timm"):
        load(f"timm:small_net,file={weight_file(tmp_path)}")


def test_weights_go_in_strictly_and_nothing_is_fetched(stand_in, tmp_path: Path) -> None:
    path = weight_file(tmp_path, **{"head.fc.weight": torch.zeros(2, 6)})
    encoder = load(f"timm:small_net,file={path}")
    assert isinstance(encoder, TimmEncoder)
    assert stand_in == [{"name": "small_net", "pretrained": False, "num_classes": 0}]
    assert encoder.card.family == "timm"
    assert encoder.card.name == "timm small_net"
    assert "1 arrays head.fc.* left aside" in encoder.card.key_report
    assert encoder.card.input_px == 32
    assert encoder.card.fingerprint_sha256
    wrong = weight_file(tmp_path, **{"third.weight": torch.zeros(1)})
    with pytest.raises(Refusal, match=r"1 unexpected \(third.weight\)"):
        load(f"timm:small_net,file={wrong}")


def test_maps_and_vector_are_the_models_own(stand_in, tmp_path: Path) -> None:
    encoder = load(f"timm:small_net,file={weight_file(tmp_path)}")
    images = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(1)) * 2 - 1
    given = encoder.prepare(images, None)
    assert given.shape == (3, 3, 32, 32)
    white = encoder.prepare(torch.ones(1, 3, 32, 32), None)[0, :, 0, 0]
    assert white.tolist() == pytest.approx([2.5, 3.0, 2.8])
    model = encoder.network.model
    torch.testing.assert_close(encoder.embedding(images), model(given))
    maps = encoder.features(images, (1, 2))
    assert [tuple(m.shape) for m in maps] == [(3, 4, 8, 8), (3, 6, 4, 4)]
    assert encoder.blocks == (1, 2)
    with pytest.raises(Refusal, match=r"layers that the network has; got blocks \(3,\)"):
        encoder.features(images, (3,))
    with pytest.raises(Refusal, match="a transformer, which has a class token"):
        encoder.class_token(images)


def test_gradients_reach_the_images(stand_in, tmp_path: Path) -> None:
    encoder = load(f"timm:small_net,file={weight_file(tmp_path)}")
    images = torch.zeros(1, 3, 32, 32, requires_grad=True)
    encoder.features(images, (2,))[0].square().sum().backward()
    assert images.grad is not None
    assert float(images.grad.abs().max()) > 0
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_the_list_says_how_it_is_named() -> None:
    assert family_listed(TIMM).spec == "timm:NAME,file=FILE"
    with pytest.raises(Refusal, match=r"resnet:FILE, .*timm:NAME,file=FILE"):
        load("no-such-encoder")


def test_names_and_specs_that_mean_nothing_are_refused(stand_in, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"a model of timm 1.0; got 'small_nett'.*near.*small_net"):
        load(f"timm:small_nett,file={weight_file(tmp_path)}")
    with pytest.raises(Refusal, match=r"the weights, file=FILE; got timm:small_net alone"):
        load("timm:small_net")
    with pytest.raises(Refusal, match=r"a model of timm .*got '.*model.safetensors'"):
        load(f"timm:{weight_file(tmp_path)}")


@pytest.fixture(scope="module")
def real_timm() -> types.ModuleType:
    if "+cpu" in torch.__version__:
        # torchvision, which timm imports, is compiled for CUDA in the peers' environment: the
        # schemas of two of its operators are declared first.
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float threshold) -> Tensor")
        KEPT.append(library)
    return importlib.import_module("timm")


@needs_timm
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_against_timm_itself(real_timm, name: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    theirs = real_timm.create_model(name, pretrained=False).eval()
    path = tmp_path / "model.safetensors"
    save_file({key: value.contiguous() for key, value in theirs.state_dict().items()}, path)
    encoder = load(f"timm:{name},file={path}")
    assert isinstance(encoder, MapEncoder)
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    theirs.reset_classifier(0)
    last = encoder.blocks[-1]
    with torch.inference_mode():
        given = encoder.prepare(images, encoder.input_px)
        maps = theirs.forward_intermediates(given, [last - 1], intermediates_only=True)[0]
        vectors = theirs(given)
        torch.testing.assert_close(encoder.embedding(images), vectors, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(encoder.features(images, (last,))[0], maps, rtol=1e-4, atol=1e-5)
    assert "left aside" in encoder.card.key_report
    assert "num_batches" not in encoder.card.key_report

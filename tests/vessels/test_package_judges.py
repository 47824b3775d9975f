"""Segmenters of smp and torchvision by file: what stands beside, refusals, a whole judge."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from retinaforge.core import Fov, Photograph, Refusal
from retinaforge.vessels import WeightsRefused, load_judge

RECIPE = """
architecture = "Unet"
encoder = "resnet18"
classes = 2
vessel = [1]
activation = "softmax"
side_px = 64
mean = [0.5, 0.4, 0.3]
std = [0.2, 0.2, 0.1]
threshold = 0.4
training_data = ["DRIVE"]
"""


class Tiny(nn.Module):
    """Stands for a package's network: green against a bias."""

    def __init__(self, *, named: bool) -> None:
        super().__init__()
        self.head, self.named = nn.Conv2d(3, 2, 1), named

    def forward(self, x):
        z = self.head(x)
        return {"out": z} if self.named else z


def weights(folder: Path, recipe: str = RECIPE) -> Path:
    head = Tiny(named=False).state_dict()
    head["head.weight"] = torch.tensor([[0.0, 0, 0], [0, 2.0, 0]])[..., None, None]
    head["head.bias"] = torch.zeros(2)
    torch.save({"state_dict": head}, folder / "net.pth")
    (folder / "net.toml").write_text(recipe)
    return folder / "net.pth"


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Packages whose networks are `Tiny`; what they were asked for."""
    asked: dict[str, object] = {}

    def create_model(architecture, **options):
        if architecture != "Unet":
            raise KeyError(architecture)
        asked["smp"] = options
        return Tiny(named=False)

    def get_model(architecture, **options):
        asked["torchvision"] = options
        return Tiny(named=True)

    for name, content in (
        ("segmentation_models_pytorch", {"create_model": create_model}),
        ("torchvision", {"models": SimpleNamespace(get_model=get_model)}),
    ):
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return asked


@pytest.mark.parametrize("package", ["smp", "torchvision"])
def test_a_file_and_what_stands_beside_it_are_a_judge(tmp_path: Path, packages, package) -> None:
    judge = load_judge(f"{package}:{weights(tmp_path)}")
    side = 64
    photo = Photograph(np.full((side, side, 3), 153, np.uint8), "x")
    fov = Fov(np.ones((side, side), bool), (31.5, 31.5), 32.0, "full frame")
    p = judge.probability(photo, fov)
    z = 2 * (0.6 - 0.4) / 0.2
    assert p[32, 32] == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-3)
    assert judge.threshold == 0.4
    assert judge.card.name == f"{package}:net.pth"
    assert judge.card.training_data == ("DRIVE",)
    assert packages[package].get("encoder_weights", packages[package].get("weights")) is None


def test_a_package_that_is_absent_is_named_with_its_command(tmp_path: Path, monkeypatch) -> None:
    path = weights(tmp_path)
    for spec, name in (("smp", "segmentation_models_pytorch"), ("torchvision", "torchvision")):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(Refusal, match=rf"the package {name}; got .*; pip install"):
            load_judge(f"{spec}:{path}")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("classes = 2\n", "", "classes is missing"),
        ("classes = 2\n", "classes = 2\ncolour = 1\n", "colour is unknown"),
        ("classes = 2\n", 'classes = "2"\n', "classes is no whole number"),
        ("[1]", "[2]", "vessel names a channel that is not there"),
        ("softmax", "relu", 'activation is neither "sigmoid" nor "softmax"'),
        ("side_px = 64", "side_px = 70", "side_px is no multiple of 32"),
        ("[0.5, 0.4, 0.3]", "[0.5]", "mean and std are not three numbers each"),
        ("0.1]", "0.0]", "std holds a 0"),
        ("threshold = 0.4", "threshold = 4", "threshold is not between 0 and 1"),
        ("classes = 2", "classes 2", "net.toml"),
        ('"Unet"', '"Nothing"', "an architecture and encoder that the package knows"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, packages, old, new, words) -> None:
    path = weights(tmp_path, RECIPE.replace(old, new))
    with pytest.raises(WeightsRefused) as refused:
        load_judge(f"smp:{path}")
    assert words in str(refused.value)


def test_missing_files_and_keys_are_named(tmp_path: Path, packages) -> None:
    with pytest.raises(WeightsRefused, match=r"what the weights are for .*; got no file at"):
        load_judge(f"smp:{tmp_path / 'other.pth'}")
    path = weights(tmp_path)
    torch.save({"head.weight": torch.zeros(2, 3, 1, 1), "more": torch.zeros(1)}, path)
    with pytest.raises(WeightsRefused, match=r"the keys of Tiny.*head\.bias") as refused:
        load_judge(f"smp:{path}")
    assert "more" in str(refused.value)
    path.unlink()
    with pytest.raises(WeightsRefused, match="which is no file"):
        load_judge(f"smp:{path}")


def have(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (ImportError, RuntimeError):
        return False
    return True


@pytest.mark.skipif(not have("segmentation_models_pytorch"), reason="needs smp")
@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet18"])
def test_a_network_of_the_package_itself(tmp_path: Path, encoder: str) -> None:
    smp = importlib.import_module("segmentation_models_pytorch")
    net = smp.create_model("Unet", encoder_name=encoder, encoder_weights=None, classes=2).eval()
    path = weights(tmp_path, RECIPE.replace('"resnet18"', f'"{encoder}"'))
    torch.save(net.state_dict(), path)
    judge = load_judge(f"smp:{path}")
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    fov = Fov(np.ones((64, 64), bool), (31.5, 31.5), 32.0, "full frame")
    p = judge.probability(Photograph(pixels, "x"), fov)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.2, 0.1])
    with torch.inference_mode():
        z = net((x - mean[:, None, None]) / std[:, None, None]).softmax(1)[0, 1].numpy()
    assert np.abs(p - z).max() < 1e-3


@pytest.mark.skipif(not have("torchvision"), reason="needs torchvision")
def test_a_network_of_torchvision_itself(tmp_path: Path) -> None:
    models = importlib.import_module("torchvision").models
    net = models.get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None,
                           num_classes=2)  # fmt: skip
    path = weights(tmp_path, RECIPE.replace('"Unet"', '"lraspp_mobilenet_v3_large"'))
    torch.save(net.state_dict(), path)
    fov = Fov(np.ones((64, 64), bool), (31.5, 31.5), 32.0, "full frame")
    photo = Photograph(np.full((64, 64, 3), 90, np.uint8), "x")
    assert 0 < load_judge(f"torchvision:{path}").probability(photo, fov).mean() < 1

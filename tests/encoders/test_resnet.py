"""ResNets give torchvision's maps on the same weights; RadImageNet's layout is the same network.

data/resnet.json holds values of torchvision 0.28.0 on random weights (tools/resnet_reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import published
import pytest
import torch
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders import MapEncoder, load, read_checkpoint
from retinaforge.encoders.resnet import POSITIONS, RADIMAGENET, RESNET
from retinaforge.nets.resnet import ResNet, resnet_shape

STORED = json.loads((Path(__file__).parent / "data/resnet.json").read_text())
ABOUT = STORED["provenance"]
NAMES = {
    "resnet18": "resnet-18", "resnet34": "resnet-34", "resnet50": "resnet-50",
    "resnet101": "resnet-101", "resnext50_32x4d": "resnext-50",
}  # fmt: skip


def layout(name: str) -> dict[str, tuple[int, ...]]:
    said = STORED["shapes"][name]
    return {key: tuple(map(int, shape.split())) for key, shape in said.items()}


def image(side: int) -> Tensor:
    pixels = published.noise_image(ABOUT["image_seed"], side)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def saved(name: str, path: Path) -> Path:
    torch.save(published.random_weights(layout(name), ABOUT["seed"]), path)
    return path


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_maps_agree_with_torchvision(name: str, tmp_path: Path) -> None:
    encoder = load(f"resnet:{saved(name, tmp_path / 'weights.pth')}")
    assert encoder.card.name == NAMES[name]
    for row in STORED[name]["rows"]:
        with torch.inference_mode():
            maps = encoder.network(image(row["side_px"]), (0, 1, 2, 3, 4))
        assert len(maps) == len(row["maps"]) == 5
        for found, (mean, std, *some) in zip(maps, row["maps"], strict=True):
            flat = found.flatten()
            picked = flat[:: max(1, len(flat) // len(some))][: len(some)]
            # Cancelling sums of large numbers: to 1e-4 of the map's own spread.
            assert picked.tolist() == pytest.approx(some, rel=1e-4, abs=1e-4 * std)
            assert [float(found.mean()), float(found.std())] == pytest.approx([mean, std], rel=1e-4)
        vector = maps[-1].mean((2, 3))[0]
        assert vector[: len(row["embedding"])].tolist() == pytest.approx(
            row["embedding"], rel=1e-4, abs=1e-4
        )
        assert float(vector.norm()) == pytest.approx(row["embedding_norm"], rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_shapes_are_torchvisions(name: str) -> None:
    published_keys = layout(name)
    weights = {key: torch.empty(shape, device="meta") for key, shape in published_keys.items()}
    shape = resnet_shape(weights)
    assert shape is not None
    assert shape.name.lower() == NAMES[name]
    with torch.device("meta"):
        own = ResNet(shape).state_dict()
    features = {key: shape for key, shape in published_keys.items() if not key.startswith("fc.")}
    assert {key: tuple(value.shape) for key, value in own.items()} == features


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> MapEncoder:
    path = saved("resnet18", tmp_path_factory.mktemp("resnet") / "resnet18-f37072fd.pth")
    encoder = load(path)
    assert isinstance(encoder, MapEncoder)
    return encoder


def test_a_file_alone_is_recognised_and_its_classifier_left_aside(small: MapEncoder) -> None:
    assert small.card.family == "resnet"
    assert "2 arrays fc.* left aside (the classifier" in small.card.key_report
    assert small.card.training_sets == ("imagenet",)
    assert small.card.certainty.startswith("torchvision 0.28.0")


def test_images_are_resized_normalised_and_pooled(small: MapEncoder) -> None:
    images = image(130)
    prepared = small.prepare(images, None)
    assert prepared.shape[-2:] == (224, 224)
    white = small.prepare(torch.ones(1, 3, 224, 224), None)[0, :, 0, 0]
    assert white.tolist() == pytest.approx([2.2489, 2.4286, 2.6400], abs=1e-3)
    last = small.features(images, (4,))[0]
    assert small.embedding(images).allclose(last.mean((2, 3)))
    assert [maps.shape[1] for maps in small.features(images)] == [64, 128, 256, 512]


def test_gradients_reach_the_images(small: MapEncoder) -> None:
    images = image(64).requires_grad_()
    small.features(images, (1,), input_px=64)[0].square().mean().backward()
    assert images.grad is not None
    assert float(images.grad.abs().max()) > 0


def test_radimagenets_row_is_the_same_network(small: MapEncoder, tmp_path: Path) -> None:
    numbers = {name: number for number, name in POSITIONS.items()}
    children = {}
    for key, value in published.random_weights(layout("resnet18"), ABOUT["seed"]).items():
        first, _, rest = key.partition(".")
        if first in numbers:
            children[f"backbone.{numbers[first]}.{rest}"] = value
    path = tmp_path / "ResNet50.pt"
    torch.save(children, path)
    encoder = load(path)
    assert encoder.card.family == "radimagenet"
    assert not RESNET.recognises(read_checkpoint(path))
    images = image(224)
    # Theirs takes blue first, in [-1, 1].
    with torch.inference_mode():
        expected = small.network(images.flip(1), (4,))[0].mean((2, 3))
        torch.testing.assert_close(encoder.embedding(images), expected)


def test_other_files_are_refused_by_what_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(Refusal, match=r"conv1.weight of 7 x 7 .*got keys such as features.0.weig"):
        load(f"resnet:{path}")
    weights = published.random_weights(layout("resnet18"), 1)
    del weights["layer3.1.bn2.bias"]
    torch.save(weights, path)
    with pytest.raises(Refusal, match=r"1 missing \(layer3.1.bn2.bias\)"):
        load(path)
    assert not RADIMAGENET.recognises(read_checkpoint(path))

"""VGG16, AlexNet and both SqueezeNets give torchvision's maps on the same weights.

data/torchvision_lpips_layers.json holds values of torchvision 0.28.0 (tools/torchvision_lpips_reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import published
import pytest
import torch
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders import Checkpoint, MapEncoder, load
from retinaforge.encoders.convolutional import ALEXNET, SQUEEZENET, VGG16

STORED = json.loads((Path(__file__).parent / "data/torchvision_lpips_layers.json").read_text())
ABOUT = STORED["provenance"]
# torchvision's name: family, the published file's name at `encoders fetch`, the card's name.
NETWORKS = {
    "vgg16": (VGG16, "vgg16", "vgg16"),
    "alexnet": (ALEXNET, "alexnet", "alexnet"),
    "squeezenet1_0": (SQUEEZENET, "squeezenet-1.0", "squeezenet 1.0"),
    "squeezenet1_1": (SQUEEZENET, "squeezenet-1.1", "squeezenet 1.1"),
}
HASHES = {
    "vgg16": "397923af", "alexnet": "7be5be79",
    "squeezenet1_0": "b66bff10", "squeezenet1_1": "b8a52dc0",
}  # fmt: skip
# The authors' release counts fire modules from 2 and names their three convolutions so.
FIRES = dict(zip((3, 4, 5, 7, 8, 9, 10, 12), range(2, 10), strict=True))
PARTS = {"squeeze": "conv1x1_1", "expand1x1": "conv1x1_2", "expand3x3": "conv3x3_2"}
RELEASED = Path(__file__).parents[3] / "shared/data/weights/squeezenet_v1_0_imagenet"


def layout(name: str) -> dict[str, tuple[int, ...]]:
    said = STORED[name]["shapes"]
    return {key: tuple(map(int, shape.split())) for key, shape in said.items()}


def drawn(name: str) -> dict[str, Tensor]:
    """Return the features' arrays; the classifier's have their shapes and no size."""
    shapes = layout(name)
    features = {key: shape for key, shape in shapes.items() if key.startswith("features.")}
    arrays = published.random_weights(features, ABOUT["seed"])
    return {
        key: arrays[key] if key in features else torch.zeros(()).expand(shape)
        for key, shape in shapes.items()
    }


def saved(name: str, folder: Path) -> Path:
    path = folder / Path(STORED[name]["release"]["url"]).name
    torch.save(drawn(name), path)
    return path


def image(side: int) -> Tensor:
    pixels = published.noise_image(ABOUT["image_seed"], side)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def assert_torchvisions(maps: list[Tensor], expected: list[dict]) -> None:
    assert len(maps) == len(expected)
    for found, row in zip(maps, expected, strict=True):
        assert list(found.shape) == list(map(int, row["shape"].split()))
        mean, std, *some = row["values"]
        flat = found.flatten()
        picked = flat[:: max(1, len(flat) // len(some))][: len(some)]
        # To 1e-4 of the value, or of the map's own spread for sums that cancel.
        assert picked.tolist() == pytest.approx(some, rel=1e-4, abs=1e-4 * std)
        assert [float(found.mean()), float(found.std())] == pytest.approx([mean, std], rel=1e-4)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, tmp_path_factory) -> tuple[str, MapEncoder]:
    encoder = load(saved(request.param, tmp_path_factory.mktemp("convolutional")))
    assert isinstance(encoder, MapEncoder)
    return request.param, encoder


def test_maps_after_every_default_block_agree_with_torchvision(network) -> None:
    name, encoder = network
    for row in STORED[name]["rows"]:
        maps = encoder.features(image(row["side_px"]))
        assert_torchvisions(maps, row["maps"])
        mean = row["maps"][-1]["values"][0]
        embedding = encoder.embedding(image(row["side_px"]))
        assert float(embedding.mean()) == pytest.approx(mean, rel=1e-4)


def test_keys_and_shapes_are_torchvisions_with_the_classifier_left_aside(network) -> None:
    name, encoder = network
    shapes = layout(name)
    own = {key: tuple(value.shape) for key, value in encoder.network.state_dict().items()}
    classifier = {key for key in shapes if key.startswith("classifier.")}
    assert own == {key: shape for key, shape in shapes.items() if key not in classifier}
    assert {shapes[key][0] for key in classifier} & {1000}
    aside = f"{len(own)} arrays loaded; {len(classifier)} arrays classifier.* left aside"
    assert encoder.card.key_report.startswith(aside)


def test_a_whole_file_is_recognised_alone_and_its_card_is_true(network) -> None:
    name, encoder = network
    family, _, card_name = NETWORKS[name]
    assert (encoder.card.name, encoder.card.family) == (card_name, family.name)
    assert encoder.card.certainty == family.confirmed
    assert family.confirmed.startswith(f"torchvision {ABOUT['packages']['torchvision']}, to 1e-4")
    release = STORED[name]["release"]
    assert (release["resize_px"], release["crop_px"]) == ([256], [224])
    said = "no resizing (torchvision's classification resizes the shorter side to 256 and crops 224"
    assert said in encoder.card.preprocessing
    assert (encoder.input_px, encoder.card.input_px) == (None, None)


@pytest.mark.parametrize("name", NETWORKS)
def test_published_addresses_and_hashes_are_torchvisions(name) -> None:
    family, fetched, _ = NETWORKS[name]
    (file,) = (file for file in family.files if file.name == fetched)
    assert file.where == STORED[name]["release"]["url"]
    assert file.where.endswith(f"-{HASHES[name]}.pth")
    assert file.sha256 == HASHES[name]


def released_name(key: str) -> str:
    first, position, *part = key.split(".")
    if first == "classifier":
        return f"conv_final.{part[0]}"
    if len(part) == 1:
        return f"conv1.{part[0]}"
    return f"fire{FIRES[int(position)]}/{PARTS[part[0]]}.{part[1]}"


def test_the_authors_squeezenet_is_the_same_network(tmp_path) -> None:
    arrays = {released_name(key): value.numpy() for key, value in drawn("squeezenet1_0").items()}
    np.savez(tmp_path / "released.npz", **arrays)
    encoder = load(tmp_path / "released.npz")
    assert encoder.card.name == "squeezenet 1.0 (authors' release)"
    assert "2 arrays conv_final.* left aside" in encoder.card.key_report
    torchvisions = load(saved("squeezenet1_0", tmp_path))
    for row in STORED["squeezenet1_0"]["rows"]:
        # Their network on torchvision's input: the release itself takes BGR, 0-255.
        ready = torchvisions.prepare(image(row["side_px"]), None)
        with torch.inference_mode():
            assert_torchvisions(encoder.network(ready, encoder.blocks), row["maps"])
    turned = encoder.prepare(image(130), None).flip(1)
    means = torch.tensor([123.0, 117.0, 104.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(turned + means, (image(130) + 1) * 127.5, rtol=1e-4, atol=1e-3)


@pytest.mark.data
@pytest.mark.skipif(not RELEASED.is_dir(), reason="no ../shared/data")
def test_the_authors_file_has_these_names_and_shapes() -> None:
    with np.load(RELEASED / "squeezenet_v1_0_imagenet.npz", allow_pickle=False) as file:
        found = {key: file[key].shape for key in file}
    assert found == {released_name(key): shape for key, shape in layout("squeezenet1_0").items()}


def test_a_side_that_is_asked_for_is_said_by_the_card(tmp_path) -> None:
    encoder = load(f"alexnet:{saved('alexnet', tmp_path)},px=96")
    assert "as LPIPS; antialiased bilinear resize to 96 px (torch" in encoder.card.preprocessing
    assert encoder.features(image(130))[0].shape[-2:] == (23, 23)


@pytest.mark.parametrize(
    ("file", "value"), [("vgg16_features-amdegroot-88682ab5.pth", 0.0), ("vgg16.pth", torch.nan)]
)
def test_vgg16_for_ssd_takes_other_inputs_and_is_refused(file, value) -> None:
    weights = {"classifier.6.bias": torch.full((1000,), value)}
    with pytest.raises(Refusal, match=r"ImageNet's mean .*; got .*0-255 minus.*vgg16-397923af.pth"):
        VGG16.load(Checkpoint(Path(file), weights))


def test_deeper_vggs_and_strange_shapes_are_refused() -> None:
    weights = {key: torch.zeros(()).expand(shape) for key, shape in layout("vgg16").items()}
    deeper = weights | {"features.34.weight": torch.zeros(()).expand(512, 512, 3, 3)}
    with pytest.raises(Refusal, match=r"1 unexpected \(features.34.weight\)"):
        VGG16.load(Checkpoint(Path("vgg19.pth"), deeper))
    wider = weights | {"features.28.bias": torch.zeros(7)}
    with pytest.raises(Refusal, match=r"features.28.bias: file \(7,\), network \(512,\)"):
        VGG16.load(Checkpoint(Path("vgg16.pth"), wider))

"""Inception-v3: both published layouts give what their packages give; other files are refused.

data/inception.json holds values of torch-fidelity 0.4.0 and torchvision 0.28.0 on random weights
(tools/inception_reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import published
import pytest
import torch
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders import InceptionEncoder
from retinaforge.encoders import load as load_encoder
from retinaforge.nets.inception import CLASSES, InceptionV3

STORED = json.loads((Path(__file__).parent / "data/inception.json").read_text())
ABOUT = STORED["provenance"]
PORTS = ("2015", "torchvision")


def layout(port: str) -> dict[str, tuple[int, ...]]:
    """Return keys and shapes as published: torchvision's own, and those of the file of 2015."""
    shapes = {
        key: tuple(map(int, said.split())) for key, said in STORED["torchvision_shapes"].items()
    }
    if port == "torchvision":
        return shapes
    shapes = {key: shape for key, shape in shapes.items() if not key.startswith("AuxLogits")}
    return shapes | {"fc.weight": (1008, 2048), "fc.bias": (1008,)}


@pytest.fixture(scope="module", params=PORTS)
def loaded(request, tmp_path_factory) -> tuple[str, InceptionEncoder]:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    weights = published.random_weights(layout(request.param), ABOUT["seed"])
    # Files saved by newer versions of PyTorch count batches too.
    counted = {"Conv2d_1a_3x3.bn.num_batches_tracked": torch.tensor(0)}
    torch.save(weights | counted, path)
    encoder = load_encoder(f"inception:{path}")
    path.unlink()
    assert isinstance(encoder, InceptionEncoder)
    return request.param, encoder


@pytest.fixture(scope="module")
def image() -> Tensor:
    pixels = published.noise_image(ABOUT["image_seed"], ABOUT["side_px"])
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def test_features_and_classes_agree_with_the_published_code(loaded, image) -> None:
    port, encoder = loaded
    with torch.inference_mode():
        features, classes = encoder.embed_and_classify(image)
    expected = STORED[port]
    assert features.shape == (1, 2048)
    assert classes.shape == (1, CLASSES[port])
    count = len(expected["features"])
    assert features[0, :count].tolist() == pytest.approx(expected["features"], rel=1e-4, abs=1e-4)
    assert float(features.norm()) == pytest.approx(expected["features_norm"], rel=1e-5)
    p = classes[0]
    assert p[:count].tolist() == pytest.approx(expected["probabilities"], rel=1e-3, abs=1e-9)
    assert float(-(p * p.log()).sum()) == pytest.approx(expected["entropy"], rel=1e-4)


def test_the_card_says_which_network_it_is(loaded) -> None:
    port, encoder = loaded
    assert encoder.card.name == {"2015": "inception-v3 of 2015 (FID)"}.get(port, "inception-v3")
    assert "antialiased bilinear resize to 299 px" in encoder.card.preprocessing
    assert ("left aside" in encoder.card.key_report) == (port == "torchvision")
    assert ("not the network of FID" in encoder.card.network) == (port == "torchvision")


def test_images_of_any_size_are_brought_to_299_px(loaded) -> None:
    prepared = loaded[1].prepare(torch.ones(1, 3, 700, 700), None)
    assert prepared.shape[-2:] == (299, 299)
    assert prepared.max().item() == pytest.approx((255 - 128) / 128)
    assert loaded[1].prepare(-torch.ones(1, 3, 64, 64), None).min().item() == pytest.approx(-1)


def test_blocks_are_those_of_pytorch_fid() -> None:
    maps = InceptionV3("2015")(torch.zeros(1, 3, 139, 139), (0, 1, 2, 3))
    assert [m.shape[1] for m in maps] == [64, 192, 768, 2048]


def test_other_files_are_refused_by_what_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(2, 2)}, path)
    said = r"fc.weight of 1008 x 2048 \(pytorch-fid's .*got keys such as features.0.weight"
    with pytest.raises(Refusal, match=said):
        load_encoder(f"inception:{path}")
    torch.save({"fc.weight": torch.zeros(10, 2048)}, path)
    with pytest.raises(Refusal, match=r"got fc\.weight of 10 x 2048"):
        load_encoder(f"inception:{path}")
    torch.save({"fc.weight": torch.zeros(1008, 2048)}, path)
    with pytest.raises(Refusal, match=r"missing \(Conv2d_1a_3x3.conv.weight"):
        load_encoder(f"inception:{path}")

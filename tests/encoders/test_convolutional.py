"""SqueezeNet, VGG16 and AlexNet give torchvision's maps, layer by layer, on the same weights.

data/convolutional.json holds values of torchvision 0.28.0 on random weights
(tools/convolutional_reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import published
import pytest
import torch

from retinaforge.encoders import load

STORED = json.loads((Path(__file__).parent / "data/convolutional.json").read_text())
ABOUT = STORED["provenance"]
FAMILIES = {
    "squeezenet1_0": "squeezenet", "squeezenet1_1": "squeezenet", "vgg16": "vgg16",
    "alexnet": "alexnet",
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_every_layer_agrees_with_torchvision(name: str, tmp_path: Path) -> None:
    shapes = {k: tuple(map(int, v.split())) for k, v in STORED[name]["shapes"].items()}
    path = tmp_path / f"{name}.pth"
    torch.save(published.random_weights(shapes, ABOUT["seed"]), path)
    encoder = load(f"{FAMILIES[name]}:{path}")
    pixels = published.noise_image(ABOUT["image_seed"], ABOUT["side_px"])
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        layers = encoder.features(image, range(max(encoder.blocks) + 1))
    rows = STORED[name]["layers"][: len(layers)]
    assert len(rows) == len(layers) == max(encoder.blocks) + 1
    for found, (norm, *some) in zip(layers, rows, strict=True):
        flat = found.flatten()
        picked = flat[:: max(1, len(flat) // len(some))][: len(some)]
        spread = norm / len(flat) ** 0.5
        assert float(found.norm()) == pytest.approx(norm, rel=1e-4)
        assert picked.tolist() == pytest.approx(some, rel=1e-4, abs=1e-4 * spread)

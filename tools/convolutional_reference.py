"""Write tests/encoders/data/convolutional.json: torchvision's SqueezeNets, VGG16 and AlexNet.

They run on random weights of `tests/encoders/published.py` in their own key layout, on one image.
torchvision is needed, which RetinaForge is not in need of:

    PYTHONPATH=src PEERS/bin/python tools/convolutional_reference.py
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import torch

REPO = Path(__file__).parents[1]
OUT = REPO / "tests/encoders/data/convolutional.json"
SEED, IMAGE_SEED, SIDE, KEPT = 5, 12, 64, 12
sys.path.insert(0, str(REPO / "tests/encoders"))
LIBRARY = torch.library.Library("torchvision", "DEF")
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
NAMES = ("squeezenet1_0", "squeezenet1_1", "vgg16", "alexnet")


def main() -> None:
    """Run each and write what the test compares."""
    import published
    from torchvision import models

    image = torch.from_numpy(published.noise_image(IMAGE_SEED, SIDE)).permute(2, 0, 1)[None]
    written: dict[str, object] = {
        "provenance": {
            "made_by": "tools/convolutional_reference.py",
            "packages": {name: metadata.version(name) for name in ("torchvision", "torch")},
            "seed": SEED, "image_seed": IMAGE_SEED, "side_px": SIDE, "dtype": "float32",
        }
    }  # fmt: skip
    for name in NAMES:
        network = getattr(models, name)(weights=None).eval()
        parts = {k: tuple(v.shape) for k, v in network.state_dict().items() if "features" in k}
        network.load_state_dict(published.random_weights(parts, SEED), strict=False)
        rows, x = [], (image / 255 - _row(0.485, 0.456, 0.406)) / _row(0.229, 0.224, 0.225)
        with torch.inference_mode():
            for layer in network.features:
                x = layer(x)
                flat = x.flatten()
                rows.append([float(x.norm()), *flat[:: max(1, len(flat) // KEPT)][:KEPT].tolist()])
        shapes = {key: " ".join(map(str, shape)) for key, shape in parts.items()}
        written[name] = {"shapes": shapes, "layers": rows}
    OUT.write_text(json.dumps(written) + "\n")


def _row(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


if __name__ == "__main__":
    main()

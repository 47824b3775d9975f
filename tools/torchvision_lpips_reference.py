"""Write tests/encoders/data/torchvision_lpips_layers.json: torchvision's VGG16, AlexNet and SqueezeNets.

Values after every layer that LPIPS reads, on the random weights of `tests/encoders/published.py`
and noise of two sides, chosen so that poolings meet odd and even maps; key lists of the whole
networks with their classifiers; what torchvision says of its files. It needs torchvision, which
RetinaForge does not, in a folder of its own:

    pip install --no-deps --target PEERS torchvision==0.28.0
    PYTHONPATH=PEERS python tools/torchvision_lpips_reference.py

Beside a CPU build of PyTorch torchvision's compiled half does not load; the schemas of two of its
operators are declared first, which is all that its networks need.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import torch

REPO = Path(__file__).parents[1]
OUT = REPO / "tests/encoders/data/torchvision_lpips_layers.json"
# Positions in `features` of the activations that LPIPS reads; SqueezeNet 1.0's by the same widths.
READ = {
    "vgg16": (3, 8, 15, 22, 29),
    "alexnet": (1, 4, 7, 9, 11),
    "squeezenet1_0": (1, 4, 5, 8, 9, 10, 12),
    "squeezenet1_1": (1, 4, 7, 9, 10, 11, 12),
}
SEED, IMAGE_SEED, SIDES, KEPT = 7, 11, (130, 134), 8
sys.path.insert(0, str(REPO / "tests/encoders"))
LIBRARY = torch.library.Library("torchvision", "DEF")
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def main() -> None:
    """Run each network and write what the tests compare."""
    from torchvision import models

    about = {
        "made_by": "tools/torchvision_lpips_reference.py",
        "packages": {name: metadata.version(name) for name in ("torchvision", "torch")},
        "seed": SEED, "image_seed": IMAGE_SEED, "sides_px": SIDES, "dtype": "float32",
    }  # fmt: skip
    found: dict[str, object] = {"provenance": about}
    for name in READ:
        with torch.device("meta"):
            network = models.get_model(name, weights=None)
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        found[name] = {
            "release": _release(models.get_model_weights(name)["IMAGENET1K_V1"]),
            "rows": _rows(name, network.features.to_empty(device="cpu"), shapes),
            "shapes": {key: " ".join(map(str, shape)) for key, shape in shapes.items()},
        }
    OUT.write_text(json.dumps(found, indent=1) + "\n")


def _release(weights) -> dict[str, object]:
    preset = weights.transforms()
    return {
        "url": weights.url, "resize_px": preset.resize_size, "crop_px": preset.crop_size,
        "mean": preset.mean, "std": preset.std,
    }  # fmt: skip


def _rows(
    name: str, layers: torch.nn.Module, shapes: dict[str, tuple[int, ...]]
) -> list[dict[str, object]]:
    import published
    from torchvision.transforms.functional import normalize

    wanted = {key: shape for key, shape in shapes.items() if key.startswith("features.")}
    drawn = published.random_weights(wanted, SEED)
    layers.load_state_dict({key.removeprefix("features."): drawn[key] for key in wanted})
    rows = []
    for side in SIDES:
        image = torch.from_numpy(published.noise_image(IMAGE_SEED, side)).permute(2, 0, 1) / 255
        x = normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])[None]
        maps = []
        with torch.inference_mode():
            for position, layer in enumerate(layers.eval()):
                x = layer(x)
                if position in READ[name]:
                    # Their activations work in place, so a map is described at once.
                    maps.append(_described(x))
        rows.append({"side_px": side, "maps": maps})
    return rows


def _described(found: torch.Tensor) -> dict[str, object]:
    flat = found.flatten()
    some = flat[:: max(1, len(flat) // KEPT)][:KEPT].tolist()
    said = [float(found.mean()), float(found.std()), *some]
    return {
        "shape": " ".join(map(str, found.shape)),
        "values": [float(f"{value:.8g}") for value in said],
    }


if __name__ == "__main__":
    main()

"""Write tests/encoders/data/resnet.json: torchvision's ResNets on random weights, and key lists.

The weights are those of `tests/encoders/published.py`, the image is noise of 96 px and one of
another size. It needs torchvision, which RetinaForge does not, in a folder of its own:

    pip install --no-deps --target PEERS torchvision==0.28.0
    PYTHONPATH=PEERS python tools/resnet_reference.py

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
OUT = REPO / "tests/encoders/data/resnet.json"
RUN, LISTED = ("resnet18", "resnet50", "resnext50_32x4d"), ("resnet34", "resnet101")
SEED, IMAGE_SEED, SIDES, KEPT = 7, 11, (96, 130), 12
sys.path.insert(0, str(REPO / "tests/encoders"))
LIBRARY = torch.library.Library("torchvision", "DEF")
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def main() -> None:
    """Run each network and write what the tests compare."""
    from torchvision import models

    about = {
        "made_by": "tools/resnet_reference.py",
        "packages": {name: metadata.version(name) for name in ("torchvision", "torch")},
        "seed": SEED, "image_seed": IMAGE_SEED, "sides_px": SIDES, "dtype": "float32",
    }  # fmt: skip
    written = {name: _run(getattr(models, name)(weights=None)) for name in RUN}
    layouts = {name: _shapes(getattr(models, name)(weights=None)) for name in (*RUN, *LISTED)}
    said = {
        name: {key: " ".join(map(str, shape)) for key, shape in shapes.items()}
        for name, shapes in layouts.items()
    }
    OUT.write_text(json.dumps({"provenance": about, **written, "shapes": said}, indent=1) + "\n")


def _shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {k: tuple(v.shape) for k, v in network.state_dict().items() if "num_batches" not in k}


def _run(network: torch.nn.Module) -> dict[str, list[dict[str, object]]]:
    import published

    network.load_state_dict(published.random_weights(_shapes(network), SEED), strict=False)
    maps: dict[str, torch.Tensor] = {}
    for name in ("relu", "layer1", "layer2", "layer3", "layer4"):
        # The module `relu` runs on the stem alone at the network's top level.
        getattr(network.eval(), name).register_forward_hook(
            lambda _module, _given, out, name=name: maps.update({name: out.clone()})
        )
    rows = []
    for side in SIDES:
        image = torch.from_numpy(published.noise_image(IMAGE_SEED, side)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            network((image / 127.5 - 1).contiguous())
        embedding = maps["layer4"].mean((2, 3))[0]
        rows.append(
            {
                "side_px": side,
                "maps": [[float(m.mean()), float(m.std()), *_some(m)] for m in maps.values()],
                "embedding": embedding[:KEPT].tolist(),
                "embedding_norm": float(embedding.norm()),
            }
        )
    return {"rows": rows}


def _some(found: torch.Tensor) -> list[float]:
    flat = found.flatten()
    return flat[:: max(1, len(flat) // KEPT)][:KEPT].tolist()


if __name__ == "__main__":
    main()

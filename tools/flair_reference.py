"""Values of torchvision's ResNet under FLAIR's preprocessing and projection, on random weights.

Run in an environment of its own (torchvision, transformers, open_clip_torch not needed):

    python tools/flair_reference.py

FLAIR's image tower is torchvision's resnet50 without its classifier; here with one block a stage,
so that it is small. Canvas, projection and norms follow flair/modeling/model.py of jusiro/FLAIR at
d6652d5.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/encoders"))
library = torch.library.Library("torchvision", "DEF")  # its operators are absent from this build
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import published  # noqa: E402
from torchvision.models import resnet50  # noqa: E402
from torchvision.models.resnet import Bottleneck, ResNet  # noqa: E402
from torchvision.transforms import Resize  # noqa: E402
from transformers import BertConfig, BertModel  # noqa: E402

OUT = ROOT / "tests/encoders/data/flair.json"
SEED, IMAGE_SEED, SIDE, ROWS, CANVAS, PROJECTED = 6, 8, 96, 70, 64, 48


def main() -> None:
    """Write tests/encoders/data/flair.json."""
    model = tower(ResNet(Bottleneck, [1, 1, 1, 1]), PROJECTED)
    found = shapes(model)
    model.load_state_dict(published.random_weights(found, SEED), strict=False)
    pixels = published.noise_image(IMAGE_SEED, SIDE)[:ROWS]
    with torch.inference_mode():
        vector = embed(model.eval(), torch.from_numpy(pixels).permute(2, 0, 1)[None].float())
    with torch.device("meta"):
        whole = torch.nn.ModuleDict({"vision_model": tower(resnet50(), 512)["vision_model"]})
        text = torch.nn.ModuleDict({"model": BertModel(BertConfig(vocab_size=28996)),
                                    "projection_head_text": head(768, 512)})  # fmt: skip
        whole["text_model"] = text
    about = {
        "made_by": "tools/flair_reference.py",
        "packages": {n: metadata.version(n) for n in ("torchvision", "transformers", "torch")},
        "seed": SEED, "image_seed": IMAGE_SEED, "side_px": SIDE, "rows_px": ROWS,
        "canvas_px": CANVAS, "dtype": "float32",
    }  # fmt: skip
    full = shapes(whole) | {"logit_scale": ()}
    content = {
        "provenance": about, "image": vector[0].tolist(),
        "shapes": {k: " ".join(map(str, v)) for k, v in found.items()},
        "full_shapes": {k: " ".join(map(str, v)) for k, v in full.items()},
    }  # fmt: skip
    OUT.write_text(json.dumps(content, indent=1) + "\n")


def head(width: int, projected: int) -> torch.nn.ModuleDict:
    """Return a projection under its published name."""
    return torch.nn.ModuleDict({"projection": torch.nn.Linear(width, projected, bias=False)})


def tower(resnet: torch.nn.Module, projected: int) -> torch.nn.ModuleDict:
    """Return the image tower under its published names."""
    resnet.fc = torch.nn.Identity()
    parts = {"model": resnet, "projection_head_vision": head(2048, projected)}
    return torch.nn.ModuleDict({"vision_model": torch.nn.ModuleDict(parts)})


def shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the arrays that a file holds, without counts of batches."""
    arrays = model.state_dict().items()
    return {key: tuple(value.shape) for key, value in arrays if "num_batches" not in key}


def embed(model: torch.nn.ModuleDict, pixels: torch.Tensor) -> torch.Tensor:
    """Return the vector of an image as the published code computes it."""
    image = pixels / 255
    scale = max(image.shape[-2:]) / CANVAS
    rows, columns = int(image.shape[-2] / scale), int(image.shape[-1] / scale)
    image = Resize((rows, columns), antialias=True)(image)
    image = torch.nn.functional.pad(image, (0, CANVAS - columns, 0, CANVAS - rows, 0, 0))
    vision = model["vision_model"]
    vector = vision["model"](image)
    vector = vector / vector.norm(dim=-1, keepdim=True)
    vector = vision["projection_head_vision"]["projection"](vector)
    return vector / vector.norm(dim=-1, keepdim=True)


if __name__ == "__main__":
    main()

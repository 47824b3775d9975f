"""Values of open_clip on random weights, for the tests of CLIP's and BiomedCLIP's conformity.

Run in an environment of its own (open_clip_torch, timm, transformers):

    python tools/open_clip_reference.py

Small towers give values; the full sizes only names and shapes of their arrays.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from unittest import mock

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/encoders"))
library = torch.library.Library("torchvision", "DEF")  # its operators are absent from this build
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import open_clip  # noqa: E402
import published  # noqa: E402
import timm  # noqa: E402
from open_clip.hf_model import HFTextEncoder  # noqa: E402
from open_clip.timm_model import TimmModel  # noqa: E402
from transformers import BertConfig  # noqa: E402

OUT = ROOT / "tests/encoders/data"
SEED, IMAGE_SEED, SIDE = 5, 7, 64
IDS = [[90, 5, 17, 33, 91, 0, 0], [90, 8, 91, 0, 0, 0, 0]]  # the highest ends the text
WORDS = [[2, 5, 17, 33, 3, 0, 0], [2, 8, 3, 0, 0, 0, 0]]  # 0 fills up
SMALL_VISION = {"image_size": SIDE, "layers": 3, "width": 128, "patch_size": 16}
SMALL_TEXT = {"context_length": 7, "vocab_size": 92, "width": 128, "heads": 2, "layers": 3}
SMALL_TRUNK = {"img_size": SIDE, "depth": 3, "embed_dim": 128, "num_heads": 2}


def main() -> None:
    """Write tests/encoders/data/open_clip.json and biomedclip.json."""
    images = image()
    towers = {}
    for activation, quick in (("quick_gelu", True), ("gelu", False)):
        model = open_clip.CLIP(48, SMALL_VISION, SMALL_TEXT, quick_gelu=quick).eval()
        towers[activation] = values(fill(model), images, torch.tensor(IDS))
    with torch.device("meta"):
        whole = open_clip.CLIP(
            512, {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
            {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12},
        )  # fmt: skip
    small = open_clip.CLIP(48, SMALL_VISION, SMALL_TEXT)
    write("open_clip", {"values": towers, "ids": IDS, "shapes": shapes(small),
                        "full_shapes": shapes(whole)})  # fmt: skip

    biomed = pair(SMALL_TRUNK, BertConfig(
        vocab_size=92, hidden_size=128, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=160, max_position_embeddings=32,
    ), 48)  # fmt: skip
    found = values(fill(biomed), images, torch.tensor(WORDS))
    with torch.device("meta"):
        whole = pair({}, BertConfig(), 512)
    write("biomedclip", {"values": found, "ids": WORDS, "shapes": shapes(biomed),
                         "full_shapes": shapes(whole)})  # fmt: skip


def pair(trunk: Mapping[str, int], text: BertConfig, projected: int) -> torch.nn.Module:
    """Return BiomedCLIP's two towers as its open_clip_config.json builds them."""

    class Pair(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # 3.3.0's adapter hands no sizes on; timm's own function takes them here.
            with mock.patch("timm.create_model", partial(timm.create_model, **trunk)):
                self.visual = TimmModel("vit_base_patch16_224", projected, pool="", proj="linear")
            self.text = HFTextEncoder(
                "", projected, config=text, proj_type="mlp",
                pooler_type="cls_last_hidden_state_pooler",
            )  # fmt: skip
            self.logit_scale = torch.nn.Parameter(torch.ones(()))

        def encode_image(self, images: torch.Tensor) -> torch.Tensor:
            return self.visual(images)

        def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
            return self.text(ids)

    return Pair().eval()


def image() -> torch.Tensor:
    """Return the test's image after CLIP's normalisation, (1, 3, SIDE, SIDE)."""
    pixels = torch.from_numpy(published.noise_image(IMAGE_SEED, SIDE)).permute(2, 0, 1)[None]
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(1, 3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(1, 3, 1, 1)
    return (pixels.float() / 255 - mean) / std


def fill(model: torch.nn.Module) -> torch.nn.Module:
    """Fill every parameter from its own name."""
    model.load_state_dict(published.transformer_weights(shapes(model), SEED), strict=False)
    return model


def shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the arrays that a file holds."""
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


@torch.inference_mode()
def values(model: torch.nn.Module, images: torch.Tensor, ids: torch.Tensor) -> dict[str, object]:
    """Return the unit vectors of image and texts."""
    unit = torch.nn.functional.normalize
    vectors = unit(model.encode_image(images), dim=1), unit(model.encode_text(ids), dim=1)
    return {"image": vectors[0][0].tolist(), "texts": vectors[1].tolist()}


def write(name: str, content: dict[str, object]) -> None:
    """Write the values with what made them."""
    packages = ("open_clip_torch", "timm", "transformers", "torch")
    about = {
        "made_by": "tools/open_clip_reference.py",
        "packages": {package: metadata.version(package) for package in packages},
        "seed": SEED, "image_seed": IMAGE_SEED, "side_px": SIDE, "dtype": "float32",
    }  # fmt: skip
    for key in ("shapes", "full_shapes"):
        content[key] = {k: " ".join(map(str, v)) for k, v in content[key].items()}
    (OUT / f"{name}.json").write_text(json.dumps({"provenance": about, **content}, indent=1) + "\n")


if __name__ == "__main__":
    main()

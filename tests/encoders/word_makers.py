"""Small checkpoints of the families that know words, in their published layouts (see makers.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import published
import torch
from safetensors.torch import save_file

from retinaforge.nets.clip_trunk import TrunkTower
from retinaforge.nets.davit import DavitShape, DavitTower
from retinaforge.nets.flair import FlairTower
from retinaforge.nets.resnet import ResnetShape, Stage
from retinaforge.nets.twin_tower import TwinShape, new_towers
from retinaforge.nets.vit import VitShape, initialise

VIT = VitShape(width=64, depth=4, heads=1, patch_px=8, input_px=32)
RESNET = ResnetShape(8, tuple(Stage(1, 8 * k, 32 * k) for k in (1, 2, 4, 8)), bottleneck=True)


def _named(network: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{key}": value for key, value in network.state_dict().items()}


def biomedclip(folder: Path) -> Path:
    """Write open_clip's layout around timm's ViT, a word of the text tower beside."""
    torch.manual_seed(0)
    tower = TrunkTower(VIT, 24)
    initialise(tower.trunk, seed=3)
    words = {"text.proj.0.weight": torch.zeros(4, 4), "logit_scale": torch.ones(())}
    torch.save(_named(tower, "visual.") | words, folder / "open_clip_pytorch_model.bin")
    return folder / "open_clip_pytorch_model.bin"


def flair(folder: Path) -> Path:
    """Write FLAIR's layout, counts of batches included."""
    torch.manual_seed(0)
    counted = {"vision_model.model.bn1.num_batches_tracked": torch.tensor(7)}
    words = {"text_model.projection_head_text.projection.weight": torch.zeros(4, 4)}
    arrays = _named(FlairTower(RESNET, 24), "vision_model.") | counted | words
    torch.save(arrays | {"logit_scale": torch.ones(())}, folder / "flair_resnet.pth")
    return folder / "flair_resnet.pth"


def medimageinsight(folder: Path) -> Path:
    """Write MedImageInsight's layout, both towers small."""
    width, words = 64, 92
    with torch.device("meta"):
        tower = DavitTower(DavitShape((32, 64, 96, 128), (1, 1, 2, 1)), 48).state_dict()
    shapes = {key: tuple(value.shape) for key, value in tower.items()}
    block = {
        "ln_1.weight": (width,), "ln_1.bias": (width,), "ln_2.weight": (width,),
        "ln_2.bias": (width,), "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,), "attn.out_proj.weight": (width, width),
        "attn.out_proj.bias": (width,), "mlp.c_fc.weight": (4 * width, width),
        "mlp.c_fc.bias": (4 * width,), "mlp.c_proj.weight": (width, 4 * width),
        "mlp.c_proj.bias": (width,),
    }  # fmt: skip
    shapes |= {f"lang_encoder.resblocks.{n}.{key}": v for n in (0, 1) for key, v in block.items()}
    shapes |= {
        "lang_encoder.token_embedding.weight": (words, width),
        "lang_encoder.positional_embedding": (8, width), "lang_encoder.ln_final.weight": (width,),
        "lang_encoder.ln_final.bias": (width,), "lang_projection": (width, 48), "logit_scale": (),
    }  # fmt: skip
    weights = published.transformer_weights(shapes, 4)
    save_file(weights, folder / "medimageinsigt-v1.0.0.pt")
    return folder / "medimageinsigt-v1.0.0.pt"


def retina_text(folder: Path) -> Path:
    """Write towers of `retinaforge train text-image`, what they are in the header."""
    sizes = {"vocabulary": 40, "end": 3, "input_px": 64, "channels": [8, 16, 16, 16], "width": 32,
             "heads": 2, "projected": 24, "context": 16, "text_width": 32,
             "text_heads": 2}  # fmt: skip
    shape = TwinShape(**{**sizes, "channels": tuple(sizes["channels"])})
    header = {"format": "retinaforge-image-text", "shape": json.dumps(sizes)}
    said = {"training_data": "nothing: random weights", "licence": "none needed"}
    save_file(new_towers(shape, 0).state_dict(), folder / "model.safetensors", header | said)
    return folder / "model.safetensors"


WORD_MAKERS: dict[str, Callable[[Path], Path]] = {
    "biomedclip": biomedclip,
    "flair": flair,
    "medimageinsight": medimageinsight,
    "retina-text": retina_text,
}

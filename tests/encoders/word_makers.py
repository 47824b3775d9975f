"""Small checkpoints of the families that know words, in their published layouts (see makers.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from retinaforge.nets.clip_trunk import TrunkTower
from retinaforge.nets.flair import FlairTower
from retinaforge.nets.resnet import ResnetShape, Stage
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


WORD_MAKERS: dict[str, Callable[[Path], Path]] = {"biomedclip": biomedclip, "flair": flair}

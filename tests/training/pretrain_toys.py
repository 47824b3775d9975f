"""Small methods and batches that an encoder can learn in seconds."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from retinaforge.nets.dino import HeadShape
from retinaforge.nets.fundus_vit import FundusVit
from retinaforge.nets.mae import DecoderShape, new_mae
from retinaforge.nets.vit import VitShape, initialise
from retinaforge.training import journal
from retinaforge.training.pretrain_config import PretrainConfig
from retinaforge.training.pretrain_dino import DinoConfig, SelfDistillation
from retinaforge.training.pretrain_methods import MaskedModelling

SHAPE = VitShape(width=32, depth=2, heads=2, patch_px=16, input_px=64)
CONFIG = PretrainConfig(
    steps=24, learning_rate=2e-3, warmup_steps=2, precision="fp32", checkpoint_every=6,
    log_every=4, threads=1, device="cpu",
)  # fmt: skip
VARIES = ("seconds", "images_per_s")


def mae() -> MaskedModelling:
    return MaskedModelling(new_mae(SHAPE, 0, decoder=DecoderShape(32, 1, 2)))


def dino(**options) -> SelfDistillation:
    config = DinoConfig(head=HeadShape(32, 16, 32), **options)
    return SelfDistillation(initialise(FundusVit(SHAPE), 0), config)


def ramps(number: int) -> dict[str, Tensor]:
    """Return horizontal ramps of random steepness: every patch can be told from any other."""
    rng = torch.Generator().manual_seed(number)
    steep = torch.rand(8, 3, 1, 1, generator=rng) * 0.5 + 0.5
    images = (steep * torch.linspace(-1, 1, 64)).expand(-1, -1, 64, -1).contiguous()
    noise = torch.rand(8, 16, generator=rng)
    return {"images": images, "fov": torch.ones(8, 1, 64, 64), "noise": noise}


def tints(number: int) -> dict[str, Tensor]:
    """Return views that share a colour."""
    rng = torch.Generator().manual_seed(number)
    colour = torch.rand(8, 1, 3, 1, 1, generator=rng) * 1.6 - 0.8

    def views(count: int, side: int) -> Tensor:
        grain = 0.1 * torch.randn(8, count, 3, side, side, generator=rng)
        return (colour + grain).clamp(-1, 1)

    return {"large": views(2, 64), "small": views(2, 32)}


def log_of(folder: Path) -> list[dict]:
    """Return the log without what varies from run to run."""
    lines = journal.read(folder / journal.LOG)
    return [{k: v for k, v in line.items() if k not in VARIES} for line in lines]

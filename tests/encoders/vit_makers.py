"""Small checkpoints of the vision transformers' families, in exactly their published layout."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import published
import torch
import vit_layouts as layouts
from torch import Tensor
from vit_layouts import SMALL, Shapes, Sizes

SEED = 5
GREEN = Sizes(128, 5, 8, 28)
GATED = Sizes(128, 5, 8, 6, gated=341)
ARGS = argparse.Namespace(lr=0.1, model="small", betas=(0.9, 0.95), resume=None)

SMALL_SHAPES: dict[str, Callable[[], Shapes]] = {
    "retfound": lambda: layouts.retfound(SMALL, 32, 2),
    "retfound fine-tuned": lambda: layouts.retfound_tuned(SMALL),
    "retfound-dinov2": lambda: layouts.retfound_dinov2(SMALL, 32, 64),
    "retfound-green": lambda: layouts.retfound_green(GREEN),
    "preti": lambda: layouts.preti(SMALL, 16, 1),
    "urfound": lambda: layouts.urfound(SMALL, 32, 1, (16, 1, 50)),
    "visionfm": lambda: layouts.visionfm(SMALL, 32, 64),
    "uni4eye": lambda: layouts.uni4eye(SMALL, 32, 1),
    "dinov2": lambda: layouts.dinov2(SMALL),
    "dinov2 registers": lambda: layouts.dinov2(SMALL, 4),
    "dinov2 gated": lambda: layouts.dinov2(GATED),
}


def drawn(case: str) -> dict[str, Tensor]:
    """Return random weights of a case, positions and tokens large enough to matter."""
    weights = published.transformer_weights(SMALL_SHAPES[case](), SEED)
    for key, value in weights.items():
        if "pos_embed" in key or key.endswith(("_token", "_tokens", "_embedding")):
            value /= value.std() * 2
    return weights


def wrapped(case: str, weights: Mapping[str, Tensor]) -> dict[str, object]:
    """Return what the published training code saves around the arrays."""
    if case.startswith("dinov2") or case == "retfound-green":
        return dict(weights)
    beside = {"optimizer": {"state": {}, "param_groups": []}, "epoch": 7, "args": ARGS}
    if case == "retfound-dinov2":
        return {"teacher": weights}
    if case == "visionfm":
        args = argparse.Namespace(**vars(ARGS), modality="Fundus")
        student = {"module.backbone.masked_embed": torch.zeros(1, SMALL.width)}
        return {"student": student, "teacher": weights, **beside, "args": args}
    return {"model": weights, **beside, "scaler": {"scale": 65536.0}}


def write(case: str, folder: Path) -> Path:
    """Write a case's checkpoint and return its path."""
    path = folder / f"{case.replace(' ', '-')}.pth"
    torch.save(wrapped(case, drawn(case)), path)
    return path


def _maker(case: str) -> Callable[[Path], Path]:
    return lambda folder: write(case, folder)


VIT_MAKERS: dict[str, Callable[[Path], Path]] = {
    case: _maker(case) for case in SMALL_SHAPES if " " not in case
}

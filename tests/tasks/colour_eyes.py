"""Squares whose redness is the class, and a network small enough to be taught in a test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from useful_eyes import toy

from retinaforge.nets.resnet import ResnetShape, Stage
from retinaforge.nets.vit import VitShape
from retinaforge.tasks.usefulness_rounds import Material
from retinaforge.tasks.usefulness_start import Start
from retinaforge.tasks.usefulness_target import Labels
from retinaforge.tasks.usefulness_trained import TrainedBackbone

SIDE = 32
SMALL = ResnetShape(8, tuple(Stage(1, w, w) for w in (8, 8, 16, 16)), bottleneck=False)
SMALL_VIT = VitShape(width=32, depth=2, heads=2, patch_px=16, input_px=32)


def squares(labels: np.ndarray, *, difference: float = 40.0, seed: int = 0) -> np.ndarray:
    """Return discs in noise whose red differs by class."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    inside = (np.hypot(x, y) < 0.46 * SIDE)[..., None]
    base = np.array([120.0, 80.0, 40.0])
    shown = rng.normal(0, 12, (len(labels), SIDE, SIDE, 3)) + base
    shown[..., 0] += difference * (np.nan_to_num(labels) - 0.5)[:, None, None]
    return (shown * inside).clip(0, 255).astype(np.uint8)


def eyes(*, shuffled: bool = False, **counts: int) -> tuple[Material, np.ndarray]:
    """Return material with squares; shuffled labels say nothing of them."""
    material, _ = toy(**counts)
    truth = material.labels.values[:, 0]
    pixels = squares(truth)
    if shuffled:
        dealt = np.random.default_rng(3).permutation(truth)[:, None]
        labels = Labels(material.labels.questions, dealt, material.labels.reasons)
        material = replace(material, labels=labels)
    return material, pixels


def small(material: Material, pixels: np.ndarray, **other: object) -> TrainedBackbone:
    """Return a tiny ResNet that is taught for a few steps."""
    widths = tuple(len(q.classes) for q in material.labels.questions)
    asked = {"steps": 30, "batch": 16, "settings": ((3e-3, 0.05), (1e-2, 0.05))} | other
    start = asked.pop("start", Start("tiny", SMALL))
    return TrainedBackbone(pixels, material.contents, widths, start, "squares 1", **asked)  # type: ignore[arg-type]

"""What is pretrained and how: method, sizes, views, rate."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from retinaforge.core import Refusal, seed_for
from retinaforge.nets.fundus_vit import KNOTS
from retinaforge.nets.vit import VitShape
from retinaforge.tasks.pretrain_data import ViewPlan
from retinaforge.training.pretrain_config import PretrainConfig

SHAPES = {
    "tiny": VitShape(width=192, depth=12, heads=3),
    "small": VitShape(width=384, depth=12, heads=6),
}
RATE, RATE_BATCH = 1e-3, 32
"""Peak learning rate at that batch; other batches take it times the root of their ratio."""


@dataclass(frozen=True)
class PretrainPlan:
    """What is pretrained and how.

    Attributes:
        method: "mae" or "dino".
        shape: of the encoder.
        size: the shape's name, for the card.
        mask: share of the field's patches that masked autoencoding hides.
        gradients: whether the gradient map is a second target.
        metadata: kinds that become tokens, of age, sex and eye.
        sheet_px: side of the squares that are cached.
        views: how batches are drawn; its size, patch, metadata and seed are set from here.
        config: how long.
        seed: of weights and data.
    """

    method: Literal["mae", "dino"] = "mae"
    shape: VitShape = SHAPES["tiny"]
    size: str = "tiny"
    mask: float = 0.75
    gradients: bool = False
    metadata: tuple[str, ...] = ()
    sheet_px: int = 384
    views: ViewPlan = field(default_factory=ViewPlan)
    config: PretrainConfig = field(default_factory=PretrainConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.mask < 1:
            raise Refusal("a mask between 0 and 1", f"{self.mask:g}", "0.75 is the published one")
        unknown = [kind for kind in self.metadata if kind not in KNOTS]
        if unknown:
            raise Refusal(
                f"metadata among {', '.join(KNOTS)}", ", ".join(unknown), "name these only"
            )
        if self.method == "dino" and (self.metadata or self.gradients):
            raise Refusal(
                "metadata tokens and a gradient target with the method mae",
                "the method dino",
                "leave --metadata and --target out, or take --method mae",
            )


def scaled_rate(images: int) -> float:
    """Return the peak learning rate for a number of images a step, all processes together.

    Adam's gradients are of unit size whatever the batch, so the rate follows the square root.

    References:
        Malladi et al., "On the SDEs and scaling rules for adaptive gradient algorithms",
        NeurIPS 2022.
    """
    return RATE * math.sqrt(images / RATE_BATCH)


def views_of(plan: PretrainPlan) -> ViewPlan:
    """Return how batches are drawn for the encoder of a plan."""
    return replace(
        plan.views, side_px=plan.shape.input_px, patch_px=plan.shape.patch_px,
        metadata=plan.metadata, seed=seed_for(plan.seed, "data"),
        locals=plan.views.locals if plan.method == "dino" else 0,
    )  # fmt: skip


def plain(content: Any) -> Any:
    """Return tuples as lists, as JSON has them."""
    return json.loads(json.dumps(content))

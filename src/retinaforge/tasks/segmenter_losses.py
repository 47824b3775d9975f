"""What a segmenter is taught by: a term by pixels and a term by regions, inside the field of view.

    ce-dice      w BCE(z, v) + (1 - w) (1 - (2 Σ p v + 1) / (Σ p + Σ v + 1)),   p = sigmoid(z)
    artery-vein  the same over artery, vein and vessel, plus BCE(z_a - z_v, artery) on vessels

v is a pixel's fraction of vessel.

References:
    F. Milletari et al., "V-Net", 3DV 2016, for the Dice loss.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.tasks.segmenter_samples import Crops

Map = Float[Tensor, "batch _ height width"]
Loss = Callable[[Tensor, Crops, float], Tensor]
"""(logits, crops, share of the term by pixels) → scalar."""


def ce_dice(z: Map, v: Map, m: Map, share: float) -> Float[Tensor, ""]:
    """Return the mixed cross-entropy and Dice loss where m is 1.

    Args:
        z: logits.
        v: fraction of the thing in each pixel, 0-1.
        m: 1 where to look, 0 elsewhere.
        share: w, weight of the cross-entropy.
    """
    bce = (F.binary_cross_entropy_with_logits(z, v, reduction="none") * m).sum()
    p = torch.sigmoid(z) * m
    dice = (2 * (p * v).sum() + 1) / (p.sum() + (v * m).sum() + 1)
    return share * bce / m.sum().clamp_min(1) + (1 - share) * (1 - dice)


def vessel_ce_dice(logits: Map, crops: Crops, share: float) -> Float[Tensor, ""]:
    """Return `ce_dice` of the vessels inside the field of view."""
    return ce_dice(logits, crops.vessels, crops.fov, share)


def artery_vein_loss(logits: Map, crops: Crops, share: float) -> Float[Tensor, ""]:
    """Return the mean `ce_dice` of artery, vein and vessel plus the naming of vessel pixels.

    Pixels of unknown name teach the vessel map only; pixels of both names teach no choice.

    Args:
        logits: maps of artery, vein, vessel.
        crops: masks vessel, artery, vein, and 1 where the name is known.
        share: weight of the cross-entropy against Dice.
    """
    vessel, artery, vein, known = (crops.masks[:, i : i + 1] for i in range(4))
    named = crops.fov * (known > 0.99)
    terms = [
        ce_dice(logits[:, 0:1], artery, named, share),
        ce_dice(logits[:, 1:2], vein, named, share),
        ce_dice(logits[:, 2:3], vessel, crops.fov, share),
    ]
    weight = named * (artery - vein).abs()
    choice = logits[:, 0:1] - logits[:, 1:2]
    wrong = F.binary_cross_entropy_with_logits(choice, (artery > vein).float(), reduction="none")
    return sum(terms, logits.new_zeros(())) / 3 + (wrong * weight).sum() / weight.sum().clamp_min(1)


LOSSES: tuple[tuple[str, Loss], ...] = (
    ("ce-dice", vessel_ce_dice),
    ("artery-vein", artery_vein_loss),
)


def loss_named(name: str) -> Loss:
    """Return a loss of `LOSSES`.

    Raises:
        Refusal: expected one of their names.
    """
    for known, loss in LOSSES:
        if known == name:
            return loss
    names = ", ".join(known for known, _ in LOSSES)
    raise Refusal(f"a segmenter loss ({names})", repr(name), "name one of these")

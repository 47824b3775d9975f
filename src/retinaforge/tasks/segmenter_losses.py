"""What a segmenter is taught by: a term by pixels and a term by regions, inside the field of view.

    cross-entropy  BCE(z, v)
    dice           1 - (2 Σ p v + 1) / (Σ p + Σ v + 1)
    ce-dice        w BCE + (1 - w) Dice
    soft-cldice    w BCE + (1 - w) (Dice + clDice) / 2
                   clDice = 1 - 2 P S / (P + S),  P = Σ k(p) v / Σ k(p),  S = Σ k(v) p / Σ k(v)
    sauna          w FocalL1(t, y) + (1 - w) Jaccard(t, y)
    artery-vein    ce-dice of artery, vein and vessel, plus BCE(z_a - z_v, artery) on vessels
    RRWNet's       L_0 + Σ k L_k / Σ k,  L_k = BCE of artery + of vein + of vessel after pass k

p = sigmoid(z), t = tanh(z), v a pixel's fraction of vessel, y its soft label by `sauna`, k the soft
skeleton. tanh(z) = 0 where sigmoid(z) = 1/2, so networks of every loss are read the same way.

    FocalL1 = |t - y| · 2 |t - y| where t and y agree in sign, else |t - y|
    Jaccard = 1 - (I₊ + I₋) / (U₊ + U₋),  I = Σ|a + b| - Σ|a - b|,  U = Σ|a + b| + Σ|a - b|
              over the positive parts of t and y, and over their negative parts

References:
    F. Milletari et al., "V-Net", 3DV 2016, for Dice. S. Shit et al., "clDice – a novel
    topology-preserving loss function for tubular structure segmentation", CVPR 2021. T. Dang et
    al., WACV 2025, for SAUNA's losses, with the published code's α = 2 and β = 1; it weights the
    two terms alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.tasks.segmenter_samples import Crops

Map = Float[Tensor, "batch _ height width"]
Scalar = Float[Tensor, ""]
THINNINGS = 10
"""Rounds of the soft skeleton: as many pixels as the widest vessel's radius in a crop."""


def cross_entropy(z: Map, v: Map, m: Map) -> Scalar:
    """Return the mean binary cross-entropy of logits z against fractions v where m is 1."""
    bce = F.binary_cross_entropy_with_logits(z, v, reduction="none")
    return (bce * m).sum() / m.sum().clamp_min(1)


def dice_loss(z: Map, v: Map, m: Map) -> Scalar:
    """Return 1 - soft Dice of logits z and fractions v where m is 1."""
    p = torch.sigmoid(z) * m
    return 1 - (2 * (p * v).sum() + 1) / (p.sum() + (v * m).sum() + 1)


def ce_dice(z: Map, v: Map, m: Map, share: float) -> Scalar:
    """Return `share` of the cross-entropy and the rest of the Dice loss where m is 1."""
    return share * cross_entropy(z, v, m) + (1 - share) * dice_loss(z, v, m)


def _erode(x: Map) -> Map:
    rows = -F.max_pool2d(-x, (3, 1), 1, (1, 0))
    return torch.minimum(rows, -F.max_pool2d(-x, (1, 3), 1, (0, 1)))


def _opened(x: Map) -> Map:
    return F.max_pool2d(_erode(x), 3, 1, 1)


def soft_skeleton(x: Map, rounds: int = THINNINGS) -> Map:
    """Return what openings take away from x and from its erosions, in [0, 1].

    Args:
        x: probabilities or fractions.
        rounds: at least the widest radius, in pixels.
    """
    skeleton = F.relu(x - _opened(x))
    for _ in range(rounds):
        x = _erode(x)
        more = F.relu(x - _opened(x))
        skeleton = skeleton + F.relu(more - skeleton * more)
    return skeleton


def soft_cldice_loss(z: Map, v: Map, m: Map) -> Scalar:
    """Return 1 - soft clDice of logits z and fractions v where m is 1."""
    p, v = torch.sigmoid(z) * m, v * m
    kp, kv = soft_skeleton(p), soft_skeleton(v)
    precision = ((kp * v).sum() + 1) / (kp.sum() + 1)
    sensitivity = ((kv * p).sum() + 1) / (kv.sum() + 1)
    return 1 - 2 * precision * sensitivity / (precision + sensitivity)


def focal_l1(t: Map, y: Map, m: Map) -> Scalar:
    """Return the mean |t - y|, times 2 |t - y| where both have one sign, where m is 1."""
    off = (t - y).abs()
    weighted = torch.where(t * y > 0, 2 * off * off, off)
    return (weighted * m).sum() / m.sum().clamp_min(1)


def soft_jaccard(t: Map, y: Map, m: Map) -> Scalar:
    """Return 1 - the soft Jaccard index of maps in [-1, 1] where m is 1."""
    shared, joined = t.new_zeros(()), t.new_zeros(())
    for sign in (1, -1):
        a, b = F.relu(sign * t) * m, F.relu(sign * y) * m
        total, apart = (a + b).sum(), (a - b).abs().sum()
        shared, joined = shared + total - apart, joined + total + apart
    return 1 - shared / joined.clamp_min(1e-8)


def artery_vein_loss(logits: Map, crops: Crops, share: float) -> Scalar:
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


def naming_entropy(logits: Map, crops: Crops) -> Scalar:
    """Return the sum of the cross-entropies of artery, vein and vessel.

    Pixels of unknown name teach the vessel map only.

    Args:
        logits: maps of artery and vein, or of artery, vein and vessel.
        crops: masks vessel, artery, vein, and 1 where the name is known.
    """
    vessel, artery, vein, known = (crops.masks[:, i : i + 1] for i in range(4))
    named = crops.fov * (known > 0.99)
    targets = ((artery, named), (vein, named), (vessel, crops.fov))
    terms = [
        cross_entropy(logits[:, i : i + 1], v, m)
        for i, (v, m) in enumerate(targets[: logits.shape[1]])
    ]
    return sum(terms, logits.new_zeros(()))


def mean_of_passes(passes: Sequence[Map], crops: Crops) -> Scalar:
    """Return Σ k L_k / Σ k, with L_k the `naming_entropy` after pass k = 1 ... K."""
    parts = [k * naming_entropy(logits, crops) for k, logits in enumerate(passes, start=1)]
    return sum(parts, crops.masks.new_zeros(())) / max(1, len(parts) * (len(parts) + 1) / 2)


def refinement_loss(found: Sequence[Map], crops: Crops) -> Scalar:
    """Return RRWNet's loss: `naming_entropy` of the first maps plus `mean_of_passes`.

    Args:
        found: logits of artery, vein, vessel before any pass and after each.
        crops: as for `naming_entropy`.

    References:
        J. Morano et al., Expert Syst. Appl. 256 (2024), 124970; classes RRLoss and BCE3Loss of
        train/losses.py in github.com/j-morano/rrwnet, weights after A. Mosinska et al., CVPR 2018.
    """
    return naming_entropy(found[0], crops) + mean_of_passes(found[1:], crops)


def _cross_entropy(logits: Map, crops: Crops, share: float) -> Scalar:
    return cross_entropy(logits, crops.vessels, crops.fov)


def _dice(logits: Map, crops: Crops, share: float) -> Scalar:
    return dice_loss(logits, crops.vessels, crops.fov)


def vessel_ce_dice(logits: Map, crops: Crops, share: float) -> Scalar:
    """Return `ce_dice` of the vessels inside the field of view."""
    return ce_dice(logits, crops.vessels, crops.fov, share)


def _soft_cldice(logits: Map, crops: Crops, share: float) -> Scalar:
    v, m = crops.vessels, crops.fov
    regions = (dice_loss(logits, v, m) + soft_cldice_loss(logits, v, m)) / 2
    return share * cross_entropy(logits, v, m) + (1 - share) * regions


def _sauna(logits: Map, crops: Crops, share: float) -> Scalar:
    t, y, m = torch.tanh(logits), 2 * crops.masks[:, 1:2] - 1, crops.fov
    return share * focal_l1(t, y, m) + (1 - share) * soft_jaccard(t, y, m)


@dataclass(frozen=True)
class SegmenterLoss:
    """One line of the catalogue.

    Attributes:
        name: as on the command line.
        compute: (logits, crops, share of the term by pixels) → scalar.
        soft_labels: whether crops must carry SAUNA's labels as their second mask.
    """

    name: str
    compute: Callable[[Tensor, Crops, float], Tensor]
    soft_labels: bool = False


VESSEL_LOSSES: tuple[SegmenterLoss, ...] = (
    SegmenterLoss("ce-dice", vessel_ce_dice),
    SegmenterLoss("cross-entropy", _cross_entropy),
    SegmenterLoss("dice", _dice),
    SegmenterLoss("soft-cldice", _soft_cldice),
    SegmenterLoss("sauna", _sauna, soft_labels=True),
)
LOSSES = (*VESSEL_LOSSES, SegmenterLoss("artery-vein", artery_vein_loss))


def loss_named(name: str, losses: tuple[SegmenterLoss, ...] = LOSSES) -> SegmenterLoss:
    """Return one of `losses`.

    Raises:
        Refusal: expected one of their names.
    """
    for loss in losses:
        if loss.name == name:
            return loss
    names = ", ".join(loss.name for loss in losses)
    raise Refusal(f"a segmenter loss ({names})", repr(name), "name one of these")

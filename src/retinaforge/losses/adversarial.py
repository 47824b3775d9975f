"""Hinge adversary: its losses, its adaptive weight, its late start.

    L_D = (mean max(0, 1 - D(x)) + mean max(0, 1 + D(G))) / 2        L_G = - mean D(G)
    lambda = |d L_rec / d W| / (|d L_G / d W| + 1e-6), clamped to [0, 1e4]

References:
    Lim and Ye, "Geometric GAN", 2017; Esser et al., "Taming transformers", CVPR 2021, eq. 7.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import Refusal

DELTA, HIGHEST = 1e-6, 1e4


def hinge_discriminator_loss(
    real_logits: Float[Tensor, "..."], synthetic_logits: Float[Tensor, "..."]
) -> Float[Tensor, ""]:
    """Return the discriminator's hinge loss; 0 where it is right by a margin of 1."""
    real = (1 - real_logits.float()).relu().mean()
    synthetic = (1 + synthetic_logits.float()).relu().mean()
    return (real + synthetic) / 2


def hinge_generator_loss(synthetic_logits: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """Return minus the mean logit of what was generated."""
    return -synthetic_logits.float().mean()


def adaptive_weight(
    reconstruction_loss: Tensor, generator_loss: Tensor, *, last_layer: nn.Parameter
) -> Float[Tensor, ""]:
    """Return lambda: with it the adversary's gradient at the last layer is as large as the rest's.

    Args:
        reconstruction_loss: weighted sum of all other terms, graph alive (it is kept).
        generator_loss: `hinge_generator_loss`, graph alive.
        last_layer: weight of the decoder's last layer.

    Returns:
        A detached scalar in [0, 1e4].
    """
    (rec,) = torch.autograd.grad(reconstruction_loss, last_layer, retain_graph=True)
    (gan,) = torch.autograd.grad(generator_loss, last_layer, retain_graph=True)
    weight = rec.float().norm() / (gan.float().norm() + DELTA)
    return weight.clamp(0.0, HIGHEST).detach()


def adversary_ramp(step: int, start: int, ramp: int) -> float:
    """Return 0 before `start`, then a straight line to 1 over `ramp` steps (at once for 0).

    Raises:
        Refusal: if a count is negative.
    """
    if min(step, start, ramp) < 0:
        raise Refusal(
            "counts of steps from 0", f"step {step}, start {start}, ramp {ramp}", "correct them"
        )
    if step < start:
        return 0.0
    return 1.0 if ramp == 0 else min(1.0, (step - start) / ramp)

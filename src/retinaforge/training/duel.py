"""The adversary's side of a step: a hinge PatchGAN with adaptive weight, late start and ramp.

Generator: lambda(step) * -mean D(x), with lambda = weight * ramp * |grad L| / |grad G|, both norms
at the decoder's last layer (Esser et al. 2021, arXiv 2012.09841, equation 7).
Discriminator: mean relu(1 - D(real)) / 2 + mean relu(1 + D(x)) / 2 (Lim, Ye 2017, 1705.02894).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from retinaforge.losses import (
    AdversarySpec,
    adaptive_weight,
    adversary_ramp,
    hinge_discriminator_loss,
    hinge_generator_loss,
)
from retinaforge.training.precision import autocast
from retinaforge.training.run import Run, prepare


@dataclass(frozen=True)
class Adversary:
    """A discriminator and when it plays.

    Attributes:
        discriminator: gives one logit per patch; changed in place.
        spec: its weight as a share of the other terms' gradient norm, the first step in which it
            learns and speaks, and the steps over which its weight then rises from zero.
        learning_rate: of the discriminator, constant.
        betas: of its Adam.
    """

    discriminator: nn.Module = field(compare=False)
    spec: AdversarySpec
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.9)

    def as_dict(self) -> dict[str, Any]:
        """Return what a resumption must find unchanged."""
        own = {"learning_rate": self.learning_rate, "betas": list(self.betas)}
        return asdict(self.spec) | own


def join(run: Run, adversary: Adversary) -> None:
    """Prepare the discriminator and its optimiser for the processes at hand."""
    discriminator = adversary.discriminator.to(run.accelerator.device).train()
    optimiser = torch.optim.Adam(
        discriminator.parameters(), adversary.learning_rate, betas=adversary.betas
    )
    run.discriminator, run.discriminator_optimiser = prepare(
        run.accelerator, discriminator, optimiser
    )


def oppose(
    run: Run, adversary: Adversary, *, x: Tensor, leaf: Tensor, slope: Tensor
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """Add the adversary's slope to the losses' slope at the reconstruction.

    Args:
        run: the training.
        adversary: with its schedule.
        x: the reconstruction, in the autoencoder's graph.
        leaf: the same numbers, cut off from it.
        slope: of the losses at the leaf.

    Returns:
        The slope of both, and the numbers for the log.
    """
    with autocast(leaf.device, run.precision):
        logits = run.accelerator.unwrap_model(run.discriminator)(leaf)
    loss = hinge_generator_loss(logits.float())
    (against,) = torch.autograd.grad(loss, leaf)
    # Sums with the gradients that the losses have, without another pass through the networks.
    balance = adaptive_weight(
        (x * slope).sum(), (x * against).sum(), last_layer=run.plain.last_layer
    )
    spec = adversary.spec
    share = spec.weight * adversary_ramp(run.step, spec.start_step, spec.ramp_steps)
    factor = run.mean_over_processes({"factor": share * balance})["factor"]
    return slope + factor * against, {"weight": factor, "generator": loss}


def learn(run: Run, adversary: Adversary, real: Tensor, fake: Tensor) -> float:
    """Let the discriminator take one step and return its loss; one not finite is left out."""
    optimiser = run.discriminator_optimiser
    with autocast(real.device, run.precision):
        logits = run.discriminator(torch.cat([real, fake]))
    loss = hinge_discriminator_loss(*logits.float().chunk(2))
    run.accelerator.backward(loss)
    norm = run.accelerator.clip_grad_norm_(run.discriminator.parameters(), 1.0)
    value = run.mean_over_processes({"loss": loss, "norm": norm})
    if torch.isfinite(torch.tensor(list(value.values()))).all():
        optimiser.step()
    optimiser.zero_grad()
    return value["loss"]

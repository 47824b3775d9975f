"""Train the network that finds diabetic lesions.

    L = Σ_k [w BCE_k(z_k, v_k) + D(sigmoid z_k, v_k)]      k: the four kinds

inside the field of view; D is the Dice loss over the batch, and BCE_k counts pixels of kind k as
often as stated: a pixel in a thousand is a microaneurysm's, and a network may rest at finding none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.anatomy.lesions import LESION_TYPES, empty_network
from retinaforge.core import rng_for
from retinaforge.nets.unet import WIDTHS, VesselNet
from retinaforge.tasks.learner import dice_loss, fit
from retinaforge.tasks.lesion_samples import (
    STACK_PX,
    LesionBatch,
    LesionStack,
    draw_lesion_batch,
)


@dataclass(frozen=True)
class LesionConfig:
    """How to train; every field changes the result.

    Attributes:
        steps: optimisation steps.
        batch: crops a step.
        side_px: side of a crop, in pixels.
        scales: least and most factor on `whole_px`.
        learning_rate: peak of the first cycle.
        decay: AdamW's weight decay.
        average: memory of the exponential mean of the weights.
        bce_weight: w of the loss.
        positive_weights: how often a lesion's pixel counts, kind by kind.
        disguised_share: share of the crops that are disguised as another camera's.
        phantom_share: share of crops of phantoms where there are photographs too.
        whole_px: FOV diameter at which the trained network looks at a field.
        widths: channels of the network, finest level first.
        seed: decides weights, crops and phantoms.
    """

    steps: int = 3000
    batch: int = 6
    side_px: int = 256
    scales: tuple[float, float] = (0.75, 1.3)
    learning_rate: float = 3e-3
    decay: float = 1e-2
    average: float = 0.995
    bce_weight: float = 10.0
    positive_weights: tuple[float, ...] = (8.0, 2.0, 1.0, 2.0)
    disguised_share: float = 0.5
    phantom_share: float = 0.25
    whole_px: float = 1440.0
    widths: tuple[int, ...] = WIDTHS
    seed: int = 0


def lesion_loss(
    logits: Float[Tensor, "batch 4 side side"],
    batch: LesionBatch,
    *,
    bce_weight: float,
    positive_weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
) -> Float[Tensor, ""]:
    """Return the loss of the four kinds inside the field of view."""
    often = logits.new_tensor(positive_weights)[:, None, None]
    bce = F.binary_cross_entropy_with_logits(
        logits, batch.targets, pos_weight=often, reduction="none"
    )
    bce = (bce * batch.fov).sum() / batch.fov.sum().clamp_min(1)
    p, m = torch.sigmoid(logits), batch.fov[:, 0]
    dice = [dice_loss(p[:, i], batch.targets[:, i], m) for i in range(len(LESION_TYPES))]
    return bce_weight * bce + torch.stack(dice).sum()


def train_lesions(
    stacks: Sequence[LesionStack],
    config: LesionConfig,
    folder: Path,
    *,
    begin: VesselNet | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> VesselNet:
    """Train, or go on training, in `folder` and return the network of mean weights.

    Args:
        stacks: what is learnt from.
        config: the recipe.
        folder: holds the checkpoint.
        begin: a trained network to begin with; None begins with random weights.
        on_step: called with (steps done, loss) after every step.

    Raises:
        Refusal: expected the recipe that the checkpoint was begun with.
    """
    zooms = tuple(scale * config.whole_px / STACK_PX for scale in config.scales)

    def loss_at(model: nn.Module, step: int) -> Tensor:
        batch = draw_lesion_batch(
            stacks, rng_for(config.seed, "lesions", step), count=config.batch,
            side_px=config.side_px, zooms=(zooms[0], zooms[1]),
            phantom_share=config.phantom_share, disguised_share=config.disguised_share,
        )  # fmt: skip
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(batch.images, batch.fov)
        return lesion_loss(
            logits.float(), batch, bce_weight=config.bce_weight,
            positive_weights=config.positive_weights,
        )  # fmt: skip

    torch.manual_seed(config.seed)
    network = empty_network(config.widths)
    if begin is not None:
        network.load_state_dict(begin.state_dict())
    return fit(network, loss_at, config, folder, on_step=on_step)

"""Train the network that finds disc, cup and fovea.

    L = Σ_{disc, cup} [BCE(z, v) + D(sigmoid z, v)] + w BCE(z_fovea, heat)

each summed where its truth is known; D is the Dice loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import rng_for
from retinaforge.nets.landmarks import WIDTHS, LandmarkNet
from retinaforge.tasks.anatomy_samples import Batch, EyeStacks, draw_batch
from retinaforge.tasks.learner import dice_loss, fit


@dataclass(frozen=True)
class AnatomyConfig:
    """How to train; every field changes the result.

    Attributes:
        steps: optimisation steps.
        batch: looks a step.
        side_px: side of a look, in pixels.
        learning_rate: peak of the first cycle.
        decay: AdamW's weight decay.
        average: memory of the exponential mean of the weights.
        fovea_weight: w of the loss.
        near_share: share of looks close to the disc.
        phantom_share: share of looks at phantoms where there are photographs too.
        whole_px: FOV diameter at which the trained network looks at a whole field.
        near_px: disc diameter at which it looks at the disc.
        widths: channels of the network, finest level first.
        seed: decides weights, looks and phantoms.
    """

    steps: int = 3000
    batch: int = 5
    side_px: int = 256
    learning_rate: float = 3e-3
    decay: float = 1e-2
    average: float = 0.995
    fovea_weight: float = 20.0
    near_share: float = 0.55
    phantom_share: float = 0.4
    whole_px: float = 240.0
    near_px: float = 110.0
    widths: tuple[int, ...] = WIDTHS
    seed: int = 0


def anatomy_loss(
    logits: Float[Tensor, "batch 3 side side"], batch: Batch, *, fovea_weight: float
) -> Float[Tensor, ""]:
    """Return the loss of disc, cup and fovea where each is known."""
    bce = F.binary_cross_entropy_with_logits(logits, batch.targets, reduction="none")
    bce = (bce * batch.known).sum((0, 2, 3)) / batch.known.sum((0, 2, 3)).clamp_min(1)
    p = torch.sigmoid(logits)
    dice = [dice_loss(p[:, i], batch.targets[:, i], batch.known[:, i]) for i in range(2)]
    return bce[0] + bce[1] + fovea_weight * bce[2] + dice[0] + dice[1]


def train_anatomy(
    eyes: Sequence[EyeStacks],
    config: AnatomyConfig,
    folder: Path,
    *,
    begin: LandmarkNet | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> LandmarkNet:
    """Train, or go on training, in `folder` and return the network of mean weights.

    Args:
        eyes: what is learnt from.
        config: the recipe.
        folder: holds the checkpoint.
        begin: a trained network to begin with; None begins with random weights.
        on_step: called with (steps done, loss) after every step.

    Raises:
        Refusal: expected the recipe that the checkpoint was begun with.
    """

    def loss_at(model: nn.Module, step: int) -> Tensor:
        batch = draw_batch(
            eyes, rng_for(config.seed, "looks", step), count=config.batch, side_px=config.side_px,
            near_share=config.near_share, phantom_share=config.phantom_share,
        )  # fmt: skip
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(batch.images, batch.fov)
        return anatomy_loss(logits.float(), batch, fovea_weight=config.fovea_weight)

    torch.manual_seed(config.seed)
    network = LandmarkNet(config.widths)
    if begin is not None:
        network.load_state_dict(begin.state_dict())
    return fit(network, loss_at, config, folder, on_step=on_step)

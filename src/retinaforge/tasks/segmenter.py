"""Train a segmenter's network with one of the losses of `segmenter_losses`.

Adam with decoupled decay, two cycles of the learning rate, an exponential mean of the weights.
Batch k depends on the seed and k only, so a killed run continues to the very weights it would have
reached.

References:
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import rng_for
from retinaforge.nets.unet import WIDTHS, VesselNet
from retinaforge.tasks.learner import fit
from retinaforge.tasks.segmenter_losses import loss_named
from retinaforge.tasks.segmenter_samples import Annotated, draw_crops


@dataclass(frozen=True)
class SegmenterConfig:
    """How to train; every field changes the result.

    Attributes:
        steps: optimisation steps.
        batch: crops a step.
        side_px: side of a crop, in pixels.
        diameter_px: FOV diameter about which crops are scaled, in pixels.
        scales: smallest and largest random factor on that diameter.
        learning_rate: peak of the first cycle.
        decay: AdamW's weight decay.
        loss: name of a loss of `segmenter_losses`.
        pixel_share: weight of the loss's term by pixels, the rest is on its term by regions.
        average: memory of the exponential mean of the weights.
        views_px: FOV diameters at which the judge looks at a photograph.
        widths: channels of the network, finest level first.
        outputs: maps of the network.
        phantom_share: share of the crops that come from phantoms where there are photographs too.
        seed: decides weights, crops and their order.
    """

    steps: int = 4500
    batch: int = 8
    side_px: int = 208
    diameter_px: float = 720.0
    scales: tuple[float, float] = (0.4, 1.5)
    learning_rate: float = 3e-3
    decay: float = 1e-2
    loss: str = "ce-dice"
    pixel_share: float = 0.5
    average: float = 0.998
    views_px: tuple[float, ...] = (560.0, 880.0)
    widths: tuple[int, ...] = WIDTHS
    outputs: int = 1
    phantom_share: float = 0.2
    seed: int = 0


def train_segmenter(
    photographs: Sequence[Annotated],
    config: SegmenterConfig,
    folder: Path,
    *,
    begin: VesselNet | None = None,
    checkpoint_every: int = 50,
    on_step: Callable[[int, float], None] | None = None,
) -> VesselNet:
    """Train, or go on training, in `folder` and return the network of mean weights.

    Args:
        photographs: annotated photographs of the training patients.
        config: the recipe; must equal that of a checkpoint found in `folder`.
        folder: holds checkpoint.pt, whole at any moment.
        begin: a trained network of the same widths to begin with; None begins at random.
        checkpoint_every: steps between checkpoints.
        on_step: called with (steps done, loss) after every step.

    Raises:
        Refusal: expected the recipe that the checkpoint was begun with.
    """
    torch.manual_seed(config.seed)
    model = VesselNet(config.widths, config.outputs)
    if begin is not None:
        model.load_state_dict(begin.state_dict())

    def loss_at(model: nn.Module, step: int) -> Float[Tensor, ""]:
        crops = draw_crops(
            photographs, rng_for(config.seed, "crops", step), count=config.batch,
            side_px=config.side_px, diameter_px=config.diameter_px, scales=config.scales,
            phantom_share=config.phantom_share,
        )  # fmt: skip
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(crops.images, crops.fov)
        return loss_named(config.loss).compute(logits.float(), crops, config.pixel_share)

    return fit(model, loss_at, config, folder, checkpoint_every=checkpoint_every, on_step=on_step)

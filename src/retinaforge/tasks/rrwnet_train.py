"""Train RRWNet on enhanced photographs, on true maps that were spoilt, or on both.

    L = RRWNet's loss + w Σ k L_k / Σ k

of `segmenter_losses`; the second sum is over the passes that mend spoilt true maps (`damaged_maps`)
and teaches the refinement errors other than the first network's. w = 0 is the published loss.

References:
    J. Morano, G. Aresta and H. Bogunović, Expert Syst. Appl. 256 (2024), 124970.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import rng_for
from retinaforge.nets.rrwnet import BASE, PASSES, RRWNet
from retinaforge.tasks.damaged_maps import damage_maps
from retinaforge.tasks.learner import fit
from retinaforge.tasks.segmenter_losses import mean_of_passes, refinement_loss
from retinaforge.tasks.segmenter_samples import Annotated, Crops, draw_crops
from retinaforge.vessels.rrwnet_judge import DIAMETER_PX, enhance


@dataclass(frozen=True)
class RRWNetConfig:
    """How to train; every field changes the result.

    Attributes:
        steps: optimisation steps.
        batch: crops a step.
        view_px: side of the square that is enhanced as a whole, most of an eye.
        side_px: side of the crop of it that is learnt from.
        diameter_px: FOV diameter at which the trained network looks at a photograph.
        scales: smallest and largest random factor on that diameter.
        learning_rate: peak of the first cycle.
        decay: AdamW's weight decay.
        average: memory of the exponential mean of the weights.
        base: channels at full resolution.
        passes: K, passes through the second network.
        damaged: w, weight of mending spoilt true maps.
        phantom_share: share of the crops that come from phantoms where there are photographs too.
        seed: decides weights, crops and their order.
    """

    steps: int = 3000
    batch: int = 4
    view_px: int = 544
    side_px: int = 256
    diameter_px: float = DIAMETER_PX
    scales: tuple[float, float] = (0.75, 1.35)
    learning_rate: float = 1e-3
    decay: float = 1e-4
    average: float = 0.998
    base: int = BASE
    passes: int = PASSES
    damaged: float = 1.0
    phantom_share: float = 0.5
    seed: int = 0


def _window(crops: Crops, rng: np.random.Generator, *, side_px: int) -> tuple[slice, slice]:
    """Return rows and columns of a random crop, the same of every picture of a batch."""
    free = max(0, crops.fov.shape[-1] - side_px)
    top, left = rng.integers(free + 1, size=2).tolist()
    return slice(top, top + side_px), slice(left, left + side_px)


def enhanced_crops(crops: Crops, rng: np.random.Generator, *, side_px: int) -> Crops:
    """Enhance pictures as RRWNet wants them, each as a whole, and cut a crop from each.

    Args:
        crops: most of an eye each, in [-1, 1].
        rng: decides where crops lie.
        side_px: their side.

    Returns:
        Images in [0, 1]; the field of view is eroded as the published preparation does it.
    """
    pixels = ((crops.images.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
    pairs = [enhance(p, m) for p, m in zip(pixels, crops.fov[:, 0].numpy() > 0, strict=True)]
    images = torch.from_numpy(np.stack([x for x, _ in pairs])).float().permute(0, 3, 1, 2)
    kept = torch.from_numpy(np.stack([m for _, m in pairs])[:, None]).float()
    rows, columns = _window(crops, rng, side_px=side_px)
    at = (..., rows, columns)
    return Crops(images[at].contiguous(), crops.masks[at].contiguous(), kept[at].contiguous())


def damaged_truth(crops: Crops, rng: np.random.Generator) -> Float[Tensor, "batch 3 side side"]:
    """Return the true maps of artery, vein and vessel, spoilt, 0 outside the field of view."""
    truth = crops.masks[:, [1, 2, 0]].numpy()
    return torch.from_numpy(np.stack([damage_maps(maps, rng) for maps in truth])) * crops.fov


def train_rrwnet(
    eyes: Sequence[Annotated],
    config: RRWNetConfig,
    folder: Path,
    *,
    checkpoint_every: int = 50,
    on_step: Callable[[int, float], None] | None = None,
) -> RRWNet:
    """Train, or go on training, in `folder` and return the network of mean weights.

    A GPU is used where there is one.

    Args:
        eyes: annotated with the masks vessel, artery, vein and known.
        config: the recipe; must equal that of a checkpoint found in `folder`.
        folder: holds checkpoint.pt, whole at any moment.
        checkpoint_every: steps between checkpoints.
        on_step: called with (steps done, loss) after every step.

    Raises:
        Refusal: expected the recipe that the checkpoint was begun with.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def loss_at(model: RRWNet, step: int) -> Float[Tensor, ""]:
        rng = rng_for(config.seed, "rrwnet", step)
        views = draw_crops(
            eyes, rng, count=config.batch, side_px=config.view_px, diameter_px=config.diameter_px,
            scales=config.scales, phantom_share=config.phantom_share,
        )  # fmt: skip
        crops = enhanced_crops(views, rng, side_px=config.side_px)
        spoilt = damaged_truth(crops, rng) if config.damaged else None
        at = Crops(crops.images.to(device), crops.masks.to(device), crops.fov.to(device))
        with torch.autocast(device.type, dtype=torch.bfloat16):
            found = model(at.images)
            mended = model.mend(spoilt.to(device)) if spoilt is not None else []
        loss = refinement_loss([z.float() for z in found], at)
        return loss + config.damaged * mean_of_passes([z.float() for z in mended], at)

    torch.manual_seed(config.seed)
    model = RRWNet(config.base, config.passes).to(device)
    trained = fit(
        model, loss_at, config, folder, checkpoint_every=checkpoint_every, on_step=on_step
    )
    return trained.cpu()

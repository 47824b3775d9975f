"""Train the vessel judge's network.

    L = w BCE(z, v) + (1 - w) (1 - (2 Σ p v + 1) / (Σ p + Σ v + 1)),   p = sigmoid(z)

summed inside the field of view, v the vessel fraction of a pixel. Adam with decoupled decay, one
cycle of the learning rate, an exponential mean of the weights. Batch k depends on the seed and k
only, so a killed run continues to the very weights it would have reached.

References:
    F. Milletari et al., "V-Net", 3DV 2016, for the Dice loss; I. Loshchilov and F. Hutter, ICLR
    2019, for AdamW.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import artefacts, rng_for
from retinaforge.nets.unet import WIDTHS, VesselNet
from retinaforge.tasks.segmenter_samples import Annotated, Crops, draw_crops


@dataclass(frozen=True)
class SegmenterConfig:
    """How to train; every field changes the result.

    Attributes:
        steps: optimisation steps.
        batch: crops a step.
        side_px: side of a crop, in pixels.
        diameter_px: FOV diameter in the network's working frame, in pixels.
        scales: smallest and largest random factor on that diameter.
        learning_rate: peak of the cycle.
        decay: AdamW's weight decay.
        bce_share: w of the loss.
        average: memory of the exponential mean of the weights.
        widths: channels of the network, finest level first.
        seed: decides weights, crops and their order.
    """

    steps: int = 2000
    batch: int = 8
    side_px: int = 224
    diameter_px: float = 720.0
    scales: tuple[float, float] = (0.4, 1.5)
    learning_rate: float = 3e-3
    decay: float = 1e-2
    bce_share: float = 0.5
    average: float = 0.995
    widths: tuple[int, ...] = WIDTHS
    seed: int = 0


def segmentation_loss(
    logits: Float[Tensor, "batch 1 height width"], crops: Crops, *, bce_share: float
) -> Float[Tensor, ""]:
    """Return the mixed cross-entropy and Dice loss inside the field of view."""
    v, m = crops.vessels, crops.fov
    bce = (F.binary_cross_entropy_with_logits(logits, v, reduction="none") * m).sum()
    p = torch.sigmoid(logits) * m
    dice = (2 * (p * v).sum() + 1) / (p.sum() + (v * m).sum() + 1)
    return bce_share * bce / m.sum().clamp_min(1) + (1 - bce_share) * (1 - dice)


def learning_rate_at(step: int, config: SegmenterConfig) -> float:
    """Return the rate of one cycle: a linear rise over 5 % of the steps, then half a cosine."""
    rise = max(1, round(0.05 * config.steps))
    if step < rise:
        return config.learning_rate * (step + 1) / rise
    along = (step - rise) / max(1, config.steps - rise)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * along))


@torch.no_grad()
def _follow(mean: nn.Module, model: nn.Module, *, memory: float) -> None:
    for kept, new in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - memory)
        else:
            kept.copy_(new)


def _save(path: Path, state: dict[str, Any]) -> None:
    artefacts.write_with(path, lambda stream: torch.save(state, stream))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def train_segmenter(
    photographs: Sequence[Annotated],
    config: SegmenterConfig,
    folder: Path,
    *,
    checkpoint_every: int = 100,
    on_step: Callable[[int, float], None] | None = None,
) -> VesselNet:
    """Train, or go on training, in `folder` and return the network of mean weights.

    Args:
        photographs: annotated photographs of the training patients.
        config: the recipe; must equal that of a checkpoint found in `folder`.
        folder: holds checkpoint.pt.
        checkpoint_every: steps between whole checkpoints.
        on_step: called with (step, loss) after every step.
    """
    torch.manual_seed(config.seed)
    model = VesselNet(config.widths).to(memory_format=torch.channels_last)
    mean = VesselNet(config.widths)
    mean.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(model.parameters(), lr=1.0, weight_decay=config.decay)
    start, path = 0, folder / "checkpoint.pt"
    if path.exists():
        state = torch.load(path, map_location="cpu", weights_only=True)
        for part, saved in ((model, "model"), (mean, "mean"), (optimiser, "optimiser")):
            part.load_state_dict(state[saved])
        start = int(state["step"])
        _say(f"resuming at step {start} of {config.steps}")
    began, losses = time.monotonic(), []
    for step in range(start, config.steps):
        crops = draw_crops(
            photographs, rng_for(config.seed, "crops", step), count=config.batch,
            side_px=config.side_px, diameter_px=config.diameter_px, scales=config.scales,
        )  # fmt: skip
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, config)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(crops.images, crops.fov)
        loss = segmentation_loss(logits.float(), crops, bce_share=config.bce_share)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        _follow(mean, model, memory=min(config.average, (step + 1) / (step + 10)))
        losses.append(loss.item())
        if on_step is not None:
            on_step(step, losses[-1])
        done = step + 1
        if done % checkpoint_every == 0 or done == config.steps:
            left = (time.monotonic() - began) / (done - start) * (config.steps - done)
            recent = float(np.mean(losses[-checkpoint_every:]))
            _say(f"step {done}/{config.steps} loss {recent:.4f} {left / 60:.1f} min left")
            _save(path, {"model": model.state_dict(), "mean": mean.state_dict(),
                         "optimiser": optimiser.state_dict(), "step": done,
                         "config": asdict(config)})  # fmt: skip
    return mean.eval()

"""Train a segmenter's network with one of the losses of `segmenter_losses`.

Adam with decoupled decay, two cycles of the learning rate, an exponential mean of the weights.
Batch k depends on the seed and k only, so a killed run continues to the very weights it would have
reached.

References:
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from retinaforge.core import Refusal, artefacts, rng_for
from retinaforge.nets.unet import WIDTHS, VesselNet
from retinaforge.tasks.segmenter_losses import loss_named
from retinaforge.tasks.segmenter_samples import Annotated, Crops, draw_crops


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


def learning_rate_at(step: int, config: SegmenterConfig) -> float:
    """Return the rate: a cycle over two thirds of the steps, then a gentler one of half its peak.

    A cycle rises linearly over 5 % of its steps and falls along half a cosine.
    """
    first = round(config.steps * 2 / 3)
    begin, end, peak = (0, first, 1.0) if step < first else (first, config.steps, 0.5)
    rise = max(1, round(0.05 * (end - begin)))
    if step - begin < rise:
        return config.learning_rate * peak * (step - begin + 1) / rise
    along = (step - begin - rise) / max(1, end - begin - rise)
    return config.learning_rate * peak * 0.5 * (1 + math.cos(math.pi * along))


@torch.no_grad()
def _follow(mean: nn.Module, model: nn.Module, *, memory: float) -> None:
    for kept, new in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - memory)
        else:
            kept.copy_(new)


@dataclass
class _State:
    """All that a checkpoint holds: step, weights, their mean, the optimiser's moments."""

    step: int
    model: VesselNet
    mean: VesselNet
    optimiser: torch.optim.AdamW

    @classmethod
    def fresh(cls, config: SegmenterConfig) -> _State:
        torch.manual_seed(config.seed)
        model = VesselNet(config.widths, config.outputs).to(memory_format=torch.channels_last)
        mean = VesselNet(config.widths, config.outputs)
        mean.load_state_dict(model.state_dict())
        optimiser = torch.optim.AdamW(model.parameters(), lr=1.0, weight_decay=config.decay)
        return cls(0, model, mean, optimiser)

    def save(self, path: Path, config: SegmenterConfig) -> None:
        content = {"step": self.step, "config": asdict(config)} | {
            name: getattr(self, name).state_dict() for name in ("model", "mean", "optimiser")
        }
        artefacts.write_with(path, lambda stream: torch.save(content, stream))

    def restore(self, path: Path, config: SegmenterConfig) -> None:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["config"] != asdict(config):
            raise Refusal(
                "the recipe that the checkpoint was begun with",
                f"another one beside {path}",
                "train into an empty folder, or give the settings of the first run again",
            )
        for name in ("model", "mean", "optimiser"):
            getattr(self, name).load_state_dict(content[name])
        self.step = int(content["step"])


def _learn(state: _State, crops: Crops, config: SegmenterConfig) -> float:
    """Make one step and return its loss."""
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate_at(state.step, config)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = state.model(crops.images, crops.fov)
    loss = loss_named(config.loss).compute(logits.float(), crops, config.pixel_share)
    state.optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    state.optimiser.step()
    memory = min(config.average, (state.step + 1) / (state.step + 10))
    _follow(state.mean, state.model, memory=memory)
    state.step += 1
    return loss.item()


def train_segmenter(
    photographs: Sequence[Annotated],
    config: SegmenterConfig,
    folder: Path,
    *,
    checkpoint_every: int = 50,
    on_step: Callable[[int, float], None] | None = None,
) -> VesselNet:
    """Train, or go on training, in `folder` and return the network of mean weights.

    Args:
        photographs: annotated photographs of the training patients.
        config: the recipe; must equal that of a checkpoint found in `folder`.
        folder: holds checkpoint.pt, whole at any moment.
        checkpoint_every: steps between checkpoints.
        on_step: called with (steps done, loss) after every step.

    Raises:
        Refusal: expected the recipe that the checkpoint was begun with.
    """
    state, path = _State.fresh(config), folder / "checkpoint.pt"
    if path.exists():
        state.restore(path, config)
    while state.step < config.steps:
        crops = draw_crops(
            photographs, rng_for(config.seed, "crops", state.step), count=config.batch,
            side_px=config.side_px, diameter_px=config.diameter_px, scales=config.scales,
            phantom_share=config.phantom_share,
        )  # fmt: skip
        loss = _learn(state, crops, config)
        if on_step is not None:
            on_step(state.step, loss)
        if state.step % checkpoint_every == 0 or state.step == config.steps:
            state.save(path, config)
    return state.mean.eval()

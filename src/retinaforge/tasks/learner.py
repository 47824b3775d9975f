"""Fit a small segmentation network: AdamW, two cycles of the learning rate, a mean of the weights.

Batch k depends on the seed and k only, so a killed run continues to the very weights it would have
reached.

References:
    I. Loshchilov and F. Hutter, ICLR 2019, for AdamW.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import Refusal, artefacts


class Recipe(Protocol):
    """What every recipe states; a dataclass, all of whose fields stand in the checkpoint."""

    @property
    def steps(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def decay(self) -> float: ...
    @property
    def average(self) -> float: ...


Network = TypeVar("Network", bound=nn.Module)
LossAt = Callable[[Network, int], Float[Tensor, ""]]
"""Return the loss of a network on batch number k."""


def learning_rate_at(step: int, recipe: Recipe) -> float:
    """Return the rate: a cycle over two thirds of the steps, then a gentler one of half its peak.

    A cycle rises linearly over 5 % of its steps and falls along half a cosine.
    """
    first = round(recipe.steps * 2 / 3)
    begin, end, peak = (0, first, 1.0) if step < first else (first, recipe.steps, 0.5)
    rise = max(1, round(0.05 * (end - begin)))
    if step - begin < rise:
        return recipe.learning_rate * peak * (step - begin + 1) / rise
    along = (step - begin - rise) / max(1, end - begin - rise)
    return recipe.learning_rate * peak * 0.5 * (1 + math.cos(math.pi * along))


@torch.no_grad()
def _follow(mean: nn.Module, model: nn.Module, *, memory: float) -> None:
    for kept, new in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - memory)
        else:
            kept.copy_(new)


@dataclass
class _State(Generic[Network]):
    """All that a checkpoint holds: step, weights, their mean, the optimiser's moments."""

    step: int
    model: Network
    mean: Network
    optimiser: torch.optim.Optimizer

    def save(self, path: Path, recipe: Any) -> None:
        content = {"step": self.step, "config": asdict(recipe)} | {
            name: getattr(self, name).state_dict() for name in ("model", "mean", "optimiser")
        }
        artefacts.write_with(path, lambda stream: torch.save(content, stream))

    def restore(self, path: Path, recipe: Any) -> None:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["config"] != asdict(recipe):
            raise Refusal(
                "the recipe that the checkpoint was begun with",
                f"another one beside {path}",
                "train into an empty folder, or give the settings of the first run again",
            )
        for name in ("model", "mean", "optimiser"):
            getattr(self, name).load_state_dict(content[name])
        self.step = int(content["step"])


def _step(state: _State[Network], loss_at: LossAt[Network], recipe: Recipe) -> float:
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate_at(state.step, recipe)
    loss = loss_at(state.model, state.step)
    state.optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    state.optimiser.step()
    _follow(
        state.mean, state.model, memory=min(recipe.average, (state.step + 1) / (state.step + 10))
    )
    state.step += 1
    return loss.item()


def fit(
    model: Network,
    loss_at: LossAt[Network],
    recipe: Recipe,
    folder: Path,
    *,
    checkpoint_every: int = 50,
    on_step: Callable[[int, float], None] | None = None,
) -> Network:
    """Train, or go on training, in `folder` and return the network of mean weights.

    Args:
        model: freshly made, its weights from the recipe's seed.
        loss_at: the loss on batch number k; must depend on weights and k only.
        recipe: must equal that of a checkpoint found in `folder`.
        folder: holds checkpoint.pt, whole at any moment.
        checkpoint_every: steps between checkpoints.
        on_step: called with (steps done, loss) after every step.

    Raises:
        Refusal: expected the recipe that the checkpoint was begun with.
    """
    mean = deepcopy(model)
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1.0, weight_decay=recipe.decay)
    state, path = _State(0, model, mean, optimiser), folder / "checkpoint.pt"
    if path.exists():
        state.restore(path, recipe)
    while state.step < recipe.steps:
        loss = _step(state, loss_at, recipe)
        if on_step is not None:
            on_step(state.step, loss)
        if state.step % checkpoint_every == 0 or state.step == recipe.steps:
            state.save(path, recipe)
    return state.mean.eval()


def dice_loss(
    p: Float[Tensor, "batch _ _"], v: Float[Tensor, "batch _ _"], m: Float[Tensor, "batch _ _"]
) -> Float[Tensor, ""]:
    """Return 1 - (2 Σ p v + 1) / (Σ p + Σ v + 1) over a batch, where m counts."""
    return 1 - (2 * (p * v * m).sum() + 1) / ((p * m).sum() + (v * m).sum() + 1)

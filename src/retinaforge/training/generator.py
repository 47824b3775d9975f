"""Teach a generator: a flow from noise to latents under words, classes and maps.

A step: draw latents and conditions -> draw noise, times and which captions are dropped, each from
the batch's number -> velocity -> squared error -> backward -> clip -> AdamW -> moving average of
the weights. The loop, its files and its resumption are those of `pretrain`; a checkpoint holds the
averaged weights too.

References: see `generators.flow`; Karras et al. 2024, arXiv 2312.02696 (averaged weights).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.core.rng import seed_for
from retinaforge.generators.condition import Condition
from retinaforge.generators.flow import FlowConfig, draw_times, flow_errors, on_path
from retinaforge.generators.maps import drop_maps
from retinaforge.training.average import update_average
from retinaforge.training.pretrain import pretrain
from retinaforge.training.pretrain_config import PretrainConfig, PretrainResult
from retinaforge.training.pretrain_methods import Method, Reduce
from retinaforge.training.progress import OnProgress

MAPS_GO_TOO = 0.5
"""Share of those without words that lose their masks too: both kinds of guidance are learnt."""


@dataclass(frozen=True)
class GeneratorBatch:
    """Latents, scaled to unit spread, with what they are asked for by.

    Attributes:
        latents: shape (batch, channels, rows, columns).
        condition: of each; its captions stand whole, the loop drops some.
    """

    latents: Float[Tensor, "batch channels rows columns"]
    condition: Condition


GeneratorDraw = Callable[[int], GeneratorBatch]
"""Gives batch number step * processes + rank; a pure function of that number."""


@dataclass(frozen=True)
class GeneratorConfig(PretrainConfig):
    """State how long and how a generator is taught; other defaults than `PretrainConfig`'s."""

    learning_rate: float = 5e-4
    warmup_steps: int = 100
    last_learning_rate: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01


class FlowMatching(Method):
    """The network that is taught, and the average of its weights, which is kept.

    Args:
        network: a VelocityNetwork with `as_dict`.
        null: one row, the empty string's hidden states.
        flow: times and dropped captions.
        decay: of the averaged weights.
    """

    def __init__(
        self, network: nn.Module, null: Condition, flow: FlowConfig, *, decay: float = 0.999
    ) -> None:
        super().__init__()
        self.network, self.null, self.flow, self.decay = network, null, flow, decay
        self.averaged = nn.ParameterDict()
        self.restart_average()

    @property
    def _no_split_modules(self) -> list[str]:
        """Return which classes Accelerate's FSDP makes units of: the blocks, and the average.

        The averaged weights have no part in a pass: as a unit of their own they are never gathered.
        """
        lists = [m for m in self.network.modules() if isinstance(m, nn.ModuleList)]
        blocks = sorted({type(block).__name__ for found in lists for block in found})
        return [*blocks, "ParameterDict"]

    def restart_average(self) -> None:
        """Let the averaged weights begin at the network's own."""
        for name, p in self.network.named_parameters():
            if p.requires_grad:
                copied = nn.Parameter(p.detach().clone(), requires_grad=False)
                self.averaged[name.replace(".", "/")] = copied

    def forward(
        self,
        latents: Tensor,
        noise: Tensor,
        time: Tensor,
        dropped: Tensor,
        text: Tensor,
        mask: Tensor,
        classes: Tensor | None = None,
        maps: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the loss."""
        condition = Condition(text, mask, classes, maps)
        null = self.null.to(text.device, text.dtype)
        condition = condition.without_words(null, dropped)
        velocity = self.network(on_path(noise, latents, time), time, condition)
        errors = flow_errors(velocity, noise, latents)
        return {"loss": errors.mean()}

    def encoder_weights(self) -> dict[str, Tensor]:
        """Return the averaged weights under the network's keys, buffers included."""
        kept = {name.replace("/", "."): p.detach() for name, p in self.averaged.items()}
        return {**self.network.state_dict(), **kept}

    def averaged_network(self) -> nn.Module:
        """Put the averaged weights into the network and return it, ready to sample."""
        self.network.load_state_dict(self.encoder_weights())
        return self.network.eval()

    def after_step(self, step: int, steps: int, reduce: Reduce) -> None:
        """Move the average."""
        average = {name.replace("/", "."): p.data for name, p in self.averaged.items()}
        update_average(average, self.network, decay=self.decay, step=step)

    def as_dict(self) -> dict[str, Any]:
        """Return what a resumption must find unchanged, as plain data."""
        return {
            "method": "flow matching", "network": self.network.as_dict(),
            "flow": self.flow.as_dict(), "ema_decay": self.decay,
        }  # fmt: skip


def train_generator(
    method: FlowMatching,
    draw: GeneratorDraw,
    config: GeneratorConfig,
    folder: Path,
    *,
    about: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> PretrainResult:
    """Teach a generator, resume its training, or find it done.

    Args:
        method: changed in place; `averaged_network()` is what one samples from.
        draw: gives the batches.
        config: how long and how.
        folder: of this training alone: log.jsonl, events.jsonl, checkpoint.pt, result.json.
        about: plain data that a resumption must find unchanged: hashes of the caches, and of the
            weights that it began from.
        on_progress: called with every line of the log, in the main process.

    Raises:
        Refusal, TrainingStopped, DiskFull: as `pretrain`.
    """
    inputs = flow_inputs(draw, method.flow, config.seed)
    return pretrain(method, inputs, config, folder, about=about, on_progress=on_progress)


def flow_inputs(
    draw: GeneratorDraw, flow: FlowConfig, seed: int
) -> Callable[[int], dict[str, Tensor]]:
    """Return what the method is given at a step: the batch, noise, times, dropped captions.

    All chance comes from the batch's number, so that a resumed training, and one on other
    processes, sees the same.
    """

    def inputs(index: int) -> dict[str, Tensor]:
        batch = draw(index)
        latents, condition = batch.latents.float(), batch.condition
        _require_match(latents, condition)
        rng = torch.Generator().manual_seed(seed_for(seed, "flow", index))
        given = {
            "latents": latents,
            "noise": torch.randn(latents.shape, generator=rng),
            "time": draw_times(flow, len(latents), rng),
            "dropped": torch.rand(len(latents), generator=rng) < flow.drop,
            "text": condition.text,
            "mask": condition.text_mask,
        }
        if condition.classes is not None:
            given["classes"] = condition.classes
        if condition.maps is not None:
            gone = given["dropped"] & (torch.rand(len(latents), generator=rng) < MAPS_GO_TOO)
            given["maps"] = drop_maps(condition.maps, gone)
        return given

    return inputs


def _require_match(latents: Tensor, condition: Condition) -> None:
    if len(condition) != len(latents):
        raise Refusal(
            "one condition for each latent",
            f"{len(condition)} conditions for {len(latents)} latents",
            "let draw(index) return both of one length",
        )

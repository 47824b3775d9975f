"""Batches of requests to images, under one plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.generators.condition import Condition
from retinaforge.generators.guidance import Guidance
from retinaforge.generators.resolution import canvas_of, on_canvas
from retinaforge.generators.samplers import runaways, sample
from retinaforge.generators.solvers import require_method, time_grid
from retinaforge.tasks.latents import decode_latents
from retinaforge.tasks.sample_between import noise_of, toward_of
from retinaforge.tasks.sample_conditions import condition_of, conditions_of
from retinaforge.tasks.sample_painter import Painter
from retinaforge.tasks.sample_requests import Request

OnStep = Callable[[int, int], None]
RAN_AWAY = "the flow ran away: its latent or its image is not finite"


@dataclass(frozen=True)
class SamplePlan:
    """How images are drawn; all of it but `batch` decides what they look like.

    Attributes:
        size: "128" or "192x128" (width x height), px; see `generators.resolution`.
        steps, method, time_shift: of the solver; see `generators.solvers`.
        guidance, interval: see `generators.guidance`.
        negative: what is guided away from; "" is the null condition.
        guide_masks: guide away from having no mask too, so that masks pull as words do.
        precision: "fp32" or "bf16" (autocast).
        batch: images at once; changes an image by float error only.
    """

    size: str = "128"
    steps: int = 50
    method: str = "euler"
    time_shift: float = 1.0
    guidance: float = 4.0
    interval: tuple[float, float] = (0.0, 1.0)
    negative: str = ""
    guide_masks: bool = False
    precision: Literal["fp32", "bf16"] = "fp32"
    batch: int = 8

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, without the batch."""
        plain = {**asdict(self), "interval": list(self.interval)}
        plain.pop("batch")
        if not self.guide_masks:  # folders of before the field go on
            plain.pop("guide_masks")
        return plain


@dataclass(frozen=True)
class Drawn:
    """One request's image.

    Attributes:
        request: what was asked for.
        pixels: RGB, 0-255, shape (height, width, 3); None if there is none.
        reason: why there is none.
    """

    request: Request
    pixels: np.ndarray | None
    reason: str = ""


Paint = Callable[[Sequence[Request], OnStep | None], list[Drawn]]


def require_plan(painter: Painter, plan: SamplePlan, requests: Sequence[Request]) -> None:
    """Refuse a plan, or classes, that do not fit the generator, before anything is drawn.

    Raises:
        Refusal: for size, steps, shift, method, guidance, interval or a class.
    """
    painter.vocabulary.require({name: v for one in requests[:1] for name, v in one.classes.items()})
    canvas_of(plan.size, unit=painter.unit)
    time_grid(plan.steps, shift=plan.time_shift)
    Guidance(plan.guidance, plan.interval)
    require_method(plan.method)


def painting(painter: Painter, plan: SamplePlan) -> Paint:
    """Return what draws a batch of requests under a plan.

    A request whose caption cannot be encoded, whose mask cannot be read or whose flow runs away
    comes back with the reason; the others of its batch are drawn.

    Raises:
        Refusal: if the plan's size, method or guidance does not fit the generator.
    """
    canvas = canvas_of(plan.size, unit=painter.unit)
    cells = canvas.side // painter.autoencoder.config.factor
    null = None if plan.guidance == 1 else _null(painter, plan, cells)
    solve = partial(
        sample,
        painter.network,
        shape=(cells, cells),
        times=time_grid(plan.steps, shift=plan.time_shift),
        guidance=Guidance(plan.guidance, plan.interval),
        null=null,
        method=require_method(plan.method),
    )
    autocast = partial(
        torch.autocast, painter.device.type, torch.bfloat16, enabled=plan.precision == "bf16"
    )

    def paint(requests: Sequence[Request], on_step: OnStep | None = None) -> list[Drawn]:
        ready, condition, lost = conditions_of(painter, requests, canvas)
        pixels: list[np.ndarray | None] = []
        if ready:
            seeds = [request.seed for request in ready]
            shape = (painter.network.shape.latent_channels, cells, cells)
            between = {
                "start": noise_of(ready, shape), "toward": toward_of(painter, ready, condition)
            }  # fmt: skip
            with autocast():
                found = solve(condition, seeds=seeds, on_step=on_step, **between)
                squares = _decoded(painter, found)
            pixels = _pixels(on_canvas(squares, canvas))
        drawn = {
            one.number: Drawn(one, found, "" if found is not None else RAN_AWAY)
            for one, found in zip(ready, pixels, strict=True)
        }
        nobody = {one.number: Drawn(one, None, lost.get(one.number, "")) for one in requests}
        return [(nobody | drawn)[one.number] for one in requests]

    return paint


def _null(painter: Painter, plan: SamplePlan, cells: int) -> Condition:
    """Return what is guided away from, one row."""
    null = condition_of(painter, [plan.negative])
    if not plan.guide_masks:
        return null
    if painter.maps is None:
        raise Refusal("a generator of masks", "one without", "leave --guide-masks out")
    return replace(null, maps=painter.maps.absent(1, cells, cells).to(painter.device))


def _decoded(painter: Painter, latents: Tensor) -> Tensor:
    """Return squares in [-1, 1]; NaN for latents that are not finite."""
    bad = runaways(latents)
    kept = torch.where(torch.isfinite(latents), latents, 0.0)
    squares = decode_latents(painter.autoencoder, kept, scale=painter.scale, shift=painter.shift)
    squares[bad] = torch.nan
    return squares


def _pixels(images: Tensor) -> list[np.ndarray | None]:
    good = torch.isfinite(images).flatten(1).all(1).tolist()
    bytes_ = ((torch.nan_to_num(images) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    arrays = bytes_.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return [array if fine else None for array, fine in zip(arrays, good, strict=True)]

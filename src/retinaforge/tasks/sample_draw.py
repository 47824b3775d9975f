"""Batches of requests to images, under one plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from retinaforge.generators.condition import Condition
from retinaforge.generators.guidance import Guidance
from retinaforge.generators.resolution import Canvas, canvas_of, on_canvas
from retinaforge.generators.samplers import runaways, sample
from retinaforge.tasks.latents import decode_latents
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
    precision: Literal["fp32", "bf16"] = "fp32"
    batch: int = 8

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, without the batch."""
        plain = {**asdict(self), "interval": list(self.interval)}
        plain.pop("batch")
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


def painting(painter: Painter, plan: SamplePlan) -> Paint:
    """Return what draws a batch of requests under a plan.

    A request whose caption cannot be encoded, whose mask cannot be read or whose flow runs away
    comes back with the reason; the others of its batch are drawn.

    Raises:
        Refusal: if the plan's size, method or guidance does not fit the generator.
    """
    canvas = canvas_of(plan.size, unit=painter.unit)
    guidance = Guidance(plan.guidance, plan.interval)
    null = None if plan.guidance == 1 else condition_of(painter, [plan.negative])
    device = painter.device

    def paint(requests: Sequence[Request], on_step: OnStep | None = None) -> list[Drawn]:
        ready, condition, lost = conditions_of(painter, requests, canvas)
        pixels: list[np.ndarray | None] = []
        if ready:
            with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bf16"):
                images = _images(painter, plan, ready, condition, null, guidance, canvas, on_step)
            pixels = _pixels(images)
        drawn = {
            one.number: Drawn(one, found, "" if found is not None else RAN_AWAY)
            for one, found in zip(ready, pixels, strict=True)
        }
        nobody = {one.number: Drawn(one, None, lost.get(one.number, "")) for one in requests}
        return [(nobody | drawn)[one.number] for one in requests]

    return paint


def _images(
    painter: Painter,
    plan: SamplePlan,
    requests: Sequence[Request],
    condition: Condition,
    null: Condition | None,
    guidance: Guidance,
    canvas: Canvas,
    on_step: OnStep | None,
) -> Tensor:
    cells = canvas.side // painter.autoencoder.config.factor
    latents = sample(
        painter.network,
        condition,
        shape=(cells, cells),
        seeds=[request.seed for request in requests],
        steps=plan.steps,
        guidance=guidance,
        null=null,
        method=plan.method,
        shift=plan.time_shift,
        on_step=on_step,
    )
    bad = runaways(latents)
    kept = torch.where(torch.isfinite(latents), latents, 0.0)
    squares = decode_latents(painter.autoencoder, kept, scale=painter.scale, shift=painter.shift)
    squares[bad] = torch.nan
    return on_canvas(squares, canvas)


def _pixels(images: Tensor) -> list[np.ndarray | None]:
    good = torch.isfinite(images).flatten(1).all(1).tolist()
    bytes_ = ((torch.nan_to_num(images) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    arrays = bytes_.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return [array if fine else None for array, fine in zip(arrays, good, strict=True)]

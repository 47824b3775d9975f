"""What a taught generator knows of photographs that it was not taught with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from retinaforge.core import rng_for, seed_for
from retinaforge.generators.condition import Condition
from retinaforge.generators.flow import flow_errors, on_path
from retinaforge.tasks.generator_draw import GeneratorData
from retinaforge.tasks.masks import MaskSet

BATCH = 16


def held_out_losses(
    network: nn.Module, learnt: GeneratorData, held_out: GeneratorData | None, *, seed: int
) -> dict[str, Any]:
    """Return the flow's loss on rows that were and were not learnt from, under fixed noise.

    Every row is asked at one time of an even grid over 0 to 1, without dropped captions, so that
    trainings of one size can be compared row by row. Beside it stands the loss of the held-out
    rows under captions of others and without any: what the words are worth to the network. With
    masks, the same for masks of others and for none.

    Args:
        network: averaged weights, on its device.
        learnt, held_out: as many rows are taken of the first as the second has.
        seed: of noise, rows and the captions' exchange.

    Returns:
        "learnt", "held_out", "other_captions", "no_captions" and "rows", with masks also
        "other_masks" and "no_masks"; a loss that could not be measured is None, and "reason" says
        why.
    """
    if held_out is None or len(held_out) < 2:
        reason = "fewer than two rows of the split val"
        names = ("learnt", "held_out", "other_captions", "no_captions")
        return {**dict.fromkeys(names), "rows": 0, "reason": reason}
    count = min(len(held_out), len(learnt))
    rng = rng_for(seed, "measured")
    rows = sorted(rng.choice(len(learnt), count, replace=False).tolist())
    others = [(row + 1) % count for row in range(count)]
    asked = list(range(count))
    return {
        "learnt": _loss(network, learnt, rows, rows, seed),
        "held_out": _loss(network, held_out, asked, asked, seed),
        "other_captions": _loss(network, held_out, asked, others, seed),
        "no_captions": _loss(network, held_out, asked, None, seed),
        **_masks_losses(network, held_out, asked, others, seed),
        "rows": count,
        "reason": "",
    }


def _masks_losses(
    network: nn.Module, data: GeneratorData, asked: list[int], others: list[int], seed: int
) -> dict[str, float]:
    if data.maps is None:
        return {}
    return {
        "other_masks": _loss(network, data, asked, asked, seed, others),
        "no_masks": _loss(network, data, asked, asked, seed, None),
    }


@torch.no_grad()
def _loss(
    network: nn.Module,
    data: GeneratorData,
    rows: Sequence[int],
    captions_of: Sequence[int] | None,
    seed: int,
    masks_of: Sequence[int] | Literal["own"] | None = "own",
) -> float:
    """Return the mean error of rows under the first caption of other rows, or under none.

    The masks are the rows' own, other rows', or none.
    """
    masked = rows if masks_of == "own" else masks_of
    device = next(network.parameters()).device
    errors: list[Tensor] = []
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        latents = torch.stack([torch.from_numpy(data.latents[row]) for row in some])
        rng = torch.Generator().manual_seed(seed_for(seed, "measured noise", start))
        noise = torch.randn(latents.shape, generator=rng)
        time = (torch.arange(start, start + len(some)) + 0.5) / len(rows)
        asked = None if captions_of is None else captions_of[start : start + BATCH]
        masks = None if masked is None else masked[start : start + BATCH]
        condition = _condition(data, some, asked, masks).to(device)
        latents, noise, time = latents.to(device), noise.to(device), time.to(device)
        velocity = network(on_path(noise, latents, time), time, condition)
        errors.append(flow_errors(velocity.float(), noise, latents).cpu())
    mean = float(torch.cat(errors).mean())
    return mean if math.isfinite(mean) else math.nan


def _condition(
    data: GeneratorData,
    rows: Sequence[int],
    captions_of: Sequence[int] | None,
    masks_of: Sequence[int] | None,
) -> Condition:
    asked = rows if captions_of is None else captions_of
    text, mask = data.texts.batch([data.captions[row][0] for row in asked])
    classes = None if data.classes is None else torch.from_numpy(data.classes[list(asked)])
    maps = None if data.maps is None else _maps(data.maps, rows, masks_of)
    condition = Condition(text, mask, classes, maps)
    if captions_of is not None:
        return condition
    return condition.without_words(data.null(), torch.ones(len(rows), dtype=torch.bool))


def _maps(maps: MaskSet, rows: Sequence[int], masks_of: Sequence[int] | None) -> Tensor:
    if masks_of is not None:
        return maps(masks_of)
    return torch.zeros_like(maps(rows))

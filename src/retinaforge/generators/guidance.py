"""Classifier-free guidance of a flow, on all channels.

v = v_null + g (v_text - v_null), with v_null the velocity under the empty string or under a
negative prompt (Ho and Salimans, "Classifier-free diffusion guidance", arXiv 2207.12598, eq. 6,
for velocities: Lumina-Next, arXiv 2406.18583). Lumina's release guides three of its four latent
channels; we guide all, as the paper's equation does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.generators.condition import NONE, Condition, join_lengths
from retinaforge.generators.network import VelocityNetwork

Velocity = Callable[[Tensor, float], Tensor]
"""The velocity of a batch at one time, float32."""


@dataclass(frozen=True)
class Guidance:
    """How far, when and in how many passes words pull.

    Attributes:
        scale: g; 1 asks for the words alone, without a second pass, 0 for none.
        interval: times (0 noise, 1 data) within which guidance acts; beyond it g is 1, as too
            much of it early costs diversity and late costs nothing but time (Kynkäänniemi et al.
            2024, arXiv 2404.07724, which states the interval as noise levels).
        doubled: one pass over a batch of twice the size, or two passes of half the memory.
    """

    scale: float = 4.0
    interval: tuple[float, float] = (0.0, 1.0)
    doubled: bool = True

    def __post_init__(self) -> None:
        first, last = self.interval
        if not (0 <= first <= last <= 1 and 0 <= self.scale < float("inf")):
            raise Refusal(
                "a guidance of 0 or more in an interval of times within 0 to 1",
                f"{self.scale} in {first} to {last}",
                "as in --guidance 4 --interval 0.1-0.8",
            )

    def at(self, time: float) -> float:
        """Return g at a time."""
        first, last = self.interval
        return self.scale if first <= time <= last else 1.0


def guided_velocity(
    network: VelocityNetwork,
    condition: Condition,
    null: Condition | None = None,
    guidance: Guidance = Guidance(),
) -> Velocity:
    """Return the guided velocity of a batch as a function of the state and one time.

    Args:
        network: gives velocities.
        condition: what is asked for, one row an image.
        null: what is guided away from: the empty string's encoding or a negative prompt's, one
            row for all images or one for each. Classes are taken away unless it has its own;
            maps stay unless it has its own (absent ones, so that masks pull too). None only if
            the guidance never acts.
        guidance: how far and when.

    Raises:
        Refusal: if guidance acts without a null condition, or the null has another number of rows.
    """
    condition = trimmed(condition)
    worded = asking(network, condition)
    if guidance.scale == 1:
        return worded
    other = against(condition, null)
    if guidance.doubled:
        both = asking(network, stacked(condition, other))
        return _in_one_pass(worded, both, guidance)
    return _in_two_passes(worded, asking(network, other), guidance)


def asking(network: VelocityNetwork, condition: Condition) -> Velocity:
    """Return a network under one condition, with states and answers in float32."""
    dtype = condition.text.dtype

    def velocity(x: Tensor, time: float) -> Tensor:
        times = torch.full((len(x),), time, device=x.device)
        return network(x.to(dtype), times, condition).float()

    return velocity


def against(condition: Condition, null: Condition | None) -> Condition:
    """Return a batch's null condition: one row for each image, with its maps or the null's own."""
    if null is None or len(null) not in (1, len(condition)):
        raise Refusal(
            f"a null condition of 1 or {len(condition)} rows to guide away from",
            "none" if null is None else f"{len(null)}",
            'encode the empty string "" (or a negative prompt), or set guidance to 1',
        )
    null = trimmed(null)
    if len(null) != len(condition):
        null = null.take(torch.zeros(len(condition), dtype=torch.long, device=null.text.device))
    classes = null.classes
    if classes is None and condition.classes is not None:
        classes = torch.full_like(condition.classes, NONE)
    maps = condition.maps if null.maps is None else null.maps
    return replace(null, classes=classes, maps=maps)


def stacked(condition: Condition, null: Condition) -> Condition:
    """Return both conditions below one another, padded to the longer text."""
    text, mask = join_lengths(condition, null)
    classes, maps = condition.classes, condition.maps
    return Condition(
        text,
        mask,
        None if classes is None else torch.cat([classes, null.classes]),
        None if maps is None else torch.cat([maps, null.maps]),
    )


def trimmed(condition: Condition) -> Condition:
    """Return the condition without the columns that are padding in every row."""
    used = condition.text_mask.any(0).nonzero()
    length = int(used[-1]) + 1 if len(used) else 1
    return replace(
        condition, text=condition.text[:, :length], text_mask=condition.text_mask[:, :length]
    )


def _in_one_pass(worded: Velocity, both: Velocity, guidance: Guidance) -> Velocity:
    def velocity(x: Tensor, time: float) -> Tensor:
        scale = guidance.at(time)
        if scale == 1:
            return worded(x, time)
        with_words, without = both(torch.cat([x, x]), time).chunk(2)
        return without + scale * (with_words - without)

    return velocity


def _in_two_passes(worded: Velocity, wordless: Velocity, guidance: Guidance) -> Velocity:
    def velocity(x: Tensor, time: float) -> Tensor:
        scale = guidance.at(time)
        if scale == 1:
            return worded(x, time)
        without = wordless(x, time)
        return without + scale * (worded(x, time) - without)

    return velocity

"""What a loss is: a card and a comparison of two batches inside the field of view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Card, Refusal
from retinaforge.encoders import Encoder

Images = Float[Tensor, "batch 3 height width"]
Region = Float[Tensor, "batch 1 height width"]
Compare = Callable[[Images, Images, Region], Tensor]
Kind = Literal["pixel", "structure", "edge", "feature"]
Option = float | str | tuple[float | str, ...]


@dataclass(frozen=True)
class Loss:
    """A comparison with its card.

    Attributes:
        card: what it measures.
        compare: the arithmetic; gets float32 images.
        keeps_autocast: True lets a frozen network run in the caller's lower precision; all else
            computes in float32 whatever autocast says, since differences of neighbours cancel.
    """

    card: Card
    compare: Compare
    keeps_autocast: bool = False

    def __call__(self, reconstruction: Tensor, target: Tensor, fov: Tensor) -> Float[Tensor, ""]:
        """Return the loss of a batch: the mean over its images of each image's loss.

        Args:
            reconstruction: RGB in [-1, 1].
            target: same shape.
            fov: 1 inside the field of view, 0 outside.

        Raises:
            Refusal: if the three shapes do not belong together.
        """
        batch, _, height, width = target.shape
        if reconstruction.shape != target.shape or fov.shape != (batch, 1, height, width):
            raise Refusal(
                "reconstruction and target of one shape (B, 3, H, W) and fov (B, 1, H, W)",
                f"{tuple(reconstruction.shape)}, {tuple(target.shape)}, {tuple(fov.shape)}",
                "hand over the batch that was reconstructed, with its own field of view",
            )
        device = target.device.type
        with nullcontext() if self.keeps_autocast else torch.autocast(device, enabled=False):
            return self.compare(reconstruction.float(), target.float(), fov.float())


@dataclass(frozen=True)
class LossArguments:
    """What an expression handed to a loss: the encoder in its brackets, and its options."""

    encoder: Encoder | None = None
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])

    def numbers(
        self, name: str, default: tuple[float, ...], *, zero: bool = False
    ) -> tuple[float, ...]:
        """Return an option that is one number or several, positive, or 0 too where that counts."""
        value = self.options.get(name, default)
        several = value if isinstance(value, tuple) else (value,)
        numbers = tuple(float(one) for one in several if not isinstance(one, str))
        allowed = all(one > 0 or (zero and one == 0) for one in numbers)
        if len(numbers) != len(several) or not allowed:
            raise Refusal(
                f"{name}= positive numbers, such as 1;2", repr(value), "write it like that"
            )
        return numbers

    def number(self, name: str, default: float) -> float:
        """Return an option that is one number."""
        values = self.numbers(name, (default,))
        if len(values) != 1:
            raise Refusal(f"{name}= one number", str(values), "give one")
        return values[0]

    def whole(self, name: str, *, zero: bool) -> tuple[int, ...] | None:
        """Return an option that is whole numbers from 0 or 1; None where it was not given."""
        if name not in self.options:
            return None
        values = self.numbers(name, (), zero=zero)
        if not all(one.is_integer() for one in values):
            raise Refusal(f"{name}= whole numbers", str(values), "leave the fractions out")
        return tuple(int(one) for one in values)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return an option that is one word of several; the first is the default."""
        value = self.options.get(name, allowed[0])
        if not isinstance(value, str) or value not in allowed:
            raise Refusal(f"{name}= one of {', '.join(allowed)}", repr(value), "choose one")
        return value


@dataclass(frozen=True)
class LossEntry:
    """One line of the catalogue.

    Attributes:
        card: the loss's card; `card.name` is its name in expressions.
        kind: pixel (its gradient norm is the yardstick), structure, edge or feature.
        build: makes the loss from what the expression handed over.
        options: names it takes, such as "sigma".
        needs_encoder: whether brackets must name an encoder.
    """

    card: Card
    kind: Kind
    build: Callable[[LossArguments], Loss]
    options: tuple[str, ...] = ()
    needs_encoder: bool = False

"""What a generator is asked for: words, classes and maps, each of which may be missing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NONE = -1
"""A class that nobody gave: the null token is used."""


@dataclass(frozen=True)
class Condition:
    """The conditions of a batch, all on one device.

    Attributes:
        text: hidden states of the text encoder, shape (batch, tokens, width); the empty string's
            stand where there is no caption.
        text_mask: True where a token is one of the text, not padding.
        classes: index of each categorical condition (eye, grade, sex, camera, age bin), shape
            (batch, kinds); NONE where it is not given. None for a network without classes.
        maps: images that stand in the latent's grid (vessel or lesion mask), shape
            (batch, maps, rows, columns), in [-1, 1]. None for a network without maps.
    """

    text: Float[Tensor, "batch tokens width"]
    text_mask: Bool[Tensor, "batch tokens"]
    classes: Int[Tensor, "batch kinds"] | None = None
    maps: Float[Tensor, "batch maps rows columns"] | None = None

    def __len__(self) -> int:
        return len(self.text)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Condition:
        """Return the conditions on a device; text and maps in `dtype`."""
        return Condition(
            self.text.to(device, dtype),
            self.text_mask.to(device),
            None if self.classes is None else self.classes.to(device),
            None if self.maps is None else self.maps.to(device, dtype),
        )

    def take(self, rows: slice | Tensor) -> Condition:
        """Return some rows of the batch."""
        return Condition(
            self.text[rows],
            self.text_mask[rows],
            None if self.classes is None else self.classes[rows],
            None if self.maps is None else self.maps[rows],
        )

    def without_words(self, null: Condition, rows: Bool[Tensor, " batch"]) -> Condition:
        """Return the conditions with words and classes of some rows taken away.

        Args:
            null: one row: the empty string's hidden states.
            rows: True where words and classes are dropped; maps stay.
        """
        text, mask = join_lengths(self, null)
        text = torch.where(rows[:, None, None], text[-1:], text[:-1])
        mask = torch.where(rows[:, None], mask[-1:], mask[:-1])
        classes = self.classes
        if classes is not None:
            classes = torch.where(rows[:, None], torch.full_like(classes, NONE), classes)
        return replace(self, text=text, text_mask=mask, classes=classes)


def join_lengths(*parts: Condition) -> tuple[Tensor, Tensor]:
    """Return texts and masks of several batches below one another, padded to the longest."""
    longest = max(part.text.shape[1] for part in parts)
    texts = [_padded(part.text, longest) for part in parts]
    masks = [_padded(part.text_mask, longest) for part in parts]
    return torch.cat(texts), torch.cat(masks)


def _padded(values: Tensor, length: int) -> Tensor:
    missing = length - values.shape[1]
    if not missing:
        return values
    shape = (values.shape[0], missing, *values.shape[2:])
    return torch.cat([values, values.new_zeros(shape)], 1)

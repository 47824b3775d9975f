"""Batches of a generator's training, each a pure function of its number.

The rows of an epoch stand in an order of their own; batch number k holds the places
k B ... k B + B - 1 of the endless row of epochs, so no photograph is seen twice before all were
seen once. Which of its captions a photograph is shown with depends on that place alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from retinaforge.core import Refusal, rng_for
from retinaforge.generators.condition import Condition
from retinaforge.tasks.latents import LatentSet
from retinaforge.tasks.masks import MaskSet
from retinaforge.tasks.text_cache import TextSet
from retinaforge.training.generator import GeneratorBatch


@dataclass(frozen=True)
class GeneratorData:
    """What a generator learns from; rows of all parts agree.

    Attributes:
        latents: of n photographs.
        texts: hidden states of every caption.
        captions: for each photograph the places of its captions in `texts`, at least one.
        classes: indices of the categorical conditions, shape (n, kinds), NONE where unknown.
        maps: masks of the photographs, or None.
    """

    latents: LatentSet
    texts: TextSet
    captions: tuple[tuple[int, ...], ...]
    classes: np.ndarray | None = None
    maps: MaskSet | None = None

    def __post_init__(self) -> None:
        if not len(self.latents) == len(self.captions) > 0:
            raise Refusal(
                "captions for each of at least one photograph",
                f"{len(self.captions)} for {len(self.latents)}",
                "give both for the same pairs",
            )

    def __len__(self) -> int:
        return len(self.captions)

    def subset(self, rows: Sequence[int]) -> GeneratorData:
        """Return some of the photographs."""
        return GeneratorData(
            self.latents.subset(rows),
            self.texts,
            tuple(self.captions[row] for row in rows),
            None if self.classes is None else self.classes[np.asarray(rows, int)],
            None if self.maps is None else self.maps.subset(rows),
        )

    def null(self) -> Condition:
        """Return the empty string's condition, one row."""
        if self.texts.null is None:
            raise Refusal("texts with their empty string", "none", "make them with cache_texts")
        return Condition(*self.texts.null.batch([0]))


def draw_generator(
    data: GeneratorData,
    *,
    batch: int,
    seed: int,
    sampled: bool = False,
    map_drop: float = 0.0,
) -> Callable[[int], GeneratorBatch]:
    """Return the function that gives batch number k.

    Args:
        data: rows of the training split only.
        batch: photographs a step and process.
        seed: of order, captions and, with `sampled`, of the latents' noise.
        sampled: draw latents from a KL autoencoder's Gaussian (the cache must hold its spread).
        map_drop: share of masks that are kept back, each by itself, so that the network learns
            to do without any of them.
    """
    order = _orders(len(data), seed)

    def draw(index: int) -> GeneratorBatch:
        places = range(index * batch, (index + 1) * batch)
        rows = [order(place) for place in places]
        picked = [_caption(data.captions[r], seed, p) for r, p in zip(rows, places, strict=True)]
        if sampled:
            pairs = zip(rows, places, strict=True)
            latents = [data.latents.drawn(r, rng_for(seed, "latent", p)) for r, p in pairs]
        else:
            latents = [data.latents[row] for row in rows]
        classes = None if data.classes is None else torch.from_numpy(data.classes[rows])
        maps = None if data.maps is None else data.maps(rows, _gone(data.maps, places))
        condition = Condition(*data.texts.batch(picked), classes, maps)
        return GeneratorBatch(torch.from_numpy(np.stack(latents)), condition)

    def _gone(maps: MaskSet, places: range) -> np.ndarray:
        kinds = len(maps.plan.kinds)
        drawn = [rng_for(seed, "maps", place).random(kinds) < map_drop for place in places]
        return np.stack(drawn)

    return draw


def _orders(count: int, seed: int) -> Callable[[int], int]:
    """Return which row stands at a place of the endless row of epochs."""

    @lru_cache(maxsize=4)
    def permutation(epoch: int) -> np.ndarray:
        return rng_for(seed, "epoch", epoch).permutation(count)

    return lambda place: int(permutation(place // count)[place % count])


def _caption(choices: Sequence[int], seed: int, place: int) -> int:
    if len(choices) == 1:
        return choices[0]
    return choices[int(rng_for(seed, "caption", place).integers(len(choices)))]

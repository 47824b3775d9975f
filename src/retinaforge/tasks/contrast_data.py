"""Batches of eyes and texts for two towers: what is said, what is true, what is wrong on purpose.

Batch number k depends on the seed and k only. A batch says either whole captions, or single
sentences of several parts of the eye, all parts alike: lesions have most sentences, and are hardest
to see. Each single sentence has a twin that is wrong on purpose: a sentence of another eye on the
same fact that is not true of this one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt32
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from retinaforge.core import rng_for
from retinaforge.encoders.retina_text import encoded
from retinaforge.tasks.contrast_facts import Said, agreement, topics

TRIES = 12


@dataclass(frozen=True)
class ContrastPlan:
    """How batches are drawn.

    Attributes:
        batch: images a step and process.
        whole: share of batches that say whole captions.
        sentences: so many of each caption in the other batches, of different parts of the eye.
        wrong: whether these have wrong twins.
        shift, turn_deg, zoom: how far images are moved at most, as a share of the side, in degrees
            and as a share.
        jitter: how far brightness moves at most, as a share.
        seed: equal seeds give equal batches.
    """

    batch: int = 64
    whole: float = 0.12
    sentences: int = 3
    wrong: bool = True
    shift: float = 0.03
    turn_deg: float = 5.0
    zoom: float = 0.04
    jitter: float = 0.04
    seed: int = 0


@dataclass(frozen=True)
class Captioned:
    """What is trained on.

    Attributes:
        pixels: RGB, 0-255, shape (n, side, side, 3).
        known: what is known of each, as `contrast_facts.bits_of`, (n, facts).
        captions: of each image, its captions, each a sequence of sentences by number.
        sentences: all that are said, once each.
        said: what each leaves open.
    """

    pixels: np.ndarray
    known: np.ndarray
    captions: Sequence[Sequence[Sequence[int]]]
    sentences: Sequence[str]
    said: Sequence[Said]

    def __len__(self) -> int:
        return len(self.pixels)


class Exchange:
    """Finds sentences that are not true of an eye."""

    def __init__(self, data: Captioned) -> None:
        self.data = data
        by_column: dict[int, list[int]] = defaultdict(list)
        for number, said in enumerate(data.said):
            for column in said:
                by_column[column].append(number)
        self.saying = {column: np.array(numbers) for column, numbers in by_column.items()}

    def one(self, image: int, chosen: Sequence[int], rng: np.random.Generator) -> list[int] | None:
        """Return the sentences with one exchanged for a false one on a fact that it told.

        The part of the eye is drawn first, all that are told alike, so that none is neglected.
        None where nothing false was found.
        """
        told: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, number in enumerate(chosen):
            for column in self.data.said[number]:
                told[topics()[column]].append((place, column))
        parts = list(told)
        for _ in range(TRIES if told else 0):
            facts = told[parts[rng.integers(len(parts))]]
            place, column = facts[rng.integers(len(facts))]
            other = int(rng.choice(self.saying[column]))
            known = int(self.data.known[image, column])
            if known and not known & self.data.said[other][column]:
                return [*chosen[:place], other, *chosen[place + 1 :]]
        return None


def pair_drawer(
    data: Captioned, tokeniser: Any, plan: ContrastPlan
) -> Callable[[int], Mapping[str, Tensor]]:
    """Return the function that draws batch number k, as `training.contrast` takes it."""
    exchange = Exchange(data)

    def draw(number: int) -> Mapping[str, Tensor]:
        rng = rng_for(plan.seed, "contrast", number)
        picked = rng.choice(len(data), min(plan.batch, len(data)), replace=False)
        whole = bool(rng.random() < plan.whole)
        texts, owner = _spoken(data, picked, plan, rng, whole=whole)
        twin = list(range(len(texts)))
        for place in range(len(texts) if plan.wrong and not whole else 0):
            wrong = exchange.one(picked[owner[place]], texts[place], rng)
            if wrong is not None:
                texts.append(wrong)
                owner.append(owner[place])
                twin.append(place)
        ids, real = encoded(tokeniser, [" ".join(data.sentences[n] for n in t) for t in texts])
        true = agreement(data.known[picked], [[data.said[n] for n in text] for text in texts])
        right = [place for place, own in enumerate(twin) if own == place]
        true[[owner[place] for place in right], right] = True
        return {
            "images": moved(images_of(data.pixels[picked]), plan, rng),
            "ids": ids,
            "real": real,
            "agreement": torch.from_numpy(true.astype(np.float32)),
            "owner": torch.tensor(owner),
            "twin": torch.tensor(twin),
            "known": torch.from_numpy(data.known[picked].astype(np.int64)),
            "said": torch.from_numpy(_open_words(data, texts).astype(np.int64)),
        }

    return draw


def _open_words(data: Captioned, texts: Sequence[Sequence[int]]) -> UInt32[np.ndarray, "n facts"]:
    """Return what each text leaves open: of two sentences on a fact, what both do."""
    found = np.zeros((len(texts), data.known.shape[1]), np.uint32)
    for place, text in enumerate(texts):
        for number in text:
            for column, words in data.said[number].items():
                found[place, column] = (found[place, column] or words) & words
    return found


def _spoken(
    data: Captioned,
    picked: np.ndarray,
    plan: ContrastPlan,
    rng: np.random.Generator,
    *,
    whole: bool,
) -> tuple[list[list[int]], list[int]]:
    """Return texts by numbers of sentences, and of which of the images each is."""
    texts, owner = [], []
    for place, image in enumerate(picked):
        captions = data.captions[image]
        caption = list(captions[rng.integers(len(captions))])
        for text in [caption] if whole else _single(data, caption, plan.sentences, rng):
            texts.append(text)
            owner.append(place)
    return texts, owner


def _single(
    data: Captioned, caption: Sequence[int], most: int, rng: np.random.Generator
) -> list[list[int]]:
    """Return single sentences of different parts of the eye; the caption where none tells any."""
    parts: dict[str, list[int]] = defaultdict(list)
    for number in caption:
        if data.said[number]:
            parts[topics()[next(iter(data.said[number]))]].append(number)
    drawn = rng.permutation(sorted(parts))[:most] if parts else []
    found = [[parts[part][rng.integers(len(parts[part]))]] for part in drawn]
    return found or [list(caption)]


def moved(
    images: Float[Tensor, "batch 3 side side"], plan: ContrastPlan, rng: np.random.Generator
) -> Float[Tensor, "batch 3 side side"]:
    """Shift, turn, zoom and brighten a little; never mirrored, since captions name the side."""
    n = len(images)
    turn = np.deg2rad(rng.uniform(-plan.turn_deg, plan.turn_deg, n))
    zoom = 1 + rng.uniform(-plan.zoom, plan.zoom, n)
    shift = rng.uniform(-2 * plan.shift, 2 * plan.shift, (n, 2))
    rows = [[np.cos(turn) * zoom, -np.sin(turn) * zoom, shift[:, 0]],
            [np.sin(turn) * zoom, np.cos(turn) * zoom, shift[:, 1]]]  # fmt: skip
    theta = torch.from_numpy(np.moveaxis(np.array(rows), 2, 0).astype(np.float32))
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    bright = 1 + torch.from_numpy(rng.uniform(-plan.jitter, plan.jitter, n).astype(np.float32))
    # Black stays black: outside the picture there is no light.
    turned = grid_sample(images + 1, grid, align_corners=False)
    return (turned * bright[:, None, None, None] - 1).clamp(-1, 1)


def images_of(pixels: UInt8[np.ndarray, "batch side side 3"]) -> Float[Tensor, "batch 3 side side"]:
    """Return bytes as images in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1.0

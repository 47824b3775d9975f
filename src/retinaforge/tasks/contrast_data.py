"""Batches of eyes and texts for two towers: what is said, what is true, what is wrong on purpose.

Batch number k depends on the seed and k only. A batch says either whole captions or a few sentences
of each, so that one sentence alone can be scored later. With the few, as many texts again are wrong
on purpose: one sentence exchanged for one of another eye that is not true of this one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from retinaforge.core import rng_for
from retinaforge.encoders.retina_text import encoded
from retinaforge.tasks.contrast_facts import Said, agreement

TRIES = 12


@dataclass(frozen=True)
class ContrastPlan:
    """How batches are drawn.

    Attributes:
        batch: images a step and process.
        whole: share of batches that say whole captions.
        sentences: at most so many of a caption in the other batches.
        wrong: whether a few sentences have a wrong twin.
        shift, turn_deg, zoom: how far images are moved at most, as a share of the side, in degrees
            and as a share.
        jitter: how far brightness moves at most, as a share.
        seed: equal seeds give equal batches.
    """

    batch: int = 64
    whole: float = 0.15
    sentences: int = 2
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

        The fact is drawn first, all that are told alike, so that rare ones are exchanged as often.
        None where nothing false was found.
        """
        told = [(place, column) for place, n in enumerate(chosen) for column in self.data.said[n]]
        for _ in range(TRIES if told else 0):
            place, column = told[rng.integers(len(told))]
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
        texts = _spoken(data, picked, plan, rng, whole=whole)
        owner = list(range(len(picked)))
        for place, image in enumerate(picked if plan.wrong and not whole else ()):
            if (wrong := exchange.one(image, texts[place], rng)) is not None:
                texts.append(wrong)
                owner.append(place)
        ids, real = encoded(tokeniser, [" ".join(data.sentences[n] for n in t) for t in texts])
        true = agreement(data.known[picked], [[data.said[n] for n in text] for text in texts])
        true[np.arange(len(picked)), np.arange(len(picked))] = True
        return {
            "images": moved(images_of(data.pixels[picked]), plan, rng),
            "ids": ids,
            "real": real,
            "agreement": torch.from_numpy(true.astype(np.float32)),
            "owner": torch.tensor(owner),
        }

    return draw


def _spoken(
    data: Captioned,
    picked: np.ndarray,
    plan: ContrastPlan,
    rng: np.random.Generator,
    *,
    whole: bool,
) -> list[list[int]]:
    """Return what is said of each image, by numbers of sentences."""
    spoken = []
    for image in picked:
        captions = data.captions[image]
        caption = captions[rng.integers(len(captions))]
        if whole:
            spoken.append(list(caption))
            continue
        telling = [n for n in caption if data.said[n]] or list(caption)
        count = 1 + rng.integers(min(plan.sentences, len(telling)))
        spoken.append([telling[i] for i in rng.permutation(len(telling))[:count]])
    return spoken


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

"""Images between two captions, or between two seeds, or both: who is asked for, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.generators.condition import Condition
from retinaforge.generators.interpolation import spherical
from retinaforge.generators.samplers import noise
from retinaforge.tasks.sample_conditions import condition_of
from retinaforge.tasks.sample_painter import Painter
from retinaforge.tasks.sample_requests import LARGEST_SEED, Request, Toward, Wording, texts_of


def requests_between(
    captions: Sequence[str], *, seed: int, to_seed: int | None, images: int, rows: int = 1
) -> list[Request]:
    """Return the images to draw, row by row, each from one end to the other.

    Args:
        captions: one, or two to go from one to the other.
        seed: of the first row; row r has seed + r.
        to_seed: of the other end's noise, moving on with the rows; None holds the noise fixed.
        images: a row, both ends among them.
        rows: of them.

    Raises:
        Refusal: if the ends are the same, or a number does not fit.
    """
    if not 1 <= len(captions) <= 2 or (len(set(captions)) == 1 and to_seed in (None, seed)):
        raise Refusal(
            "two ends: two captions, or one and another seed",
            f"{len(captions)} captions, seed {seed}" + (f" to {to_seed}" if to_seed else ""),
            'as in --prompt "No drusen." --prompt "Many drusen.", or one with --to-seed 7',
        )
    last = max(seed, seed if to_seed is None else to_seed) + rows
    if images < 2 or rows < 1 or min(seed, to_seed or 0) < 0 or last > LARGEST_SEED:
        raise Refusal(
            "at least 2 images a row, a row and seeds of 0 or more",
            f"{images} images, {rows} rows, seeds {seed} and {to_seed}",
            "change --images, --rows or the seeds",
        )
    found = []
    for row in range(rows):
        other = (seed if to_seed is None else to_seed) + row
        for at in range(images):
            toward = Toward(captions[-1], other, at / (images - 1))
            number = row * images + at
            found.append(Request(number, seed + row, Wording(captions[0]), toward=toward))
    return found


def toward_of(
    painter: Painter, ready: Sequence[Request], condition: Condition
) -> tuple[Condition, Float[Tensor, " batch"]] | None:
    """Return the other ends' conditions and each image's share of them; None without any.

    Args:
        painter: encodes.
        ready: who is drawn.
        condition: theirs; classes and maps are kept.
    """
    if all(len(set(one.texts)) == 1 for one in ready):
        return None
    texts = texts_of(ready)
    rows = torch.tensor([texts.index(one.texts[-1]) for one in ready], dtype=torch.long)
    said = condition_of(painter, texts).take(rows.to(painter.device))
    other = replace(condition, text=said.text, text_mask=said.text_mask)
    return other, _shares(ready).to(painter.device)


def noise_of(
    ready: Sequence[Request], shape: tuple[int, int, int]
) -> Float[Tensor, "batch channels rows columns"] | None:
    """Return noise on the great circle to the other ends'; None where each keeps its own."""
    ends = [one.seed if one.toward is None else one.toward.seed for one in ready]
    own = [one.seed for one in ready]
    if own == ends:
        return None
    return spherical(noise(own, shape), noise(ends, shape), _shares(ready))


def label(request: Request) -> str:
    """Return what stands below an image between two: how far it is, and an end's words and seed."""
    if request.toward is None:
        return request.caption
    share, (one, other) = request.toward.share, (request.texts[0], request.texts[-1])
    said = f"{share:.0%}"
    if one != other:
        said += f" · {request.caption}" if request.caption else ""
    elif share == 0:
        said += f" · {one}"
    if request.seed == request.toward.seed or share == 0:
        return f"{said} · seed {request.seed}"
    return f"{said} · seed {request.toward.seed}" if share == 1 else said


def _shares(ready: Sequence[Request]) -> Float[Tensor, " batch"]:
    return torch.tensor([0.0 if one.toward is None else one.toward.share for one in ready])

"""Latents of photographs, computed once: what a flow learns from, without its autoencoder.

A latent is what the autoencoder's decoder sees, in eval mode: the mean of a KL autoencoder, the
quantised values of a VQ or FSQ one. The generator sees (latent - shift) x scale, which has mean 0
and standard deviation 1 (Rombach et al. 2022, arXiv 2112.10752, appendix G; diffusers calls the
two `shift_factor` and `scaling_factor`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from retinaforge.autoencoders import load_autoencoder
from retinaforge.core import Refusal
from retinaforge.tasks.generator_rows import RowStore, weights_hash
from retinaforge.tasks.latents_codec import (
    LatentEncoder,
    decode_latents,
    encode_latents,
    precision_on,
    stated_scale,
)
from retinaforge.tasks.latents_squares import (
    Frame,
    HasImage,
    Opened,
    SquareReader,
    in_square,
    takes_whole,
)

__all__ = [
    "Frame", "HasImage", "LatentSet", "decode_latents", "encode_latents", "encode_pairs",
    "in_square", "measure_scale", "stated_scale", "takes_whole",
]  # fmt: skip

LATENTS_VERSION = 1
MEASURED_ROWS = 2048
"""Rows that scale and shift are measured on, evenly spaced."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LatentSet:
    """Latents of a list of photographs.

    Attributes:
        values: every row of the cache, float16, flat, memory-mapped.
        starts: where each photograph's row begins in `values`, shape (n,).
        shape: (channels, rows, columns) of a latent.
        spread: rows hold the mean and, behind it, the standard deviation of a KL autoencoder.
        kept: place of each photograph in the list that was asked for, shape (n,).
        left_out: (file name, reason) of those that could not be read.
        facts: of the cache: autoencoder, weights, side, precision.
        scale, shift: the generator sees (latent - shift) * scale.
    """

    values: np.ndarray
    starts: np.ndarray
    shape: tuple[int, int, int]
    spread: bool
    kept: np.ndarray
    left_out: tuple[tuple[str, str], ...]
    facts: dict[str, Any]
    scale: float = 1.0
    shift: float = 0.0

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> Float[np.ndarray, "channels rows columns"]:
        """Return what the generator sees of one photograph, float32: the mean's, of a KL one."""
        return (self.raw(row) - self.shift) * self.scale

    def raw(self, row: int) -> Float[np.ndarray, "channels rows columns"]:
        """Return a latent as the decoder takes it, float32."""
        return self._row(row)[0]

    def drawn(
        self, row: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "channels rows columns"]:
        """Return a draw from the KL autoencoder's Gaussian, scaled; else as `[row]`."""
        mean, std = self._row(row)
        if std is not None:
            mean = mean + std * rng.standard_normal(self.shape, np.float32)
        return (mean - self.shift) * self.scale

    def scaled(self, scale: float, shift: float) -> LatentSet:
        """Return the same latents under another scale, e.g. that of the step before."""
        return replace(self, scale=scale, shift=shift)

    def subset(self, rows: Sequence[int] | np.ndarray) -> LatentSet:
        """Return some of the photographs; scale and shift stay."""
        rows = np.asarray(rows, int)
        return replace(self, starts=self.starts[rows], kept=self.kept[rows])

    def _row(self, row: int) -> tuple[np.ndarray, np.ndarray | None]:
        start, size = int(self.starts[row]), int(np.prod(self.shape))
        mean = self.values[start : start + size].reshape(self.shape).astype(np.float32)
        if not self.spread:
            return mean, None
        std = self.values[start + size : start + 2 * size].reshape(self.shape)
        return mean, std.astype(np.float32)


def encode_pairs(
    pairs: Sequence[HasImage],
    autoencoder: Path,
    cache: Path,
    *,
    size_px: int,
    spread: bool = False,
    frame: Frame = "auto",
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    batch: int = 16,
    workers: int | None = None,
    on_progress: Progress | None = None,
) -> LatentSet:
    """Return the latents of every photograph that can be read; computed once, resumable.

    Args:
        pairs: each with `path` and `synthetic`.
        autoencoder: a folder or file of `load_autoencoder`.
        cache: where caches lie; this one's folder is named by the weights, the side, the frame
            and the precision.
        size_px: side of the square that is encoded; the autoencoder's factor must divide it.
        spread: also keep a KL autoencoder's standard deviation, so that draws can be taken.
        frame: "field" cuts the square about the field of view, as everywhere in the package;
            "whole" pads the frame to a square; "auto" takes the whole frame of drawn squares,
            whose field of view fills it, and the field's of all others.
        precision: of the encoder; "auto" is bf16 on a GPU, float32 elsewhere.
        batch: photographs at once.
        workers: threads that decode ahead; None takes as many as the machine has, 8 at most.
        on_progress: called with (done, all).

    Raises:
        Refusal: if no photograph can be read, or the side is no multiple of the factor.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_autoencoder(autoencoder).model.to(device, memory_format=torch.channels_last)
    encoder = LatentEncoder(model.eval(), device, size_px, spread, precision_on(precision, device))
    facts = {
        "version": LATENTS_VERSION,
        "autoencoder": model.config.as_dict(),
        "weights": weights_hash(model.state_dict()),
        "size_px": size_px,
        "frame": frame,
        "spread": encoder.spread,
        "precision": encoder.precision,
        "dtype": "float16",
    }
    store = RowStore(cache, "latents", facts)
    reader = SquareReader(store, size_px, frame)
    with store.writing():
        reader.read_known()
        keys, left_out = _fill(pairs, store, reader, encoder, batch, workers, on_progress)
    if not keys:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out[:3]) or "no pair"
        raise Refusal("at least one readable photograph", reasons, "mend the pairs folder")
    return _open(store, keys, left_out, model)


def measure_scale(latents: LatentSet) -> tuple[float, float]:
    """Return (scale, shift) that give the latents standard deviation 1 and mean 0.

    Raises:
        Refusal: for latents without any variation.
    """
    rows = np.unique(np.linspace(0, len(latents) - 1, min(len(latents), MEASURED_ROWS)).astype(int))
    values = np.stack([latents.raw(int(row)) for row in rows]).astype(np.float64)
    spread = float(values.std())
    if not spread > 0:
        raise Refusal("latents that differ", "equal ones", "check autoencoder and photographs")
    return 1 / spread, float(values.mean())


def _fill(
    pairs: Sequence[HasImage],
    store: RowStore,
    reader: SquareReader,
    encoder: LatentEncoder,
    batch: int,
    workers: int | None,
    on_progress: Progress | None,
) -> tuple[dict[int, str], list[tuple[str, str]]]:
    """Bring the cache up to date; return keys by a pair's place, and who has none."""
    keys: dict[int, str] = {}
    bad: dict[str, str] = {}
    left_out: list[tuple[str, str]] = []
    waiting: dict[str, Opened] = {}
    for done, opened in enumerate(_ahead(pairs, reader, workers), start=1):
        if opened.reason:
            left_out.append((pairs[opened.place].path.name, opened.reason))
        else:
            keys[opened.place] = opened.key
        if opened.square is not None:
            waiting[opened.key] = opened
        if len(waiting) >= batch:
            bad |= _compute(waiting, store, encoder)
        if on_progress:
            on_progress(done, len(pairs))
    bad |= _compute(waiting, store, encoder)
    for place in [place for place, key in keys.items() if key in bad]:
        left_out.append((pairs[place].path.name, bad[keys.pop(place)]))
    return keys, left_out


def _compute(waiting: dict[str, Opened], store: RowStore, encoder: LatentEncoder) -> dict[str, str]:
    """Encode what waits; return the keys whose numbers are none, with why."""
    if not waiting:
        return {}
    opened = list(waiting.values())
    waiting.clear()
    found = encoder(np.stack([one.square for one in opened if one.square is not None]))
    fits = np.abs(found).reshape(len(found), -1).max(1) < np.finfo(np.float16).max
    rows = [
        (o.key, row, o.more or {}) for o, row, good in zip(opened, found, fits, strict=True) if good
    ]
    store.append(rows)
    reason = "the autoencoder gives numbers that are not finite or beyond float16"
    return {o.key: reason for o, fit in zip(opened, fits, strict=True) if not fit}


def _ahead(
    pairs: Sequence[HasImage], reader: SquareReader, workers: int | None
) -> Iterator[Opened]:
    """Yield the photographs in order, a few decoded ahead."""
    threads = workers or min(8, os.cpu_count() or 1)
    left = iter(enumerate(pairs))
    with ThreadPoolExecutor(threads) as pool:
        jobs: deque[Future[Opened]] = deque()
        jobs.extend(pool.submit(reader, *one) for one in islice(left, 4 * threads))
        while jobs:
            yield jobs.popleft().result()
            jobs.extend(pool.submit(reader, *one) for one in islice(left, 1))


def _open(
    store: RowStore, keys: dict[int, str], left_out: list[tuple[str, str]], model: nn.Module
) -> LatentSet:
    places = sorted(keys)
    lines = [store.index[keys[place]] for place in places]
    spread = bool(store.facts["spread"])
    channels, rows, columns = lines[0]["shape"]
    found = LatentSet(
        values=store.values(),
        starts=np.array([line["start"] for line in lines], np.int64),
        shape=(channels // 2 if spread else channels, rows, columns),
        spread=spread,
        kept=np.array(places, np.int64),
        left_out=tuple(left_out),
        facts={**store.facts, "folder": str(store.folder)},
    )
    stated = stated_scale(model)
    scale, shift = stated or measure_scale(found)
    facts = {**found.facts, "scale_from": "config" if stated else "measured"}
    return replace(found, scale=scale, shift=shift, facts=facts)

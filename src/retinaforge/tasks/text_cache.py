"""Hidden states of captions, computed once: what a flow is told, without its text encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.tasks.generator_rows import RowStore

TEXT_VERSION = 1
NULL = ""
"""The text that stands where there is no caption."""

Progress = Callable[[int, int], None]


class Encoded(Protocol):
    """What an encoder returns: see `generators.text_encoder.EncodedText`."""

    hidden: Tensor
    mask: Tensor
    token_counts: Sequence[int]
    truncated: Sequence[bool]


class EncodesText(Protocol):
    """A text encoder, frozen."""

    @property
    def fingerprint(self) -> str:
        """Return a hash of weights, hidden index, token cap and all else that matters."""
        ...

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Return the hidden states of texts."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what the encoder was loaded with, as plain data."""
        ...


@dataclass(frozen=True)
class TextSet:
    """Hidden states of a list of texts.

    Attributes:
        values: every row of the cache, float16, flat, memory-mapped.
        starts: where each text's states begin in `values`, shape (n,).
        lengths: tokens of each text after any cut, shape (n,).
        token_counts: tokens of each whole text, shape (n,).
        truncated: which texts were cut, shape (n,).
        width: of the hidden states.
        null: the set of the empty string alone; None in that set itself.
        clipped: values beyond float16 that were brought to its edge.
        facts: of the cache: encoder and settings.
    """

    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    token_counts: np.ndarray
    truncated: np.ndarray
    width: int
    null: TextSet | None
    clipped: int
    facts: dict[str, Any]

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> Float[np.ndarray, "tokens width"]:
        """Return the hidden states of one text, float16, without padding."""
        start, tokens = int(self.starts[row]), int(self.lengths[row])
        return self.values[start : start + tokens * self.width].reshape(tokens, self.width)

    def batch(
        self, rows: Sequence[int]
    ) -> tuple[Float[Tensor, "batch tokens width"], Bool[Tensor, "batch tokens"]]:
        """Return texts padded with 0 behind, float32, and where they have tokens."""
        longest = max(int(self.lengths[row]) for row in rows)
        hidden = np.zeros((len(rows), longest, self.width), np.float32)
        mask = np.zeros((len(rows), longest), bool)
        for place, row in enumerate(rows):
            states = self[row]
            hidden[place, : len(states)] = states
            mask[place, : len(states)] = True
        return torch.from_numpy(hidden), torch.from_numpy(mask)

    def truncation(self) -> dict[str, Any]:
        """Return how many texts were cut and how long they are, as plain data."""
        counts = self.token_counts
        return {
            "texts": len(self),
            "truncated": int(self.truncated.sum()),
            "tokens_cut": int((counts - self.lengths)[self.truncated].sum()),
            "tokens_median": float(np.median(counts)),
            "tokens_most": int(counts.max()),
            "clipped_values": self.clipped,
        }


def cache_texts(
    texts: Sequence[str],
    encoder: EncodesText,
    cache: Path,
    *,
    batch: int = 32,
    on_progress: Progress | None = None,
) -> TextSet:
    """Return the hidden states of texts and of the empty string; computed once, resumable.

    Args:
        texts: in any order, repeated or not.
        encoder: `generators.text_encoder.TextEncoder`.
        cache: where caches lie; this one's folder is named by the encoder's fingerprint.
        batch: texts at once, those of like length together.
        on_progress: called with (done, all), of different texts.

    Raises:
        Refusal: for no text, or hidden states that are not finite.
    """
    if not texts:
        raise Refusal("at least one caption", "none", "name a folder of pairs with captions")
    facts = {
        "version": TEXT_VERSION,
        "encoder": encoder.fingerprint,
        "settings": encoder.settings(),
        "dtype": "float16",
    }
    store = RowStore(cache, "text", facts)
    with store.writing():
        _fill(list(dict.fromkeys([NULL, *texts])), encoder, store, batch, on_progress)
    return replace(_open(store, texts), null=_open(store, [NULL]))


def _fill(
    texts: Sequence[str],
    encoder: EncodesText,
    store: RowStore,
    batch: int,
    on_progress: Progress | None,
) -> None:
    lacking = sorted((text for text in texts if _key(text) not in store), key=len)
    done = len(texts) - len(lacking)
    for start in range(0, len(lacking), batch):
        some = lacking[start : start + batch]
        store.append(_rows(some, encoder.encode(some)))
        if on_progress:
            on_progress(done + start + len(some), len(texts))


def _rows(texts: Sequence[str], said: Encoded) -> list[tuple[str, np.ndarray, dict[str, Any]]]:
    hidden, mask = said.hidden.float().cpu().numpy(), said.mask.cpu().numpy().astype(bool)
    rows = []
    for place, text in enumerate(texts):
        states = hidden[place][mask[place]]
        if not np.isfinite(states).all():
            raise Refusal(
                "hidden states that are finite",
                f"others, for {text[:60]!r}",
                "encode in float32 or bfloat16 (text.precision)",
            )
        edge = float(np.finfo(np.float16).max)
        more = {
            "tokens": int(said.token_counts[place]),
            "truncated": bool(said.truncated[place]),
            "clipped": int((np.abs(states) > edge).sum()),
        }
        rows.append((_key(text), states.clip(-edge, edge).astype(np.float16), more))
    return rows


def _open(store: RowStore, texts: Sequence[str]) -> TextSet:
    lines = [store.index[_key(text)] for text in texts]
    return TextSet(
        values=store.values(),
        starts=np.array([line["start"] for line in lines], np.int64),
        lengths=np.array([line["shape"][0] for line in lines], np.int64),
        token_counts=np.array([line["tokens"] for line in lines], np.int64),
        truncated=np.array([line["truncated"] for line in lines], bool),
        width=lines[0]["shape"][1],
        null=None,
        clipped=sum(line["clipped"] for line in lines),
        facts={**store.facts, "folder": str(store.folder)},
    )


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""Texts to token ids: padded on the right, cut at a limit, every cut counted.

A decoder's tokeniser (Gemma, Qwen) often pads on the left; the network then sees other positions.
Padding on the right gives each text its positions from 0, whatever stands in the batch beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from retinaforge.core import Refusal

BOUNDLESS = 10**6
"""A tokeniser that knows no limit says 10^30."""
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl")
"""Families whose first position is the one behind the padding token's id."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of some texts.

    Attributes:
        ids: shape (texts, tokens), padded on the right.
        mask: True where a token is one of the text.
        counts: tokens of each whole text, its frame ([CLS] and the like) included.
        truncated: whether a text was longer than the limit.
    """

    ids: Int[Tensor, "texts tokens"]
    mask: Bool[Tensor, "texts tokens"]
    counts: tuple[int, ...]
    truncated: tuple[bool, ...]


def tokenise(tokenizer: Any, texts: Sequence[str], limit: int) -> Tokens:
    """Return the tokens of texts; what is longer than `limit` is cut and flagged.

    Args:
        tokenizer: of transformers.
        texts: any, "" too: a tokeniser that gives it no token at all gets one stand-in.
        limit: most tokens of a text, its frame included.
    """
    whole = tokenizer(list(texts), add_special_tokens=True, verbose=False)["input_ids"]
    counts = tuple(len(ids) for ids in whole)
    rows = [list(ids) for ids in whole]
    long = [i for i, count in enumerate(counts) if count > limit]
    if long:
        cut = tokenizer([texts[i] for i in long], truncation=True, max_length=limit)["input_ids"]
        for i, ids in zip(long, cut, strict=True):
            rows[i] = list(ids)
    rows = [ids or [stand_in(tokenizer)] for ids in rows]
    return _padded(rows, padding_id(tokenizer), counts, limit)


def _padded(rows: list[list[int]], pad: int, counts: tuple[int, ...], limit: int) -> Tokens:
    ids = torch.full((len(rows), max(map(len, rows))), pad, dtype=torch.long)
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = True
    return Tokens(ids, mask, counts, tuple(count > limit for count in counts))


def padding_id(tokenizer: Any) -> int:
    """Return the id to fill with; it is masked, so the end token serves where there is none."""
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id)
    return next((found for found in known if found is not None), 0)


def stand_in(tokenizer: Any) -> int:
    """Return the token that stands for the empty string, so that its mean is never 0 / 0."""
    known = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return next((found for found in known if found is not None), 0)


def longest(tokenizer: Any, config: Any, wanted: int) -> int:
    """Return how many tokens the network can take, at most `wanted`.

    Raises:
        Refusal: if `wanted` is less than 4: a frame and nothing else.
    """
    if wanted < 4:
        raise Refusal("at least 4 tokens a text", str(wanted), "leave max_tokens at 256")
    limits = [wanted]
    if 0 < tokenizer.model_max_length < BOUNDLESS:
        limits.append(tokenizer.model_max_length)
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        behind = config.model_type in OFFSET_POSITIONS
        limits.append(positions - (config.pad_token_id + 1 if behind else 0))
    return min(limits)

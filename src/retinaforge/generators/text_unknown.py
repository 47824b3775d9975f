"""How much of a text a tokeniser has no tokens for: an unknown script, a language never learnt.

A tokeniser with an unknown token says so itself. One that falls back on bytes (our own, GPT-2's,
Gemma's) never does: what it has not learnt comes as pieces of characters. And one that was learnt
on captions alone, with a small vocabulary, spells out any word that they did not hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

RUN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]+|_+")
SMALL_VOCABULARY = 8192
"""Below it a vocabulary was learnt on captions alone, and a word spelt out was not among them."""
LETTERS_A_PIECE = 3
BROKEN = "\ufffd"
SHOWN = 4


@dataclass(frozen=True)
class Unknown:
    """What of a text a tokeniser has no tokens for.

    Attributes:
        tokens: of the text, without its frame.
        unknown: of these, those that stand for something unknown.
        words: which words they are of, in order of their first.
    """

    tokens: int
    unknown: int
    words: tuple[str, ...]

    @property
    def share(self) -> float:
        """Return the share of unknown tokens, from 0 to 1; 0 for a text without tokens."""
        return self.unknown / self.tokens if self.tokens else 0.0

    def said(self) -> str:
        """Return it in words: how many tokens of how many, and of which words."""
        named = ", ".join(word[:24] for word in self.words[:SHOWN])
        more = len(self.words) - SHOWN
        behind = f" and {more} more" if more > 0 else ""
        return (
            f"{self.unknown} of {self.tokens} tokens ({self.share:.0%}) stand for what the text "
            f"encoder never learnt: {named}{behind}"
        )


class UnknownCounter:
    """Counts unknown tokens; what it has seen of a tokeniser it remembers.

    Args:
        tokenizer: of transformers.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.small = len(tokenizer) < SMALL_VOCABULARY
        self.count_of = lru_cache(maxsize=100_000)(self._count)
        self.is_unknown = lru_cache(maxsize=None)(self._is_unknown)

    def __call__(self, text: str) -> Unknown:
        """Return what of a text is unknown."""
        tokens, unknown = 0, 0
        words: dict[str, None] = {}
        for run, alone in _runs(text):
            all_of, lost = self.count_of(run, alone)
            tokens, unknown = tokens + all_of, unknown + lost
            if lost:
                words[run] = None
        return Unknown(tokens, unknown, tuple(words))

    def _count(self, run: str, alone: bool) -> tuple[int, int]:
        """Return the tokens of a run of letters, digits or signs, and the unknown ones."""
        text = f" {run}" if alone else run
        found = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        ids = [token for token in found if self.tokenizer.decode([token]).strip()]
        lost = sum(self.is_unknown(token) for token in ids)
        if not lost and self.small and run.isalpha() and _is_spelt(len(run), len(ids)):
            lost = len(ids)
        return len(ids), lost

    def _is_unknown(self, token: int) -> bool:
        return token == self.tokenizer.unk_token_id or BROKEN in self.tokenizer.decode([token])


def unknown_of(tokenizer: Any, texts: Sequence[str]) -> list[Unknown]:
    """Return what of each text a tokeniser has no tokens for."""
    count = UnknownCounter(tokenizer)
    return [count(text) for text in texts]


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Yield runs of letters, of digits and of signs, and whether blank stands before them."""
    for found in RUN.finditer(text):
        start = found.start()
        yield found[0], start == 0 or text[start - 1].isspace()


def _is_spelt(letters: int, pieces: int) -> bool:
    """Return whether a word has too many pieces for one that the vocabulary was learnt on."""
    return pieces >= 3 and letters < LETTERS_A_PIECE * pieces

"""A caption's sentence with the facts behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class CaptionSentence(NamedTuple):
    """One sentence.

    Attributes:
        text: the words, with their full stop.
        facts: names of the facts that it states.
        weight: 0 frame, 1 ordinary findings, 2 abnormal or asked-for ones; the lighter go first
            where a caption is too long.
    """

    text: str
    facts: tuple[str, ...]
    weight: int = 0

    @property
    def words(self) -> int:
        """Number of words, parted by spaces."""
        return self.text.count(" ") + 1


def sentence(text: str) -> str:
    """Return the text with a capital and a full stop."""
    return text[0].upper() + text[1:] + "."


def joined(items: Sequence[str], word: str = "and") -> str:
    """Return "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def same_start(one: str, other: str) -> bool:
    """Say whether two sentences begin with the same two words."""
    return one.split(" ", 2)[:2] == other.split(" ", 2)[:2]

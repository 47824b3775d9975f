"""Captions as lines on a sheet: in a font that has their letters, never as empty boxes.

Pillow's own font knows little beyond ASCII. A font of the machine stands in where it has what is
missing; letters that no font has lose their accents, or are written as \\u53f3.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from PIL import ImageFont

FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "arial.ttf",
    "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "msyh.ttc",
)  # fmt: skip
"""Tried in this order, by name, where the system keeps fonts."""
NOWHERE = "\U0010ffff"
"""A place that Unicode gives to no letter, so that every font draws its empty box."""


def font_for(texts: Sequence[str], size_px: int) -> Any:
    """Return Pillow's font, or one of the machine's if that has more of the letters."""
    letters = {letter for text in texts for letter in plain(text)}
    best = ImageFont.load_default(size_px)
    for name in FONTS:
        if has_all(best, letters):
            break
        found = _open(name, size_px)
        if found is not None and _count(found, letters) > _count(best, letters):
            best = found
    return best


def lines_of(text: str, width_px: float, font: Any, most: int) -> list[str]:
    """Return a text in lines that are no wider, all drawable; the last of `most` ends in "…"."""
    lines = list(_wrapped(drawable(plain(text), font).split(), width_px, font))
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and font.getlength(f"{last} …") > width_px:
        last = last[:-1]
    return [*lines[: most - 1], f"{last} …"]


def drawable(text: str, font: Any) -> str:
    """Return a text without any letter that the font would draw as an empty box."""
    return "".join(letter if has(font, letter) else _other(letter, font) for letter in text)


def plain(text: str) -> str:
    """Return a text with superscripts and the like as plain letters: mm² as mm2."""
    return unicodedata.normalize("NFKC", text)


def has(font: Any, letter: str) -> bool:
    """Return whether a font draws a letter, and not its empty box."""
    return letter.isspace() or _glyph(font, letter) != _glyph(font, NOWHERE)


def has_all(font: Any, letters: set[str]) -> bool:
    """Return whether a font draws every one of some letters."""
    return all(has(font, letter) for letter in letters)


def _count(font: Any, letters: set[str]) -> int:
    return sum(has(font, letter) for letter in letters)


def _other(letter: str, font: Any) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
    if bare != letter and bare.isprintable() and all(has(font, c) for c in bare):
        return bare
    return letter.encode("unicode_escape").decode()


def _wrapped(words: Sequence[str], width_px: float, font: Any) -> Iterator[str]:
    line = ""
    for word in words:
        longer = f"{line} {word}".strip()
        if font.getlength(longer) <= width_px:
            line = longer
            continue
        if line:
            yield line
        line = word
        while font.getlength(line) > width_px and len(line) > 1:
            fits = next(n for n in range(len(line), 0, -1) if _fits(line[:n], width_px, font))
            yield line[:fits]
            line = line[fits:]
    if line:
        yield line


def _fits(text: str, width_px: float, font: Any) -> bool:
    return len(text) == 1 or font.getlength(text) <= width_px


@lru_cache(maxsize=10_000)
def _glyph(font: Any, letter: str) -> tuple[Any, bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


@lru_cache(maxsize=32)
def _open(name: str, size_px: int) -> Any:
    try:
        return ImageFont.truetype(name, size_px)
    except OSError:
        return None

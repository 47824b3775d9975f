"""From folders of captioned images to what two towers are trained and tested on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.tasks.contrast_data import Captioned
from retinaforge.tasks.contrast_facts import Said, bits_of, columns, said_of
from retinaforge.tasks.contrast_squares import OnCount, build_squares
from retinaforge.tasks.contrast_words import sentences_of
from retinaforge.tasks.pairs import Pair, read_pairs


@dataclass(frozen=True)
class Prepared:
    """Captioned images of one split.

    Attributes:
        data: pixels, sentences and what is known.
        pairs: in the order of `data`.
        refused: (name, reason) of images that could not be read.
        fingerprint: SHA-256 over the content of every image, in order.
    """

    data: Captioned
    pairs: tuple[Pair, ...]
    refused: tuple[tuple[str, str], ...]
    fingerprint: str


def pairs_of_split(folders: Sequence[Path], split: str) -> list[Pair]:
    """Return the pairs of one split; where a folder names none, all count as training.

    Raises:
        Refusal: if there is not a single one.
    """
    found = [pair for folder in folders for pair in read_pairs(folder)]
    kept = [pair for pair in found if (pair.split or "train") == split and pair.text.strip()]
    if kept:
        return kept
    splits = sorted({pair.split or "none" for pair in found})
    raise Refusal(
        f"captioned images of the split {split!r}",
        f"{len(found)} pairs of the splits {', '.join(splits) or 'none'}",
        "write the split of each pair into metadata.jsonl",
    )


def prepare(
    pairs: Sequence[Pair], cache: Path, side_px: int, on_progress: OnCount | None = None
) -> Prepared:
    """Read every image once into a square, and every sentence into what it says.

    Args:
        pairs: of one split.
        cache: where the squares lie; for the same files they are found there.
        side_px: side of the square.
        on_progress: called with (images done, images).

    Raises:
        Refusal: if not a single image can be read.
    """
    squares = build_squares(pairs, cache, side_px, on_progress)
    kept = tuple(pairs[place] for place in squares.places)
    data = captioned(squares.pixels, kept, cache / "said.json")
    return Prepared(data, kept, squares.refused, squares.fingerprint)


def captioned(pixels: np.ndarray, pairs: Sequence[Pair], kept: Path | None = None) -> Captioned:
    """Return squares with what is said and known of them, row by row.

    Args:
        pixels: RGB, 0-255, shape (n, side, side, 3).
        pairs: as many.
        kept: file that keeps what each sentence says, for the next time; None forgets it.
    """
    numbers: dict[str, int] = {}
    captions = [
        [
            [numbers.setdefault(sentence, len(numbers)) for sentence in sentences_of(text)]
            for text in dict.fromkeys((pair.text, *pair.texts))
            if text.strip()
        ]
        for pair in pairs
    ]
    said = _said(list(numbers), kept)
    known = [
        bits_of(pair.record) if pair.record.facts else bits_said(said, spoken)
        for pair, spoken in zip(pairs, captions, strict=True)
    ]
    return Captioned(pixels, np.stack(known), captions, list(numbers), said)


def bits_said(said: Sequence[Said], captions: Sequence[Sequence[int]]) -> np.ndarray:
    """Return what an image's own captions say of it, where no record does."""
    known = np.zeros(len(columns()), np.uint32)
    found: Mapping[int, int] = {
        column: words for caption in captions for n in caption for column, words in said[n].items()
    }
    for column, words in found.items():
        known[column] = words
    return known


def _said(sentences: Sequence[str], kept: Path | None) -> list[Said]:
    """Return what each sentence says, read by the parser once."""
    key = hashlib.sha256("\x1f".join([*columns(), *sentences]).encode()).hexdigest()
    if kept is not None and kept.is_file():
        stored = json.loads(kept.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return [{int(c): words for c, words in row.items()} for row in stored["said"]]
    said = [said_of(sentence) for sentence in sentences]
    if kept is not None:
        content = {"key": key, "said": [dict(row) for row in said]}
        write_text(kept, json.dumps(content, separators=(",", ":")))
    return said

"""What speaks for a pair: image and caption agree, caption and independent captions agree.

The documented rule of UniMedVL stands in for RetinaLogos's second step, whose thresholds are not
public: score = 0.5 × text–text + image–text, both scaled to [0, 1]; keep the best half; short side
at least 128 px; 10 to 1024 characters. How it scales is not said; ours is by the least and the
greatest of the set.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from retinaforge.encoders import Encoder
from retinaforge.tasks.adherence_embed import texts_of
from retinaforge.tasks.contrast_facts import Said, said_of
from retinaforge.tasks.contrast_words import sentences_of
from retinaforge.tasks.pairs import Pair

NO_OTHER = "no independent caption"
NOTHING_SHARED = "no fact that both captions speak of"


@dataclass(frozen=True)
class Rule:
    """How scores are joined and what is kept.

    Attributes:
        keep: share of the admitted pairs that is kept, above 0 and at most 1.
        text_weight: of text–text beside image–text's 1.
        least_side_px: of the image's short side.
        characters: fewest and most of a caption.
        lint: whether a caption with an error against its record is left out.
    """

    keep: float = 0.5
    text_weight: float = 0.5
    least_side_px: int = 128
    characters: tuple[int, int] = (10, 1024)
    lint: bool = False


@dataclass(frozen=True)
class Scored:
    """One pair's scores.

    Attributes:
        image_text: cosine of image and caption.
        text_text: agreement with independent captions, mean; NaN with `reason`.
        score: joined, higher is better; NaN where nothing is known or a rule shuts the pair out.
        reason: why text_text is missing.
        shut_out: rules that the pair breaks, in words.
    """

    image_text: float
    text_text: float = math.nan
    score: float = math.nan
    reason: str = ""
    shut_out: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """Return plain data; NaN becomes None."""
        numbers = {name: getattr(self, name) for name in ("image_text", "text_text", "score")}
        told = {name: None if math.isnan(x) else round(x, 6) for name, x in numbers.items()}
        return {**told, "reason": self.reason, "shut_out": list(self.shut_out)}


def others_of(pair: Pair) -> tuple[str, ...]:
    """Return the captions of the same image that are not the given one."""
    return tuple(text for text in dict.fromkeys(pair.texts) if text.strip() and text != pair.text)


def by_facts(pairs: Sequence[Pair]) -> list[tuple[float, str]]:
    """Return the share of facts that captions agree on, of those that both speak of.

    Each caption is read by `captions.parse`; two agree on a fact where some word is open to both.
    """
    read: dict[str, Said] = {}

    def said(text: str) -> Said:
        if text not in read:
            read[text] = together(said_of(sentence) for sentence in sentences_of(text))
        return read[text]

    found = []
    for pair in pairs:
        others = others_of(pair)
        if not others:
            found.append((math.nan, NO_OTHER))
            continue
        shares = [agreeing(said(pair.text), said(other)) for other in others]
        known = [share for share in shares if not math.isnan(share)]
        found.append((float(np.mean(known)), "") if known else (math.nan, NOTHING_SHARED))
    return found


def together(sentences: Iterable[Said]) -> dict[int, int]:
    """Return what several sentences leave open together."""
    found: dict[int, int] = {}
    for sentence in sentences:
        for column, words in sentence.items():
            found[column] = found.get(column, words) & words
    return found


def agreeing(one: Said, other: Said) -> float:
    """Return the share of facts on which two captions agree; NaN where they share none."""
    shared = one.keys() & other.keys()
    return sum(bool(one[c] & other[c]) for c in shared) / len(shared) if shared else math.nan


def by_cosine(encoder: Encoder, pairs: Sequence[Pair]) -> list[tuple[float, str]]:
    """Return the mean cosine of each caption with the independent ones, by an encoder of words."""
    texts = list(dict.fromkeys(t for pair in pairs for t in (pair.text, *others_of(pair))))
    vectors = dict(zip(texts, texts_of(encoder, texts), strict=True))
    found = []
    for pair in pairs:
        cosines = [float(vectors[pair.text] @ vectors[other]) for other in others_of(pair)]
        found.append((float(np.mean(cosines)), "") if cosines else (math.nan, NO_OTHER))
    return found


def joined(
    image_text: Float[np.ndarray, "n"], text_text: Float[np.ndarray, "n"], weight: float
) -> Float[np.ndarray, "n"]:
    """Return weight × text–text + image–text, both scaled to [0, 1] within the set.

    Divided by the weights, so that a pair without independent captions, which has image–text
    alone, stands on the same scale.
    """
    looks, words = scaled(image_text), scaled(text_text)
    both = (looks + weight * words) / (1 + weight)
    return np.where(np.isnan(words), looks, both)


def scaled(values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return values from 0, the least, to 1, the greatest; all alike become 1; NaN stays."""
    known = values[~np.isnan(values)]
    if not len(known):
        return values
    low, high = float(known.min()), float(known.max())
    return np.where(np.isnan(values), np.nan, (values - low) / (high - low) if high > low else 1.0)

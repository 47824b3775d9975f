"""What the scores of images beside their captions are, and from how many images they mean anything.

Where a set is smaller the number is still given, with a warning: a share of four pairs, or an AUROC
of three images, is an anecdote.
"""

from __future__ import annotations

from typing import Final

from retinaforge.core import Card

ADHERENCE_CARD: Final = Card(
    name="adherence",
    version=1,
    measures="chance that an image agrees more with its own caption than with that of another",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="Hessel et al., EMNLP 2021 (the cosine); Hanley, McNeil 1982 (the area)",
    known_failure="words that the encoder does not see: docs/how-to/purify-captions.md",
)
PURIFY_CARD: Final = Card(
    name="purify",
    version=1,
    measures="image-text cosine + 0.5 x text-text agreement, each scaled by the set's own extremes",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=20,
    reference="UniMedVL's documented rule",
    known_failure="two extreme pairs set the scale of all; of few pairs, the order is chance",
)


def too_few(n: int, card: Card, what: str) -> str:
    """Return a warning for a set smaller than the card's smallest, "" for one that is not.

    Args:
        n: how many there are.
        card: of the number.
        what: what is counted, in the plural.
    """
    if n >= card.smallest_n:
        return ""
    return f"{n} {what}: below {card.smallest_n} the figures mean little"

"""What a score of two sets is called in the space of an encoder that has given it a name.

    CLIP's embeddings       the Gaussian discrepancy is CMMD
    Inception-v3's          the Fréchet distance is FID, but for the resize; the cubic discrepancy
                            is KID over all pairs

Published FID keeps its name to itself: with an antialiased resize other values come out, so the
card says what it is and the score stays `frechet_distance`.
"""

from __future__ import annotations

from dataclasses import replace

from retinaforge.core import Card
from retinaforge.metrics.sets.frechet import FRECHET_CARD
from retinaforge.metrics.sets.kernels import CMMD_CARD, GAUSSIAN_CARD, KERNEL_CARD

INCEPTION, CLIP = "inception", "clip"
FEATURES = "2048 features of Inception-v3 after an antialiased resize to 299 px"
FID_CARD = replace(
    FRECHET_CARD,
    measures=f"distance of two Gaussians fitted to {FEATURES}: FID, where the file is that of 2015",
    reference="Heusel et al., NeurIPS 2017; Dowson and Landau 1982, eq. 6; sample covariances "
    "(n - 1), float64. FID's own code resizes without antialiasing (Parmar et al., CVPR 2022): "
    "compare with no published number",
)
KID_CARD = replace(
    KERNEL_CARD,
    measures=f"unbiased squared maximum mean discrepancy, cubic kernel, on {FEATURES}: KID, where "
    "the file is that of 2015, of all pairs",
    reference="Binkowski et al., ICLR 2018, section 4; all pairs instead of 100 subsets of 1000, "
    "whose mean has the same expected value",
)
NAMED: dict[str, dict[str, Card]] = {
    CLIP: {GAUSSIAN_CARD.name: CMMD_CARD},
    INCEPTION: {FRECHET_CARD.name: FID_CARD, KERNEL_CARD.name: KID_CARD},
}


def card_in(space: str, card: Card) -> Card:
    """Return the card of a score in a space, which is its own but where the space has named it.

    Args:
        space: name of the space; encoders that the user names are NAME:FILE.
        card: the score's own.
    """
    name, colon, _ = space.partition(":")
    return NAMED.get(name, {}).get(card.name, card) if colon else card

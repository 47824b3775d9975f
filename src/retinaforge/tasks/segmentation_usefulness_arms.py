"""The arms of a study of mask-to-fundus pairs: what teaches, and in which share of the crops.

All arms take the same number of optimiser steps on batches of the same size from the same recipe
and seeds; they differ in what is shown alone. A ratio of r means r synthetic images for each real
one (as many as there are), and r / (1 + r) of the crops.

References:
    T.-C. Wang et al., pix2pixHD, CVPR 2018 (masks to photographs).
    P. Costa et al., IEEE Trans. Med. Imaging 37 (2018), 781 (vessel masks to fundus photographs,
    and whether they teach a segmenter).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retinaforge.core import Refusal

Labels = Literal["own", "pseudo", "shuffled", ""]
RATIOS = (0.5, 1.0, 4.0)
BASELINE = "real"


@dataclass(frozen=True)
class Arm:
    """What a segmenter is taught with.

    Attributes:
        name: in results.
        words: for people.
        real: whether photographs teach.
        ratio: synthetic images for each real one; 0 for none.
        labels: masks of synthetic images: "own" (they were made from them), "pseudo" (what a
            segmenter taught on the photographs alone, with the same seed, finds in them),
            "shuffled" (another synthetic image's), "" (no synthetic images).
    """

    name: str
    words: str
    real: bool
    ratio: float
    labels: Labels

    @property
    def share(self) -> float:
        """Return the share of the crops that come from synthetic images."""
        return self.ratio / (1 + self.ratio) if self.real else 1.0


def arms_of(ratios: Sequence[float] = RATIOS, *, pseudo: bool = True) -> tuple[Arm, ...]:
    """Return the arms, the baseline first.

    The ratio nearest to one is also shown with pseudo-labels and with shuffled masks: with the
    latter more images, but no more truth, are seen.

    Args:
        ratios: synthetic images for each real one.
        pseudo: whether to ask the same with pseudo-labels.

    Raises:
        Refusal: "expected ratios above 0, each once; got ...".
    """
    known = all(0 < ratio < float("inf") for ratio in ratios)
    if not ratios or not known or len(set(ratios)) < len(ratios):
        raise Refusal("ratios above 0, each once", str(list(ratios)), "such as 0.5 1 4")
    middle = min(ratios, key=lambda r: abs(r - 1))
    found = [Arm(BASELINE, "photographs alone", True, 0.0, "")]
    found += [Arm(f"real+{r:g}", f"photographs and {r:g} x pairs", True, r, "own") for r in ratios]
    if pseudo:
        words = f"photographs and {middle:g} x images with pseudo-labels"
        found.append(Arm(f"real+{middle:g} pseudo", words, True, middle, "pseudo"))
    words = f"photographs and {middle:g} x images with shuffled masks"
    found.append(Arm(f"real+{middle:g} shuffled", words, True, middle, "shuffled"))
    found.append(Arm("synthetic", "pairs alone", False, max(ratios), "own"))
    return tuple(found)

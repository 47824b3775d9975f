"""Ask several judges, and say where and how much they disagree.

    p = mean_j p_j,   u = sd_j p_j                     per pixel
    d = 1 - mean over pairs of judges of Dice(P_i, P_j)   per photograph, P_j: thresholded

u is the uncertainty map. d is large where judges see other vessels, which is so in poor pictures;
a photograph is flagged from a level that clear photographs reach seldom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Fov, Photograph, Refusal, require_same_size
from retinaforge.vessels.judge import Judge, JudgeCard

FLAG_LEVELS: dict[frozenset[str], float] = {frozenset({"ours", "classical"}): 0.38}
"""Disagreement from which a photograph is flagged, by the names of the judges: the lowest level, in
steps of 0.02, that no harmless picture reached. Measured on nine training rows of CHASE_DB1 and
HRF at 1024 px (four of them validation), each as it is and in eleven damaged versions (JPEG, blur,
haze, noise, darkness, half washed out): none of 56 that cost `ours` at most 0.05 of its Dice is
flagged, 18 of 27 that cost it more than 0.25 are (vessels-v2). Even blur is missed most: both
judges lose the same thin vessels."""

NO_LEVEL = "no level of disagreement is known for these judges; name one with --flag-level"

Mask = Bool[np.ndarray, "height width"]
Map = Float[np.ndarray, "height width"]


@dataclass(frozen=True)
class Verdict:
    """What several judges say of one photograph.

    Attributes:
        probability: mean of the judges' probabilities.
        uncertainty: their standard deviation, 0 to 0.5.
        disagreement: 1 - mean Dice between pairs of judges; 1 where one finds nothing that another
            finds, 0 where none finds anything.
        flagged: whether the disagreement reaches the level; None where no level is known.
        reason: why it is flagged, why that is not known, or "".
    """

    probability: Map
    uncertainty: Map
    disagreement: float
    flagged: bool | None
    reason: str


def disagreement(masks: Sequence[Mask]) -> float:
    """Return 1 - the mean Dice over pairs of masks; two empty masks agree.

    Args:
        masks: at least two, of one shape.
    """
    sizes = [int(mask.sum()) for mask in masks]
    overlaps = [
        2.0 * int((masks[i] & masks[j]).sum()) / (sizes[i] + sizes[j])
        if sizes[i] + sizes[j]
        else 1.0
        for i, j in combinations(range(len(masks)), 2)
    ]
    return 1.0 - float(np.mean(overlaps))


def level_of(judges: Sequence[Judge]) -> float | None:
    """Return the disagreement from which these judges' photographs are flagged, if it is known."""
    return FLAG_LEVELS.get(frozenset(judge.card.name for judge in judges))


def require_level(flag_level: float) -> float:
    """Return the level if it is one.

    Raises:
        Refusal: expected a level above 0 and at most 1.
    """
    if not 0.0 < flag_level <= 1.0:
        raise Refusal(
            "a level of disagreement above 0 and at most 1", f"{flag_level:g}",
            "it is 1 - the mean Dice of the judges, as 0.38",
        )  # fmt: skip
    return flag_level


@final
class Ensemble(Judge):
    """Several judges as one.

    Attributes:
        judges: who they are.
        flag_level: disagreement from which a photograph is flagged; None where it is not known.

    Args:
        judges: at least two of different names.
        flag_level: disagreement from which a photograph is flagged, above 0 and at most 1; by
            default what `FLAG_LEVELS` says of these judges, and where it says nothing, no
            photograph is flagged and none is cleared.

    Raises:
        Refusal: expected two judges or more; expected a level above 0 and at most 1.
    """

    def __init__(self, judges: Sequence[Judge], *, flag_level: float | None = None) -> None:
        if len({judge.card.name for judge in judges}) < 2:
            raise Refusal(
                "two judges or more that differ",
                ", ".join(judge.card.name for judge in judges) or "none",
                "name more, as in --judge ours --judge classical",
            )
        self.judges = tuple(judges)
        self.flag_level = level_of(judges) if flag_level is None else require_level(flag_level)
        self.threshold = float(np.mean([judge.threshold for judge in judges]))
        names = [judge.card.name for judge in judges]
        cards = [judge.card for judge in judges]
        self.card = JudgeCard(
            name="+".join(names),
            version=1,
            family="network" if any(c.family == "network" for c in cards) else "filter",
            measures=f"Mean of the judges {', '.join(names)}.",
            training_data=tuple(dict.fromkeys(name for c in cards for name in c.training_data)),
            licence="; ".join(dict.fromkeys(c.licence for c in cards)),
            reference="retinaforge.vessels.ensemble",
            known_failure="Judges that fail alike do not disagree.",
        )

    def look(self, photo: Photograph, fov: Fov) -> Verdict:
        """Return the judges' mean, their disagreement, and whether it is too large."""
        require_same_size(photo, fov)
        maps = [judge.probability(photo, fov) for judge in self.judges]
        found = [p >= judge.threshold for p, judge in zip(maps, self.judges, strict=True)]
        d = disagreement([mask & fov.mask for mask in found])
        flagged, reason = self._flag(d)
        return Verdict(np.mean(maps, axis=0), np.std(maps, axis=0), d, flagged, reason)

    def _flag(self, d: float) -> tuple[bool | None, str]:
        level = self.flag_level
        if level is None:
            return None, NO_LEVEL
        flagged = d >= level
        return flagged, f"judges disagree: {d:.2f}, flagged from {level:.2f}" if flagged else ""

    def probability(self, photo: Photograph, fov: Fov) -> Map:
        """Return the mean of the judges' probabilities."""
        return self.look(photo, fov).probability

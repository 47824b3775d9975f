"""The gap that chance alone makes: groups dealt anew among patients of the same truth."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from retinaforge.metrics.judged import MEASURES, Draws, Judged, in_parts


def dealt_anew(
    judged: Judged, names: np.ndarray, large: list[str], measure: str,
    rng: np.random.Generator, shuffles: int,
) -> Draws:  # fmt: skip
    """Return the gaps of groups that are dealt anew; a patient's images in one group stay together.

    The unit is a patient in a group: who was photographed by two cameras is dealt twice.
    """
    _, unit = np.unique([f"{p}\n{g}" for p, g in zip(judged.patients, names, strict=True)],
                        return_inverse=True)  # fmt: skip
    group_of = np.zeros(int(unit.max()) + 1, np.int64)
    place = {group: k for k, group in enumerate(large)}
    group_of[unit] = [place[name] for name in names.tolist()]
    ill = np.zeros(len(group_of), bool)
    np.logical_or.at(ill, unit, judged.truth)
    found: list[Draws] = []
    for count in in_parts(shuffles, len(names)):
        dealt = _deals(group_of, ill, rng, count)[:, unit]
        each = [MEASURES[measure](judged, (dealt == k).astype(float)) for k in range(len(large))]
        found.append(np.ptp(np.stack(each), axis=0))
    gaps = np.concatenate(found)
    return gaps[np.isfinite(gaps)]


def _deals(
    group_of: Int[np.ndarray, "count"],
    ill: Bool[np.ndarray, "count"],
    rng: np.random.Generator,
    deals: int,
) -> Int[np.ndarray, "deals count"]:
    dealt = np.tile(group_of, (deals, 1))
    for side in (True, False):
        place = np.flatnonzero(ill == side)
        dealt[:, place] = rng.permuted(dealt[:, place], axis=1)
    return dealt

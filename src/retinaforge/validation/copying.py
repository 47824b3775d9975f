"""Copies: has the generator shown somebody's eye again?

Every synthetic image is laid over the real eyes whose vessels look most like its own. From a
likeness on that different people's eyes do not reach, it counts as a copy. The baseline is what
held-out real images reach against the same references: nobody copied these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retinaforge.audits.copies import (
    VESSEL_LIKENESS,
    Calibration,
    comparable,
    nearest_embeddings,
    shipped_calibration,
)
from retinaforge.audits.gallery import Gallery, Neighbour
from retinaforge.audits.patterns import Pattern
from retinaforge.core import Card, Score
from retinaforge.validation.eye import Measured
from retinaforge.validation.findings import share_score
from retinaforge.validation.spaces import STRUCTURE

COPIED_CARD = Card(
    name="copied", version=1,
    measures="share of synthetic images whose vessels coincide with those of a real eye of the "
    "reference folder, under any shift, turn, size and mirror", range="[0, 1]",
    direction="lower is better", unit="1", smallest_n=1,
    reference="retinaforge.audits.copies; threshold and false-match rate in its calibration",
    known_failure=VESSEL_LIKENESS.known_failure,
)  # fmt: skip
MOST_SHOWN = 12


@dataclass(frozen=True)
class Copying:
    """What was found of copies.

    Attributes:
        scores: lines of the scorecard.
        nearest: for each synthetic image, its nearest reference by vessels and by embedding.
        calibration: where copies begin.
    """

    scores: list[Score]
    nearest: list[dict[str, Any]]
    calibration: Calibration


def pattern_of_arrays(arrays: dict[str, np.ndarray]) -> Pattern:
    """Return the vessel pattern that was kept with an image."""
    prefix = "pattern_"
    return Pattern(**{k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)})


def find_copying(
    synthetic: Sequence[Measured], references: Sequence[Measured], held_out: Sequence[Measured], *,
    against: str,
) -> Copying:  # fmt: skip
    """Look for references among synthetic images.

    Args:
        synthetic: images that may be copies.
        references: real images that they may be copies of: the training set where it is known.
        held_out: real images that nobody copied, for the baseline; those that are references
            themselves are compared with all others of other patients.
        against: what the references are, for the page.
    """
    calibration = shipped_calibration()
    gallery = Gallery([pattern_of_arrays(m.arrays) for m in references])
    vessels = [gallery.nearest(pattern_of_arrays(m.arrays)) for m in synthetic]
    rows = _rows(synthetic, references, vessels, calibration)
    k, n = (sum(row[flag] for row in rows) for flag in ("copy", "examined"))
    line = share_score(COPIED_CARD, k, n, {"family": "copies", "against": against})
    baseline = _baseline(gallery, references, held_out)
    line.extra.update(
        copies=k, unexamined=len(rows) - n,
        baseline=_share(baseline, calibration), baseline_n=len(baseline),
        likeness=_quartiles([row["likeness"] for row in rows]),
        likeness_baseline=_quartiles(baseline), calibration=calibration.as_dict(),
    )  # fmt: skip
    return Copying([line], rows, calibration)


def _rows(
    synthetic: Sequence[Measured], references: Sequence[Measured],
    vessels: Sequence[Neighbour | None], calibration: Calibration,
) -> list[dict[str, Any]]:  # fmt: skip
    x = np.stack([m.arrays[STRUCTURE] for m in synthetic])
    y = np.stack([m.arrays[STRUCTURE] for m in references])
    index, cosine = nearest_embeddings(x, y) if len(references) > 1 else (None, None)
    rows = []
    for k, (m, neighbour) in enumerate(zip(synthetic, vessels, strict=True)):
        score = 0.0 if neighbour is None else neighbour.likeness.score
        rows.append({
            "name": m.row["name"],
            "likeness": score,
            # Too few vessels to be anyone's: not examined, which is no acquittal.
            "examined": comparable(pattern_of_arrays(m.arrays)),
            "nearest": None if neighbour is None else references[neighbour.reference].row["name"],
            "nearest_number": None if neighbour is None else neighbour.reference,
            "copy": bool(score >= calibration.threshold),
            "nearest_by_embedding": None if index is None else references[index[k]].row["name"],
            "cosine": None if cosine is None else float(cosine[k]),
        })  # fmt: skip
    return rows


def _baseline(
    gallery: Gallery, references: Sequence[Measured], held_out: Sequence[Measured]
) -> list[float]:
    """Return how like their nearest stranger held-out real images are."""
    patients = [m.row["patient"] for m in references]
    found = []
    for m in held_out:
        own = [k for k, patient in enumerate(patients) if patient == m.row["patient"]]
        if len(own) == len(patients):
            continue
        neighbour = gallery.nearest(pattern_of_arrays(m.arrays), without=own)
        found.append(0.0 if neighbour is None else neighbour.likeness.score)
    return found


def _share(likenesses: Sequence[float], calibration: Calibration) -> float | None:
    if not likenesses:
        return None
    return float(np.mean([value >= calibration.threshold for value in likenesses]))


def _quartiles(values: Sequence[float]) -> list[float] | None:
    if not values:
        return None
    return [float(q) for q in np.percentile(values, (0, 25, 50, 75, 100))]


def worst_first(rows: Sequence[dict[str, Any]], *, most: int = MOST_SHOWN) -> list[dict[str, Any]]:
    """Return the rows to be shown as pictures, the most alike first."""
    return sorted(rows, key=lambda row: -row["likeness"])[:most]

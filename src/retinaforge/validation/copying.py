"""Copies: has the generator shown somebody's eye again?

Every synthetic image is laid over the real eyes whose vessels look most like its own. From a
likeness on that different people's eyes do not reach, it counts as a copy. The baseline is what
held-out real images reach against the same references: nobody copied these. The control is what
the search finds of copies that were planted on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.copies import (
    VESSEL_LIKENESS,
    Calibration,
    comparable,
    nearest_embeddings,
    rate_bound,
    shipped_calibration,
)
from retinaforge.core import Card, Score
from retinaforge.validation.copy_control import Planted, control_of
from retinaforge.validation.copy_search import (
    Found,
    Progress,
    Search,
    pattern_of_arrays,
    search_all,
)
from retinaforge.validation.eye import Measured
from retinaforge.validation.findings import share_score
from retinaforge.validation.spaces import STRUCTURE

COPIED_CARD = Card(
    name="copied", version=2,
    measures="share of synthetic images whose vessels coincide with those of a real eye of the "
    "reference folder, under any shift, turn, size and mirror", range="[0, 1]",
    direction="lower is better", unit="1", smallest_n=1,
    reference="retinaforge.audits.copies; threshold and false-match rate in its calibration",
    known_failure=VESSEL_LIKENESS.known_failure,
)  # fmt: skip
MOST_SHOWN = 12
BASELINE = 200
"""Held-out real images that are searched, evenly spaced; every synthetic image is."""


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


def find_copying(
    synthetic: Sequence[Measured], references: Sequence[Measured], held_out: Sequence[Measured], *,
    against: str, planted: Sequence[Planted] = (), cache: Path | None = None, workers: int = 1,
    on_progress: Progress | None = None,
) -> Copying:  # fmt: skip
    """Look for references among synthetic images.

    Args:
        synthetic: images that may be copies; every one is searched.
        references: real images that they may be copies of: the training set where it is known.
        held_out: real images that nobody copied, for the baseline, at most `BASELINE` of them,
            evenly spaced; those that are references themselves are compared with all others of
            other patients.
        against: what the references are, for the page.
        planted: copies of references, from `plant_copies`, as positive control.
        cache: keeps what was found.
        workers: processes; they do not change the result.
        on_progress: called with (done, all).
    """
    calibration = shipped_calibration()
    patterns = [pattern_of_arrays(m.arrays) for m in references]
    asked = [Search(pattern_of_arrays(m.arrays)) for m in synthetic]
    strangers = _strangers(references, held_out)
    known = [p for p in planted if p.pattern is not None]
    controls = [Search(p.pattern) for p in known if p.pattern is not None]
    found = search_all([*asked, *strangers, *controls], patterns, cache=cache, workers=workers,
                       on_progress=on_progress)  # fmt: skip
    n, m = len(asked), len(asked) + len(strangers)
    rows = _rows(synthetic, references, found[:n], calibration)
    baseline = [f.likeness for f in found[n:m] if not f.lost]
    k, examined = (sum(row[flag] for row in rows) for flag in ("copy", "examined"))
    line = share_score(COPIED_CARD, k, examined, {"family": "copies", "against": against})
    line.extra.update(
        copies=k, unexamined=len(rows) - examined, references=len(references),
        **_baseline(baseline, calibration), baseline_of=len(held_out),
        likeness=_quartiles([row["likeness"] for row in rows]),
        likeness_baseline=_quartiles(baseline), calibration=calibration.as_dict(),
        false_match_rate_per_image=_of_search(calibration.extrapolated_rate, len(references)),
        control=control_of(planted, _hits(planted, known, found[m:], calibration)),
    )  # fmt: skip
    return Copying([line], rows, calibration)


def _strangers(references: Sequence[Measured], held_out: Sequence[Measured]) -> list[Search]:
    """Return some held-out images, each to be compared with other patients' eyes."""
    own: dict[Any, list[int]] = {}
    for k, m in enumerate(references):
        own.setdefault(m.row["patient"], []).append(k)
    able = [m for m in held_out if comparable(pattern_of_arrays(m.arrays))
            and len(own.get(m.row["patient"], ())) < len(references)]  # fmt: skip
    count = min(BASELINE, len(able))
    chosen = [able[k * len(able) // count] for k in range(count)]
    return [
        Search(pattern_of_arrays(m.arrays), tuple(own.get(m.row["patient"], ()))) for m in chosen
    ]


def _hits(
    planted: Sequence[Planted], known: Sequence[Planted], found: Sequence[Found],
    calibration: Calibration,
) -> list[bool]:  # fmt: skip
    """Return which planted copies were found: the right reference, at the line or above."""
    right = {
        id(p): f.reference == p.original and f.likeness >= calibration.threshold
        for p, f in zip(known, found, strict=True)
    }
    return [right.get(id(p), False) for p in planted]


def _rows(
    synthetic: Sequence[Measured], references: Sequence[Measured], found: Sequence[Found],
    calibration: Calibration,
) -> list[dict[str, Any]]:  # fmt: skip
    x = np.stack([m.arrays[STRUCTURE] for m in synthetic])
    y = np.stack([m.arrays[STRUCTURE] for m in references])
    index, cosine = nearest_embeddings(x, y) if len(references) > 1 else (None, None)
    rows = []
    for k, (m, at) in enumerate(zip(synthetic, found, strict=True)):
        rows.append({
            "name": m.row["name"],
            "likeness": at.likeness,
            # Too few vessels to be anyone's: not examined, which is no acquittal.
            "examined": not at.lost and comparable(pattern_of_arrays(m.arrays)),
            "nearest": None if at.reference is None else references[at.reference].row["name"],
            "nearest_number": at.reference,
            "copy": bool(at.likeness >= calibration.threshold),
            "nearest_by_embedding": None if index is None else references[index[k]].row["name"],
            "cosine": None if cosine is None else float(cosine[k]),
        })  # fmt: skip
    return rows


def _baseline(likenesses: Sequence[float], calibration: Calibration) -> dict[str, Any]:
    """Return the share of strangers' searches that reach the line, and its upper bound."""
    n = len(likenesses)
    over = sum(value >= calibration.threshold for value in likenesses)
    return {
        "baseline": over / n if n else None, "baseline_n": n,
        "baseline_at_most": rate_bound(over, n) if n else None,
    }  # fmt: skip


def _of_search(rate: float, references: int) -> float:
    """Return the chance of a false match in a search: 1 - (1 - rate) ^ references."""
    return float(-np.expm1(references * np.log1p(-rate)))


def _quartiles(values: Sequence[float]) -> list[float] | None:
    if not values:
        return None
    return [float(q) for q in np.percentile(values, (0, 25, 50, 75, 100))]


def worst_first(rows: Sequence[dict[str, Any]], *, most: int = MOST_SHOWN) -> list[dict[str, Any]]:
    """Return the rows to be shown as pictures, the most alike first."""
    return sorted(rows, key=lambda row: -row["likeness"])[:most]

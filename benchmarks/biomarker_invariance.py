"""Which biomarker columns move when the same eye is mirrored, turned by quarters, or rescaled.

Phantom eyes are drawn anew at half and twice the size; LES-AV's artery/vein masks (1620 by 1444 px,
disc and fovea as our model finds them) are resampled, which loses what is thinner than a pixel. A
column holds if it stays within 2 % (counts within 1 or 5 %; the share of vessel in the macula's
small regions within 0.001). Columns that name a side of the picture change side; those in pixels
are brought to one size; definitions of other packages that count in pixels move by nature.

Run: OMP_NUM_THREADS=1 python benchmarks/biomarker_invariance.py [--rows FILE.jsonl] [--out FILE]
     [--eyes 8 1 2 3 4 5 les_av:12 ...]
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from biomarker_eyes import (
    MaskedEye,
    Values,
    cached_rows,
    drawn_eye,
    laid,
    real_eye,
    rescaled,
    rounded,
    split,
    table,
)
from retinaforge.core.artefacts import environment
from retinaforge.vessels.biomarkers import BIOMARKERS

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks/results/biomarker_invariance.json"
SIZE_PX = 1024
EYES = ("8", "1", "2", "3", "4", "5", "les_av:12", "les_av:119", "les_av:275")
LAID = tuple((m, turns) for m in (False, True) for turns in range(4))[1:]
SIZES = {"half": 0.5, "double": 2.0}
CARDS = {biomarker.card.column: biomarker.card for biomarker in BIOMARKERS}

PARTNERS = ("vertical_", "horizontal_"), ("_height", "_width")
"""What is upright lies on its side after a quarter turn, and the other way round."""

UPRIGHT = {"disc_fovea_angle_deg"}
"""Measured against the picture's horizontal: turned with the picture."""

COUNTS = ("count", "bifurcations", "ends", "trees", "roots", "crossings", "loops", "inflections",
          "solvable")  # fmt: skip

Change = tuple[float, bool]


def partner(column: str) -> str:
    """Return the column that a quarter turn makes of this one."""
    for one, other in PARTNERS:
        if one in column or other in column:
            old, new = (one, other) if one in column else (other, one)
            return column.replace(old, new)
    return column


def allowed(column: str, value: float) -> float:
    """Return by how much a column may move: 2 %, counts by 1 or 5 %.

    A region of one millimetre holds a handful of thin vessels, which a mask draws a pixel wide
    and more: its share of vessel may move by a thousandth of the region.
    """
    least = 0.001 if column.startswith("area_density_macula") else 1e-9
    if any(word in CARDS[column].name for word in COUNTS):
        least = max(1.0 if CARDS[column].unit == "1" else 0.0, 0.05 * abs(value))
    return max(least, 0.02 * abs(value))


def changes(plain: Values, other: Values, *, turns: int = 0, scale: float = 1.0) -> Iterator[
    tuple[str, float, bool]
]:  # fmt: skip
    """Yield each column's change in percent and whether it holds.

    Args:
        plain: the eye as it was.
        other: the same eye, laid or scaled.
        turns: quarter turns between the two.
        scale: of the other's pixels.
    """
    for column, card in CARDS.items():
        if column in UPRIGHT and turns:
            continue
        name = partner(column) if turns % 2 else column
        if column not in plain or name not in other:
            if (column in plain) != (name in other):
                yield column, math.nan, False
            continue
        one = plain[column]
        two = other[name] / scale ** {"px": 1, "px2": 2}.get(card.unit, 0)
        percent = 100 * (two - one) / abs(one) if one else 0.0
        yield column, percent, bool(abs(two - one) <= allowed(column, one))


def eye_of(key: str) -> MaskedEye:
    """Return an eye by its key: a phantom's seed, or "les_av:" and a number."""
    return real_eye(key.partition(":")[2]) if ":" in key else drawn_eye(int(key), SIZE_PX)


def sized(key: str, eye: MaskedEye, factor: float) -> MaskedEye:
    """Return the same eye at another size."""
    return rescaled(eye, factor) if ":" in key else drawn_eye(int(key), round(SIZE_PX * factor))


def values(eye: MaskedEye) -> Values:
    """Measure an eye."""
    return split(table(eye))[0]


def measure(key: str) -> dict[str, Any]:
    """Measure one eye in every way; return by way the columns' changes that matter."""
    eye = eye_of(key)
    plain = values(eye)
    worst: dict[str, dict[str, Change]] = {}
    for mirrored, turns in LAID:
        other = values(laid(eye, mirrored=mirrored, turns=turns))
        _keep(worst.setdefault("laid", {}), changes(plain, other, turns=turns))
    for way, factor in SIZES.items():
        other = values(sized(key, eye, factor))
        _keep(worst.setdefault(way, {}), changes(plain, other, scale=factor))
    return {"measured": sorted(plain), "worst": worst}


def _keep(worst: dict[str, Change], found: Iterator[tuple[str, float, bool]]) -> None:
    """Keep each column's greatest change; one that does not hold before one that does."""
    for column, percent, holds in found:
        size = math.inf if math.isnan(percent) else abs(percent)
        had = worst.get(column)
        if had is None or (not holds, size) > (not had[1], abs(had[0])):
            worst[column] = (percent if math.isfinite(percent) else 1e9, holds)


def breaking(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return by way the columns that do not hold, with their change in each eye that breaks.

    None stands for a value that is there in one of the two only.
    """
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for row in rows:
        for way, columns in row["worst"].items():
            broken = found.setdefault(way, {})
            for column, (percent, holds) in columns.items():
                if not holds:
                    told = rounded(percent) if abs(percent) < 1e8 else None
                    broken.setdefault(column, {})[row["key"]] = told
    return found


def main() -> None:
    """Measure eyes in every way and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--eyes", nargs="+", default=list(EYES))
    parser.add_argument("--rows", type=Path, help="file of rows; a stopped run goes on from it")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    rows = cached_rows(options.eyes, options.rows, measure)
    result = {
        "eyes": options.eyes, "size_px": SIZE_PX, "environment": environment(),
        "columns": len(CARDS), "breaking": breaking(rows),
    }  # fmt: skip
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    for way, columns in result["breaking"].items():
        print(f"{way}: {len(columns)} of {len(CARDS)} columns: {', '.join(columns)}")


if __name__ == "__main__":
    main()

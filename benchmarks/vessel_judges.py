"""How well each vessel judge agrees with people, set by set, beside people with one another.

Test rows of CHASE_DB1 (children from 08 on), HRF and DRIVE, all of LES-AV; masks of the first
observer; inside the field of view that the package finds; at the photographs' own size.

Run: OMP_NUM_THREADS=1 python benchmarks/vessel_judges.py [--data DIR] [--judges ours classical]
     [--sets chase_db1 ...] [--out FILE]
A judge measured again replaces itself in the result file, the others stay; afterwards
`python tools/segmenter_tables.py` writes docs/reference/segmenter-results.md.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from judged_results import keep_results
from retinaforge.core import Fov, Photograph, Record
from retinaforge.images import find_fov, read_mask, read_photograph, read_records
from retinaforge.vessels import Judge, auc, compare_masks, load_judge, vessel_mask
from retinaforge.vessels.compare import CATALOGUE

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "../shared/data"
OUT = ROOT / "benchmarks/results/vessel_judges.json"
LITTLE = "weights/lwnet_vessel_drive/model_checkpoint.pth"
SETS = ("chase_db1", "drive", "les_av", "hrf")
SCORES = tuple(c for c in CATALOGUE if c.card.name in ("dice", "cldice"))
PEOPLE = "second observer"


def test_records(data: Path, sets: Sequence[str]) -> list[Record]:
    """Return the test rows with a vessel mask, with second observers where there are any."""
    records = read_records(data, second_observers=True)
    return [r for r in records if r.dataset in sets and r.split == "test" and "vessel" in r.masks]


def measure(
    judges: dict[str, Judge], photo: Photograph, fov: Fov, record: Record
) -> dict[str, dict[str, float]]:
    """Return scores of every judge, and of the second observer where there is one."""
    pixels = read_mask(record.masks["vessel"], size_px=photo.size_px)
    reference = vessel_mask(pixels & fov.mask, fov.mask)
    rows: dict[str, dict[str, float]] = {}

    def overlap(mask: np.ndarray) -> dict[str, float]:
        estimate = vessel_mask(mask & fov.mask, fov.mask)
        found = compare_masks(estimate, reference, catalogue=SCORES)
        return {quantity.card.name: quantity.value for quantity in found}

    for name, judge in judges.items():
        p = judge.probability(photo, fov)
        rows[name] = overlap(p >= judge.threshold)
        rows[name]["auc"] = auc(p, pixels & fov.mask, fov.mask).value
    if "vessel2" in record.masks:
        rows[PEOPLE] = overlap(read_mask(record.masks["vessel2"], size_px=photo.size_px))
    return rows


def table_of(records: list[Record], judges: dict[str, Judge]) -> list[dict[str, Any]]:
    """Return one row for each set and judge: n and the mean of every score."""
    found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for record in records:
        photo = read_photograph(record.path)
        for name, scores in measure(judges, photo, find_fov(photo), record).items():
            found[record.dataset, name].append(scores)
        print(record.name, file=sys.stderr)
    return [
        {"set": dataset, "judge": name, "n": len(rows)}
        | {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        for dataset in SETS
        for (of, name), rows in found.items()
        if of == dataset
    ]


def main() -> None:
    """Write the result file and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--judges", nargs="+", default=None, help="default: all three")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    specs = arguments.judges or ["ours", "classical", f"lwnet:{arguments.data / LITTLE}"]
    judges = {spec.partition(":")[0]: load_judge(spec) for spec in specs}
    rows = table_of(test_records(arguments.data, arguments.sets), judges)
    cards = {name: judge.card for name, judge in judges.items()}
    kept = keep_results(arguments.out, rows, cards, sets=SETS)
    print(f"{'set':<10} {'judge':<16} {'n':>3} {'Dice':>6} {'clDice':>7} {'AUC':>6}")
    for row in kept["results"]:
        area = f"{row['auc']:6.3f}" if "auc" in row else "     –"
        print(
            f"{row['set']:<10} {row['judge']:<16} {row['n']:>3} {row['dice']:6.3f} "
            f"{row['cldice']:7.3f} {area}"
        )


if __name__ == "__main__":
    main()

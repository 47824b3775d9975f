"""From photographs to phantoms and back: do segmenters carry over?

(a) phantoms: a judge that learnt from photographs only, on phantoms it never saw: eyes drawn as
    they come ("plain") and a mixed population with diseases and bad photographs ("screening").
(b) photographs: a judge that learnt from phantoms only, on the test rows of CHASE_DB1, DRIVE,
    LES-AV and HRF, at its own threshold; first observer's masks, at the photographs' own size.

Run: OMP_NUM_THREADS=1 python benchmarks/phantom_transfer.py phantoms [--judge ours] [--count 20]
     OMP_NUM_THREADS=1 python benchmarks/phantom_transfer.py photographs --judge ours:FILE
     [--data DIR] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retinaforge.core import Fov, Photograph, seed_for
from retinaforge.images import find_fov, read_mask, read_photograph
from retinaforge.phantoms import draw_phantom, load_recipe
from retinaforge.phantoms.people import phantom_of, places, sit
from retinaforge.phantoms.phantom import Phantom
from retinaforge.vessels import Judge, auc, compare_masks, load_judge, vessel_mask
from vessel_judges import SCORES, SETS, test_records

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
SIZES_PX = (512, 1024)
SEED = 777
Seen = tuple[Photograph, Fov, np.ndarray]


def plain(count: int, size_px: int) -> Iterator[Phantom]:
    """Draw eyes with every parameter at its default."""
    for i in range(count):
        yield draw_phantom(seed_for(SEED, "transfer", i), size_px=size_px)


def screening(count: int, size_px: int) -> Iterator[Phantom]:
    """Draw one eye of each person of the shipped recipe `screening`."""
    recipe = load_recipe("screening")
    for place in places(recipe, seed=SEED, count=2 * count)[::2]:
        yield phantom_of(sit(recipe, place, seed=SEED), size_px=size_px)


def scores(judge: Judge, seen: Seen) -> dict[str, float]:
    """Return Dice and clDice at the judge's threshold, and the AUC."""
    photo, fov, vessels = seen
    p = judge.probability(photo, fov)
    inside = vessels & fov.mask
    reference = vessel_mask(inside, fov.mask)
    estimate = vessel_mask((p >= judge.threshold) & fov.mask, fov.mask)
    found = compare_masks(estimate, reference, catalogue=SCORES)
    return {q.card.name: q.value for q in found} | {"auc": auc(p, inside, fov.mask).value}


def row_of(name: str, judge: Judge, seen: Iterable[Seen]) -> dict[str, Any]:
    """Return the mean of every score, and the lowest Dice, over a set."""
    found = [scores(judge, one) for one in seen]
    print(name, len(found), file=sys.stderr)
    mean = {key: float(np.mean([row[key] for row in found])) for key in found[0]}
    worst = min(row["dice"] for row in found)
    return {"set": name, "n": len(found)} | mean | {"lowest_dice": worst}


def on_phantoms(judge: Judge, count: int) -> list[dict[str, Any]]:
    """Return one row for each kind of phantom and size."""
    rows = []
    for draw in (plain, screening):
        for size_px in SIZES_PX:
            drawn = ((p.photograph, p.fov, p.vessel) for p in draw(count, size_px))
            rows.append(row_of(f"{draw.__name__} {size_px} px", judge, drawn))
    return rows


def on_photographs(judge: Judge, data: Path) -> list[dict[str, Any]]:
    """Return one row for each set of photographs."""

    def read(name: str) -> Iterator[Seen]:
        for record in (r for r in records if r.dataset == name):
            photo = read_photograph(record.path)
            vessels = read_mask(record.masks["vessel"], size_px=photo.size_px)
            yield photo, find_fov(photo), vessels

    records = test_records(data, SETS)
    return [row_of(name, judge, read(name)) for name in SETS]


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("on", choices=("phantoms", "photographs"))
    parser.add_argument("--judge", default="ours", help="as `retinaforge judges` names them")
    parser.add_argument("--count", type=int, default=20, help="phantoms of each kind")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    judge = load_judge(arguments.judge)
    if arguments.on == "phantoms":
        rows = on_phantoms(judge, arguments.count)
    else:
        rows = on_photographs(judge, arguments.data)
    if arguments.json:
        learnt = list(judge.card.training_data)
        print(json.dumps({"threshold": judge.threshold, "learnt_from": learnt, "results": rows},
                         indent=2))  # fmt: skip
        return
    print(f"{'set':<18} {'n':>3} {'Dice':>6} {'lowest':>7} {'clDice':>7} {'AUC':>6}")
    for row in rows:
        print(
            f"{row['set']:<18} {row['n']:>3} {row['dice']:6.3f} {row['lowest_dice']:7.3f} "
            f"{row['cldice']:7.3f} {row['auc']:6.3f}"
        )


if __name__ == "__main__":
    main()

"""How far landmarks move when the anatomy model looks at a disc once where that is enough.

    python benchmarks/landmark_looks.py --data ../shared/data

Photographs of the train rows of splits.csv, brought to 512 px as `retinaforge validate` does. Each
way of looking is set beside the library's default, two near looks at every disc:
Dice of the two discs as ellipses, shift of disc and fovea in disc diameters, CPU time.
Writes benchmarks/results/landmark_looks.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retinaforge.anatomy.model import AnatomyModel
from retinaforge.core import Fov, Landmarks, Photograph, artefacts
from retinaforge.images import find_fov, read_photograph
from retinaforge.images.geometry import normalise

HERE = Path(__file__).parent
SIZE_PX = 512
TAKEN = {"idrid_grading": 24, "chase_db1": 8, "hrf": 6, "drive": 8, "hei_med": 8}
WAYS = {
    "always twice": {},
    "settled 5 %": {"settled": 0.05},
    "settled 10 %": {"settled": 0.10},
    "settled 15 %": {"settled": 0.15},
    "settled 25 %": {"settled": 0.25},
}


def photographs(data: Path) -> list[tuple[str, Photograph, Fov]]:
    """Return train photographs on the footing, evenly taken from each set."""
    with (data / "splits.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    found = []
    for name, count in TAKEN.items():
        own = [row for row in rows if row["dataset"] == name]
        for k in np.linspace(0, len(own) - 1, min(count, len(own))).astype(int):
            photo = read_photograph(data / name / own[k]["image"])
            square = normalise(photo, find_fov(photo), size_px=SIZE_PX)
            found.append((f"{name}/{own[k]['image']}", square.photograph, square.fov))
    return found


def disc_of(marks: Landmarks) -> np.ndarray:
    """Return the disc as a mask; empty where none was found."""
    if marks.disc_centre_px is None or marks.disc_axes_px is None:
        return np.zeros((SIZE_PX, SIZE_PX), bool)
    (x, y), (a, b) = marks.disc_centre_px, marks.disc_axes_px
    row, column = np.ogrid[:SIZE_PX, :SIZE_PX]
    return ((column - x) / a) ** 2 + ((row - y) / b) ** 2 <= 1


def beside(usual: list[Landmarks], other: list[Landmarks]) -> dict[str, Any]:
    """Return how far the landmarks of one way lie from those of another."""
    dice, disc, fovea, cup = [], [], [], []
    for one, two in zip(usual, other, strict=True):
        if one.disc_axes_px is None or two.disc_axes_px is None:
            continue
        a, b = disc_of(one), disc_of(two)
        diameter = sum(one.disc_axes_px)
        dice.append(2 * (a & b).sum() / (a.sum() + b.sum()))
        disc.append(_apart(one.disc_centre_px, two.disc_centre_px) / diameter)
        if one.fovea_px is not None and two.fovea_px is not None:
            fovea.append(_apart(one.fovea_px, two.fovea_px) / diameter)
        if one.cup_axes_px is not None and two.cup_axes_px is not None:
            cup.append(abs(sum(one.cup_axes_px) / diameter
                           - sum(two.cup_axes_px) / sum(two.disc_axes_px)))  # fmt: skip
    return {
        "disc_dice_median": float(np.median(dice)), "disc_dice_least": float(min(dice)),
        "disc_shift_dd_median": float(np.median(disc)), "disc_shift_dd_most": float(max(disc)),
        "fovea_shift_dd_most": float(max(fovea, default=0.0)),
        "cup_to_disc_change_median": float(np.median(cup)) if cup else None,
        "cup_to_disc_change_most": float(max(cup, default=0.0)),
        **{
            f"{part}_found_by_one_only": sum(
                (getattr(a, field) is None) != (getattr(b, field) is None)
                for a, b in zip(usual, other, strict=True)
            )
            for part, field in
            (("disc", "disc_axes_px"), ("cup", "cup_axes_px"), ("fovea", "fovea_px"))
        },
    }  # fmt: skip


def _apart(one: Any, other: Any) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))


def main() -> None:
    """Measure every way and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "landmark_looks.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    photos = photographs(args.data)
    marks: dict[str, list[Landmarks]] = {}
    seconds: dict[str, float] = {}
    for way, options in WAYS.items():
        model = AnatomyModel(**options)
        model.landmarks(*photos[0][1:])
        start = time.process_time()
        marks[way] = [model.landmarks(photo, fov) for _, photo, fov in photos]
        seconds[way] = (time.process_time() - start) / len(photos)
    usual = marks[next(iter(WAYS))]
    table = {
        way: {"cpu_seconds_an_image": seconds[way], **beside(usual, found)}
        for way, found in marks.items()
    }
    result = {"images": len(photos), "taken": TAKEN, "split": "train", "size_px": SIZE_PX,
              "discs_found": sum(m.disc_axes_px is not None for m in usual),
              "ways": table, "environment": artefacts.environment()}  # fmt: skip
    artefacts.write_json(args.out, result)
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()

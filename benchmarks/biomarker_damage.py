"""How every biomarker column moves when a photograph is blurred or saved as JPEG.

Phantoms and ten real photographs of test rows, each measured as `retinaforge vessels` does it:
undamaged, blurred (Gaussian of 0.5, 1 and 2 units of the field's diameter / 512: 13, 26, 52 µm in a
field of 45°), and saved as JPEG of quality 90, 50 and 20. A column's change is damaged − undamaged
in percent of the mean of its undamaged absolute values; told are the median change, the median of
its absolute value, and how many photographs lost the column. Real photographs are given a scale as
of a field of 45°, so that columns in micrometres exist; relative changes hardly depend on it.

Run: OMP_NUM_THREADS=1 python benchmarks/biomarker_damage.py [--count 30] [--size 768]
     [--rows FILE.jsonl] [--data DIR] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from biomarker_eyes import (
    DATA,
    FOV_DEG,
    Values,
    cached_rows,
    columns,
    from_pixels,
    patient,
    rounded,
)
from retinaforge.core import Fov, Landmarks
from retinaforge.core.artefacts import environment
from retinaforge.images import find_fov, read_photograph
from retinaforge.phantoms import draw
from retinaforge.phantoms.params import UM_PER_DEG

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks/results/biomarker_damage.json"
FIRST_SEED = 40_000
BLURS = (0.5, 1.0, 2.0)
QUALITIES = (90, 50, 20)
SETS = ("chase_db1", "drive", "hrf", "idrid_segmentation", "les_av")
EACH = 2
SAFE_PERCENT = 5.0
"""A column is safe under a damage that moves it by no more than this, median, and loses none."""

DAMAGES = (*(f"blur {level:g}" for level in BLURS), *(f"JPEG {q}" for q in QUALITIES))


def blurred(pixels: np.ndarray, sigma_px: float) -> np.ndarray:
    """Return a photograph out of focus."""
    soft = ndimage.gaussian_filter(pixels.astype(np.float32), (sigma_px, sigma_px, 0))
    return np.clip(np.rint(soft), 0, 255).astype(np.uint8)


def every_way(pixels: np.ndarray, fov: Fov, known: Landmarks) -> dict[str, Values]:
    """Measure a photograph undamaged and damaged in every way."""
    unit_px = 2 * fov.radius_px / 512
    found = {"plain": from_pixels(pixels, known)[0]}
    for level in BLURS:
        found[f"blur {level:g}"] = from_pixels(blurred(pixels, level * unit_px), known)[0]
    for quality in QUALITIES:
        found[f"JPEG {quality}"] = from_pixels(pixels, known, jpeg=quality)[0]
    return found


def of_phantom(key: str, size_px: int) -> dict[str, Any]:
    """Draw a phantom and measure it in every way."""
    phantom = draw(int(key), size_px=size_px, params=patient(int(key)))
    known = Landmarks(eye=phantom.photograph.eye, um_per_px=phantom.px_um)
    return every_way(phantom.photograph.pixels, phantom.fov, known)


def of_photograph(key: str, data: Path) -> dict[str, Any]:
    """Measure a real photograph in every way."""
    photo = read_photograph(data / key)
    fov = find_fov(photo)
    um = FOV_DEG * UM_PER_DEG / (2 * fov.radius_px)
    return every_way(photo.pixels, fov, Landmarks(eye="OD", um_per_px=um))


def real_photographs(data: Path) -> list[str]:
    """Return the first test photographs of each set, as paths below the data folder."""
    rows = (data / "splits.csv").read_text(encoding="utf-8").splitlines()[1:]
    tests = [row.split(",") for row in rows if row.endswith(",test")]
    return [f"{name}/{path}" for name in SETS
            for path in [row[1] for row in tests if row[0] == name][:EACH]]  # fmt: skip


def change(column: str, damage: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how one column moves under one damage."""
    had = [row for row in rows if column in row["plain"]]
    both = np.array([(row["plain"][column], row[damage][column]) for row in had
                     if column in row[damage]]).reshape(-1, 2)  # fmt: skip
    told: dict[str, Any] = {"n": len(both), "lost": len(had) - len(both)}
    scale = float(np.abs(both[:, 0]).mean()) if len(both) else 0.0
    if scale > 0:
        moved = 100 * (both[:, 1] - both[:, 0]) / scale
        told |= {"median_percent": rounded(float(np.median(moved))),
                 "median_abs_percent": rounded(float(np.median(np.abs(moved))))}  # fmt: skip
    return told


def summarised(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return every column's change under every damage."""
    return {column: {damage: change(column, damage, rows) for damage in DAMAGES}
            for column in columns()}  # fmt: skip


def main() -> None:
    """Damage, measure, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=30, help="phantoms")
    parser.add_argument("--real", type=int, default=10, help="real photographs, at most 10")
    parser.add_argument("--size", type=int, default=768, help="side of the phantoms, pixels")
    parser.add_argument("--rows", type=Path, help="file of rows; a stopped run goes on from it")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    make: dict[str, tuple[list[str], Callable[[str], dict[str, Any]]]] = {
        "phantoms": ([str(FIRST_SEED + k) for k in range(options.count)],
                     lambda key: of_phantom(key, options.size)),
        "photographs": (real_photographs(options.data)[: options.real],
                        lambda key: of_photograph(key, options.data)),
    }  # fmt: skip
    parts = {name: cached_rows(keys, options.rows, how) for name, (keys, how) in make.items()}
    result = {
        "count": {name: len(rows) for name, rows in parts.items()},
        "size_px": options.size, "first_seed": FIRST_SEED, "safe_percent": SAFE_PERCENT,
        "photographs": make["photographs"][0], "environment": environment(),
        "columns": {name: summarised(rows) for name, rows in parts.items()},
    }  # fmt: skip
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

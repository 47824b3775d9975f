"""From which disagreement on two vessel judges should flag a photograph.

Training rows of CHASE_DB1 and HRF at 1024 px, each as it is and in eleven damaged versions. A
picture is harmless if it costs the first judge at most 0.05 of its Dice against the mask, and
harmful if it costs more than 0.25. The level is the lowest, in steps of 0.02, that no harmless
picture reaches. Test rows are not read.

Run: OMP_NUM_THREADS=1 python benchmarks/ensemble_level.py [--data DIR] [--rows 9]
     [--judge ours --judge classical] [--out benchmarks/results/ensemble_level.json]
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from retinaforge.core import Photograph, Record
from retinaforge.core.artefacts import environment
from retinaforge.images import find_fov, read_mask, read_photograph, read_records
from retinaforge.vessels import Ensemble, load_judge
from retinaforge.vessels.ensemble import disagreement

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "../shared/data"
SIDE_PX, STEP = 1024, 0.02
HARMLESS, HARMFUL = 0.05, 0.25
"""Loss of the first judge's Dice."""

Pixels = np.ndarray
Damage = Callable[[Pixels, np.random.Generator], Pixels]


def jpeg(quality: int) -> Damage:
    """Return compression by JPEG."""

    def damage(pixels: Pixels, _: np.random.Generator) -> Pixels:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "jpeg", quality=quality)
        return np.asarray(Image.open(buffer))

    return damage


def blur(sigma_px: float) -> Damage:
    """Return an even Gaussian blur."""
    return lambda pixels, _: ndimage.gaussian_filter(pixels, (sigma_px, sigma_px, 0))


def haze(share: float) -> Damage:
    """Return a veil: pixels moved by a share towards the mean colour."""
    return lambda pixels, _: ((1 - share) * pixels + share * pixels.mean((0, 1))).astype(np.uint8)


def noise(levels: float) -> Damage:
    """Return Gaussian noise of a standard deviation in grey levels."""
    return lambda pixels, rng: (
        (pixels + rng.normal(0, levels, pixels.shape)).clip(0, 255).astype(np.uint8)
    )


def dark(gain: float) -> Damage:
    """Return less light."""
    return lambda pixels, _: (pixels * gain).astype(np.uint8)


def half_washed_out(pixels: Pixels, _: np.random.Generator) -> Pixels:
    """Wash out one half, more and more towards its border."""
    share = np.clip(np.linspace(-1, 1, pixels.shape[1]), 0, 0.95)[None, :, None]
    return (pixels * (1 - share) + share * np.array([235, 200, 170])).astype(np.uint8)


DAMAGES: dict[str, Damage | None] = {
    "as it is": None,
    "jpeg 40": jpeg(40), "jpeg 12": jpeg(12),
    "blur 1.5 px": blur(1.5), "blur 3 px": blur(3.0), "blur 6 px": blur(6.0),
    "haze 0.4": haze(0.4), "haze 0.75": haze(0.75),
    "noise 10": noise(10), "noise 30": noise(30),
    "dark 0.3": dark(0.3),
    "half washed out": half_washed_out,
}  # fmt: skip


def chosen(data: Path, count: int) -> list[Record]:
    """Return training rows with vessel masks, evenly from both sets."""
    rows = [r for r in read_records(data) if r.split == "train" and "vessel" in r.masks]
    halves = [[r for r in rows if r.dataset == name] for name in ("chase_db1", "hrf")]
    wanted = (math.ceil(count / 2), count // 2)
    picked = []
    for own, n in zip(halves, wanted, strict=True):
        if n:
            picked += [own[k] for k in np.linspace(0, len(own) - 1, n).round().astype(int)]
    return picked


def small(record: Record) -> tuple[Pixels, np.ndarray]:
    """Return a photograph and its mask, 1024 px along the longer side."""
    photo = read_photograph(record.path)
    mask = read_mask(record.masks["vessel"], size_px=photo.size_px)
    scale = SIDE_PX / max(photo.size_px)
    size = tuple(round(side * scale) for side in photo.size_px[::-1])
    pixels = Image.fromarray(photo.pixels).resize(size, Image.Resampling.LANCZOS)
    cover = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    return np.asarray(pixels), np.asarray(cover) >= 128


def look(both: Ensemble, record: Record, seed: int) -> list[dict[str, Any]]:
    """Return a row for each version of one photograph."""
    pixels, truth = small(record)
    fov = find_fov(Photograph(pixels, record.name))
    found = []
    for number, (name, damage) in enumerate(DAMAGES.items()):
        rng = np.random.default_rng((seed, number))
        photo = Photograph(damage(pixels, rng) if damage else pixels, record.name)
        verdict = both.look(photo, fov)
        first = both.judges[0].mask(photo, fov) & fov.mask
        dice = 1 - disagreement([first, truth & fov.mask])
        found.append({"name": record.name, "damage": name, "dice": dice,
                      "disagreement": verdict.disagreement})  # fmt: skip
        print(record.name, name, f"{dice:.3f} {verdict.disagreement:.3f}", file=sys.stderr)
    for row in found:
        row["cost"] = found[0]["dice"] - row["dice"]
    return found


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the level and how many harmless and harmful pictures reach it."""
    harmless = [r["disagreement"] for r in rows if r["cost"] <= HARMLESS]
    harmful = [r["disagreement"] for r in rows if r["cost"] > HARMFUL]
    level = round((math.floor(max(harmless) / STEP) + 1) * STEP, 2)
    by_damage = {
        name: {key: float(np.mean([r[key] for r in rows if r["damage"] == name]))
               for key in ("cost", "disagreement")}
        for name in DAMAGES
    }  # fmt: skip
    return {
        "level": level,
        "harmless": len(harmless), "harmless_flagged": sum(d >= level for d in harmless),
        "harmful": len(harmful), "harmful_flagged": sum(d >= level for d in harmful),
        "by_damage": by_damage,
    }  # fmt: skip


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rows", type=int, default=9)
    parser.add_argument("--judge", action="append")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    names = options.judge or ["ours", "classical"]
    both = Ensemble([load_judge(name) for name in names], flag_level=1.0)
    records = chosen(options.data, options.rows)
    rows = [row for seed, r in enumerate(records) for row in look(both, r, seed)]
    result = {"judges": [judge.card.as_dict() for judge in both.judges], "side_px": SIDE_PX,
              "photographs": len(records), **summary_of(rows), "rows": rows,
              "environment": environment()}  # fmt: skip
    print(json.dumps({k: v for k, v in result.items() if k not in ("rows", "judges")}, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

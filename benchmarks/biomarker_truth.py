"""Every biomarker column against its true value, on phantoms.

Measured from the phantom's true masks, kinds and landmarks ("masks"), and from its photograph, in
which the shipped models find vessels, arteries and veins, disc, cup and fovea as
`retinaforge vessels` does ("photographs"; told only which eye it is and the scale). The truth is
    closed form           on the vessels that were drawn, nothing rasterised (biomarker_exact.py)
    drawn twice as fine   the same measure on true masks of twice the size
    true masks            the value on the true masks: another package's definition that counts
                          in pixels has no truth beyond the size of the picture
Differences are measured − true: bias and 95 % limits of agreement (Bland and Altman 1986), in the
column's unit and in percent of the mean truth.

Run: OMP_NUM_THREADS=1 python benchmarks/biomarker_truth.py [--count 60] [--size 768]
     [--rows FILE.jsonl] [--out FILE.json] [--plot FILE.png]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from biomarker_exact import exact_values
from biomarker_eyes import (
    cached_rows,
    columns,
    from_masks,
    from_photograph,
    patient,
    rounded,
    twice_as_fine,
)
from retinaforge.core.artefacts import environment
from retinaforge.metrics import limits_of_agreement
from retinaforge.metrics.agreement import FEWEST
from retinaforge.phantoms import draw
from retinaforge.vessels.biomarkers import BIOMARKERS

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks/results/biomarker_truth.json"
PLOT = ROOT / "docs/assets/biomarkers/bland-altman.png"
FIRST_SEED = 20_000
"""No shipped network was trained on phantoms of these seeds."""

WAYS = ("masks", "photographs")
CLOSED, FINE, ITSELF = "closed form", "drawn twice as fine", "true masks"
MOST_USED = (
    "area_density", "length_density", "calibre_mean_um", "crae_knudtson_zone_b_um",
    "crve_knudtson_zone_b_um", "avr_knudtson_zone_b", "tortuosity", "artery_tortuosity",
    "branching_angle_deg", "box_dimension", "lacunarity_64", "bifurcations",
    "artery_vein_crossings", "vertical_cup_to_disc", "disc_fovea_dd", "avascular_zone_radius_um",
)  # fmt: skip
CARDS = {biomarker.card.column: biomarker.card for biomarker in BIOMARKERS}


def measure(key: str, size_px: int) -> dict[str, Any]:
    """Draw one phantom and measure it every way."""
    phantom = draw(int(key), size_px=size_px, params=patient(int(key)))
    exact = {name: v for name, v in exact_values(phantom).items() if np.isfinite(v)}
    masks, photograph = from_masks(phantom), from_photograph(phantom)
    return {"exact": exact, "closed": sorted(exact_values(phantom)), "fine": twice_as_fine(phantom),
            "masks": masks[0], "masks_why": masks[1],
            "photographs": photograph[0], "photographs_why": photograph[1]}  # fmt: skip


def truth_kind(column: str, closed: set[str]) -> str:
    """Return which truth a column is held against."""
    if column in closed:
        return CLOSED
    return ITSELF if ":" in CARDS[column].name else FINE


def summarise(column: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the agreement of one column, both ways."""
    kind = truth_kind(column, {name for row in rows for name in row["closed"]})
    source = {CLOSED: "exact", FINE: "fine", ITSELF: "masks"}[kind]
    found: dict[str, Any] = {"truth": kind, "unit": CARDS[column].unit}
    found["truth_known"] = sum(column in row[source] for row in rows)
    for way in WAYS:
        if way == "masks" and kind == ITSELF:
            continue
        own = [row for row in rows if column in row[source]]
        pairs = [(row[source][column], row[way][column]) for row in own if column in row[way]]
        found[way] = agreement(np.array(pairs).reshape(-1, 2)) | {
            "missing": dict(Counter(row[f"{way}_why"].get(column, "?") for row in own
                                    if column not in row[way])),
            "measured_where_undefined": sum(column in row[way] for row in rows
                                            if column not in row[source]),
        }  # fmt: skip
        if column in MOST_USED:
            found[way]["points"] = [[rounded(a), rounded(b)] for a, b in pairs]
    return found


def agreement(pairs: np.ndarray) -> dict[str, Any]:
    """Return bias and limits of (true, measured) pairs; None where there are too few."""
    if len(pairs) < FEWEST:
        return {"n": len(pairs)}
    limits = limits_of_agreement(pairs[:, 1] - pairs[:, 0])
    numbers = {"bias": limits.bias, "low": limits.low, "high": limits.high}
    mean = abs(float(pairs[:, 0].mean()))
    relative = {f"{name}_percent": rounded(100 * value / mean) if mean > 0 else None
                for name, value in numbers.items()}  # fmt: skip
    return {"n": limits.n, "mean_truth": rounded(float(pairs[:, 0].mean()))} | {
        name: rounded(value) for name, value in numbers.items()
    } | relative  # fmt: skip


def plot(result: dict[str, Any], file: Path) -> None:
    """Draw Bland and Altman's plots of the most used columns."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(4, 4, figsize=(14, 11), constrained_layout=True)
    colours = {"masks": "#0072B2", "photographs": "#D55E00"}
    for panel, column in zip(axes.flat, MOST_USED, strict=True):
        told = result["columns"].get(column, {})
        for way in reversed(WAYS):
            points = np.array(told.get(way, {}).get("points", [])).reshape(-1, 2)
            panel.plot(points.mean(axis=1), points[:, 1] - points[:, 0], ".", color=colours[way],
                       label=way, markersize=4)  # fmt: skip
            for name, style in (("bias", "-"), ("low", ":"), ("high", ":")):
                if (level := told.get(way, {}).get(name)) is not None:
                    panel.axhline(level, color=colours[way], linestyle=style, linewidth=1)
        panel.axhline(0, color="grey", linewidth=0.5)
        panel.set_title(column, fontsize=9)
        panel.tick_params(labelsize=7)
    figure.supxlabel("mean of measured and true value")
    figure.supylabel("measured − true")
    handles, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=2, frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90)


def main() -> None:
    """Measure phantoms and write JSON and plot."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=60, help="phantoms")
    parser.add_argument("--size", type=int, default=768, help="side of the photograph, pixels")
    parser.add_argument("--rows", type=Path, help="file of rows; a stopped run goes on from it")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--plot", type=Path, default=PLOT)
    options = parser.parse_args()
    keys = [str(FIRST_SEED + k) for k in range(options.count)]
    rows = cached_rows(keys, options.rows, lambda key: measure(key, options.size))
    result = {
        "count": options.count, "size_px": options.size, "first_seed": FIRST_SEED,
        "environment": environment(),
        "columns": {column: summarise(column, rows) for column in columns()},
    }  # fmt: skip
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    plot(result, options.plot)


if __name__ == "__main__":
    main()

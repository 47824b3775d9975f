"""Test and retest: the same eye photographed by two cameras, every biomarker column.

Each phantom's fundus is photographed twice, as a Canon CR5 and as a Zeiss Visucam Pro would (45°
each; aim, light, focus, noise and JPEG are each photograph's own), and measured as
`retinaforge vessels` does it. ICC(A,1) with its 95 % interval over eyes that both photographs gave
a value for. Beside it the same of the true masks of the two photographs: what aim alone costs.
`--card` writes what the biomarkers' cards show.

Run: OMP_NUM_THREADS=1 python benchmarks/biomarker_retest.py [--count 60] [--size 768]
     [--rows FILE.jsonl] [--out FILE.json] [--card FILE.json]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from biomarker_eyes import cached_rows, columns, from_masks, from_photograph, patient, rounded
from retinaforge.core.artefacts import environment
from retinaforge.metrics import icc_a1
from retinaforge.phantoms import draw_fundus
from retinaforge.phantoms.params import CameraParams
from retinaforge.phantoms.phantom import photograph_fundus
from retinaforge.vessels.biomarkers import BIOMARKERS

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks/results/biomarker_retest.json"
CARD = ROOT / "src/retinaforge/vessels/biomarkers/retest.json"
FIRST_SEED = 30_000
CAMERAS = tuple(
    CameraParams(model=model, fov_deg=45.0)
    for model in ("like_canon_cr5", "like_zeiss_visucam_pro")
)
FEWEST = 5
"""Fewer eyes than this tell nothing of a correlation."""

VERSIONS = {biomarker.card.column: biomarker.card.version for biomarker in BIOMARKERS}


def measure(key: str, size_px: int) -> dict[str, Any]:
    """Photograph one eye with every camera and measure it."""
    params = patient(int(key))
    fundus = draw_fundus(int(key), params=params)
    shots = [photograph_fundus(fundus, camera, size_px=size_px, params=params, shot=number)
             for number, camera in enumerate(CAMERAS)]  # fmt: skip
    return {"masks": [from_masks(shot)[0] for shot in shots],
            "photographs": [from_photograph(shot)[0] for shot in shots]}  # fmt: skip


def correlate(column: str, way: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return ICC and interval of one column, or why there is none."""
    both = [[shot[column] for shot in row[way]] for row in rows
            if all(column in shot for shot in row[way])]  # fmt: skip
    table = np.array(both, dtype=float).reshape(-1, len(CAMERAS))
    if len(table) < FEWEST:
        return {"icc": None, "n": len(table), "reason": f"measured twice in {len(table)} eyes only"}
    found = icc_a1(table)
    if not np.isfinite(found.value):
        return {"icc": None, "n": found.n, "reason": "the same in every eye"}
    return {"icc": rounded(found.value), "low": rounded(found.low), "high": rounded(found.high),
            "n": found.n}  # fmt: skip


def card_file(result: dict[str, Any]) -> dict[str, Any]:
    """Return what the cards show: of photographs, with the version of each column measured."""
    told = {column: {"version": VERSIONS[column], **ways["photographs"]}
            for column, ways in result["columns"].items()}  # fmt: skip
    made = {key: result[key] for key in ("about", "count", "size_px", "first_seed")}
    return {"made_by": "benchmarks/biomarker_retest.py", **made,
            "git": result["environment"]["git"], "columns": told}  # fmt: skip


def main() -> None:
    """Measure eyes twice; write the result, and the cards' file where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=60, help="eyes")
    parser.add_argument("--size", type=int, default=768, help="side of the photographs, pixels")
    parser.add_argument("--rows", type=Path, help="file of rows; a stopped run goes on from it")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--card", type=Path, default=CARD)
    options = parser.parse_args()
    keys = [str(FIRST_SEED + k) for k in range(options.count)]
    rows = cached_rows(keys, options.rows, lambda key: measure(key, options.size))
    result = {
        "about": "the same phantom eyes photographed by two cameras of 45 degrees, "
                 + " and ".join(str(camera.model) for camera in CAMERAS),
        "count": options.count, "size_px": options.size, "first_seed": FIRST_SEED,
        "environment": environment(),
        "columns": {column: {way: correlate(column, way, rows) for way in ("masks", "photographs")}
                    for column in columns()},
    }  # fmt: skip
    for file, content in ((options.out, result), (options.card, card_file(result))):
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

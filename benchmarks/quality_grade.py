"""The quality grade on photographs whose quality somebody else noted: ODIR and HEI-MED.

Neither set was learnt from, nor were thresholds or columns chosen on them. ODIR: the physicians'
keywords an eye (lens dust, which the data set here marks as quality=low; cataract and other
opacities) against "normal fundus". HEI-MED: the publisher's ELVD quality value, 0-1. Told are rank
correlation and AUC of the severity P(usable) + 2 P(reject), with 95 % bootstrap intervals over
patients, beside those of single numbers; and the grades of every set, DRIVE and LES-AV too.
What the model does on held-out damaged photographs and phantoms is taken from its own card.

Run: OMP_NUM_THREADS=1 python benchmarks/quality_grade.py [--data DIR] [--rows FILE.jsonl]
     [--sheet FILE.png] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import stats

from retinaforge.audits import quality
from retinaforge.audits.quality import GRADES, shipped_model
from retinaforge.core import Record, rng_for
from retinaforge.core.artefacts import environment, write_json
from retinaforge.images import find_fov, normalise, read_photograph, read_records
from retinaforge.metrics.quality_vector import VECTOR_NAMES, WORKING_SIZES_PX, quality_vector

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "../shared/data"
OUT = ROOT / "benchmarks/results/quality_grade.json"
SIZE_PX, REPEATS = 512, 2000
CHECKED = ("odir", "hei_med")
SETS = (*CHECKED, "drive", "les_av")
OPACITIES = ("cataract", "refractive media opacity", "vitreous opacity")
NORMAL = "normal fundus"
POOR_BELOW = 0.5
"""Half of the ELVD value's range; the publisher names no threshold."""

SINGLE = ("tenengrad", "laplacian_variance", "local_contrast", "contrast", "brightness")
Row = dict[str, Any]
Statistic = Callable[[np.ndarray, np.ndarray], float]


def measured(record: Record) -> Row:
    """Measure one photograph on the footing of `retinaforge validate`; no model is involved."""
    photo = read_photograph(record.path)
    made = normalise(photo, find_fov(photo), size_px=SIZE_PX)
    x = quality_vector(made.photograph.pixels, made.fov.mask, size_px=WORKING_SIZES_PX[-1])
    return {
        "name": record.name, "set": record.dataset, "patient": record.patient,
        "labels": record.columns.get("labels", ""), "caption": record.columns.get("caption", ""),
        "numbers": x.tolist(),
    }  # fmt: skip


def rows_of(records: list[Record], kept: Path | None) -> list[Row]:
    """Measure what an interrupted run has not kept."""
    known: dict[str, Row] = {}
    if kept and kept.exists():
        known = {row["name"]: row for row in map(json.loads, kept.read_text().splitlines())}
    for record in records:
        if record.name in known:
            continue
        known[record.name] = measured(record)
        if kept:
            with kept.open("a") as stream:
                stream.write(json.dumps(known[record.name]) + "\n")
    return [known[record.name] | graded(known[record.name]) for record in records]


def graded(row: Row) -> Row:
    """Return the shipped model's grade of a measured photograph."""
    x, working = np.array(row["numbers"]), WORKING_SIZES_PX[-1]
    return asdict(shipped_model().grade_numbers(x, size_px=working, shown_px=SIZE_PX))


def auc(poor: np.ndarray, value: np.ndarray) -> float:
    """Return P(value of a poor one > of another), ties half; NaN without both."""
    if poor.all() or not poor.any():
        return float("nan")
    ranks = stats.rankdata(value)
    n = poor.sum()
    return float((ranks[poor].sum() - n * (n + 1) / 2) / (n * (~poor).sum()))


def spearman(noted: np.ndarray, value: np.ndarray) -> float:
    """Return the rank correlation."""
    if np.ptp(noted) == 0 or np.ptp(value) == 0:
        return float("nan")
    return float(stats.spearmanr(noted, value).statistic)


def with_interval(
    statistic: Statistic, noted: np.ndarray, value: np.ndarray, patients: list[str]
) -> dict[str, Any]:
    """Return a statistic with its 95 % bootstrap interval over patients."""
    rng = rng_for(0, "quality_grade")
    names = sorted(set(patients))
    rows = {name: [i for i, p in enumerate(patients) if p == name] for name in names}
    drawn = []
    for _ in range(REPEATS):
        chosen = [i for k in rng.integers(len(names), size=len(names)) for i in rows[names[k]]]
        drawn.append(statistic(noted[chosen], value[chosen]))
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return {"value": round(statistic(noted, value), 3),
            "interval": [round(float(low), 3), round(float(high), 3)],
            "n": len(noted)}  # fmt: skip


def against(statistic: Statistic, rows: list[Row], noted: np.ndarray) -> dict[str, Any]:
    """Return the statistic of the severity, and of single numbers, on the same photographs."""
    patients = [row["patient"] for row in rows]
    severity = np.array([row["severity"] for row in rows])
    table = np.array([row["numbers"] for row in rows])
    single = {
        f"minus {name}": round(statistic(noted, -table[:, VECTOR_NAMES.index(name)]), 3)
        for name in SINGLE
    }
    return {"severity": with_interval(statistic, noted, severity, patients), "single": single}


def grades(rows: list[Row]) -> dict[str, int]:
    """Count the grades."""
    return {name: sum(row["grade"] == name for row in rows) for name in GRADES}


def odir(rows: list[Row]) -> dict[str, Any]:
    """Return what the grade makes of ODIR's keywords."""
    words = [set(row["caption"].split(", ")) for row in rows]
    normal = np.array([NORMAL in w for w in words])
    low = np.array(["quality=low" in row["labels"] for row in rows])
    opaque = np.array([bool(w & set(OPACITIES)) for w in words])
    chosen = [i for i in range(len(rows)) if normal[i] or (opaque[i] and not low[i])]
    part = [rows[i] for i in chosen]
    return {
        "grades": grades(rows),
        "grades_quality_low": grades([r for r, f in zip(rows, low, strict=True) if f]),
        "grades_opacity": grades([r for r, f in zip(rows, opaque, strict=True) if f]),
        "grades_normal": grades([r for r, f in zip(rows, normal, strict=True) if f]),
        "n_quality_low": int(low.sum()), "n_opacity": int(opaque.sum()),
        "n_normal": int(normal.sum()),
        "auc_quality_low_against_all_others": against(auc, rows, low),
        "auc_opacity_against_normal": against(auc, part, opaque[chosen]),
    }  # fmt: skip


def hei_med(rows: list[Row]) -> dict[str, Any]:
    """Return what the grade makes of HEI-MED's quality value."""
    elvd = np.array([float(row["labels"].split("elvd_quality=")[1].split(";")[0]) for row in rows])
    poor = elvd < POOR_BELOW
    return {
        "grades": grades(rows),
        "grades_below_half": grades([r for r, f in zip(rows, poor, strict=True) if f]),
        "n_below_half": int(poor.sum()),
        "spearman_with_elvd": against(spearman, rows, elvd),
        "auc_below_half": against(auc, rows, poor),
    }


def sheet(rows: list[Row], data: Path, path: Path, *, each: int = 10) -> None:
    """Draw the best and the worst of each checked set, for a person's eyes only."""
    lines = []
    for name in CHECKED:
        ranked = sorted((r for r in rows if r["set"] == name), key=lambda r: r["severity"])
        for chosen in (ranked[:each], ranked[-each:]):
            lines.append(np.hstack([_tile(data / row["name"]) for row in chosen]))
            said = [(r["grade"], round(r["severity"], 2), r["caption"][:40], r["labels"][-18:],
                     r["reason"]) for r in chosen]  # fmt: skip
            print(name, *said, sep="\n  ")
    Image.fromarray(np.vstack(lines)).save(path)


def _tile(path: Path) -> np.ndarray:
    photo = read_photograph(path)
    return normalise(photo, find_fov(photo), size_px=224).photograph.pixels


def main() -> None:
    """Measure, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    records = [r for r in read_records(args.data) if r.dataset in SETS]
    rows = rows_of(records, args.rows)
    by_set = {name: [row for row in rows if row["set"] == name] for name in SETS}
    model = json.loads((resources.files("retinaforge.audits") / quality.SHIPPED).read_text())
    result = {
        "size_px": SIZE_PX, "bootstrap": REPEATS, "model": model["card"],
        "odir": odir(by_set["odir"]), "hei_med": hei_med(by_set["hei_med"]),
        **{name: {"grades": grades(by_set[name])} for name in SETS if name not in CHECKED},
        "environment": environment(),
    }  # fmt: skip
    write_json(args.out, result)
    print(json.dumps({key: result[key] for key in SETS}, indent=1))
    if args.sheet:
        sheet(rows, args.data, args.sheet)


if __name__ == "__main__":
    main()

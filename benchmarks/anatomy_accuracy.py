"""How well the shipped models find disc, cup, fovea and lesions.

Disc: IDRiD's test rows, never learnt from. Disc and cup: Drishti-GS crops, another camera's and of
research use only, so they only judge. All three on phantoms of another seed. Lesions: IDRiD's test
rows; area under precision and recall over all pixels of all photographs, as in the IDRiD challenge,
and precision and recall of lesions at the shipped level.

Run: OMP_NUM_THREADS=1 python benchmarks/anatomy_accuracy.py [--data DIR] [--out FILE]
     [--parts idrid drishti phantoms lesions] [--anatomy ours] [--lesions ours]
Afterwards `python tools/segmenter_tables.py` writes docs/reference/segmenter-results.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from retinaforge.anatomy import (
    LESION_TYPES,
    AnatomyModel,
    LesionModel,
    load_anatomy,
    load_lesions,
)
from retinaforge.core import Landmarks
from retinaforge.core.artefacts import environment
from retinaforge.images import find_fov, read_index_mask, read_photograph, read_records
from retinaforge.tasks.anatomy_data import anatomy_population, draw_population, eye_of_record
from retinaforge.tasks.anatomy_run import hide_fovea, shows_fovea
from retinaforge.tasks.lesion_samples import lesion_records, read_lesions

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "../shared/data"
OUT = ROOT / "benchmarks/results/anatomy_accuracy.json"
PHANTOMS, PHANTOM_SEED, PHANTOM_PX = 60, 4, 640
BINS = 1000
COVERED = 0.25
"""Share of a lesion that must be marked for it to be found, and of a mark that must be lesion."""

Rows = list[dict[str, float]]


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return 2 |A ∩ B| / (|A| + |B|)."""
    return 2.0 * int((a & b).sum()) / max(1, int(a.sum()) + int(b.sum()))


def height_of(mask: np.ndarray) -> float:
    """Return the vertical extent of a mask, in pixels."""
    return float(np.count_nonzero(mask.any(axis=1)))


def vertical_ratio(found: Landmarks) -> float:
    """Return cup over disc height; 0 where no cup, NaN where no disc was found."""
    if found.disc_axes_px is None:
        return float("nan")
    return 0.0 if found.cup_axes_px is None else found.cup_axes_px[1] / found.disc_axes_px[1]


def on_idrid(model: AnatomyModel, data: Path) -> Iterator[dict[str, float]]:
    """Yield each test row's disc Dice and centre error in disc diameters."""
    for record in read_records(data):
        if record.dataset != "idrid_segmentation" or record.split != "test":
            continue
        eye = eye_of_record(record)
        maps, found = model.maps(eye.photo, eye.fov), model.landmarks(eye.photo, eye.fov)
        rows, columns = np.nonzero(eye.disc)
        at = found.disc_centre_px or (float("nan"), float("nan"))
        away = np.hypot(at[0] - columns.mean(), at[1] - rows.mean()) / height_of(eye.disc)
        score = dice(maps.disc >= model.levels["disc"], eye.disc & eye.fov.mask)
        yield {"disc_dice": score, "disc_centre_dd": float(away)}


def on_drishti(model: AnatomyModel, data: Path) -> Iterator[dict[str, float]]:
    """Yield each crop's Dice of disc and cup and the error of the vertical ratio."""
    for record in read_records(data):
        if record.dataset != "drishti_gs_crops":
            continue
        photo = read_photograph(record.path)
        fov = find_fov(photo)
        disc = read_index_mask(record.masks["disc"], size_px=photo.size_px)
        cup = read_index_mask(record.masks["cup"], at_least=2, size_px=photo.size_px)
        maps = model.maps(photo, fov)
        ratio = vertical_ratio(model.landmarks(photo, fov))
        yield {
            "disc_dice": dice(maps.disc >= model.levels["disc"], disc),
            "cup_dice": dice(maps.cup >= model.levels["cup"], cup),
            "vertical_ratio_error": ratio - height_of(cup) / height_of(disc),
        }


def on_phantoms(model: AnatomyModel) -> Iterator[dict[str, float]]:
    """Yield each phantom's errors; a fovea missed or invented counts as 1."""
    for phantom in draw_population(
        anatomy_population(), PHANTOMS, seed=PHANTOM_SEED, size_px=PHANTOM_PX
    ):
        photo, fov, diameter = phantom.photograph, phantom.fov, 2 * phantom.disc_radius_px
        maps = model.maps(photo, fov)
        found = model.landmarks(replace(photo, eye=None), fov)
        hidden = model.landmarks(*hide_fovea(phantom))
        at = found.disc_centre_px or (float("nan"), float("nan"))
        row = {
            "disc_dice": dice(maps.disc >= model.levels["disc"], phantom.disc),
            "cup_dice": dice(maps.cup >= model.levels["cup"], phantom.cup),
            "disc_centre_dd": float(np.hypot(*np.subtract(at, phantom.disc_centre_px))) / diameter,
            "vertical_ratio_error": vertical_ratio(found)
            - phantom.fundus.layout.cup_axes_um[1] / phantom.fundus.layout.disc_axes_um[1],
            "fovea_invented_where_hidden": float(hidden.fovea_px is not None),
        }
        if shows_fovea(phantom):
            row["fovea_missed"] = float(found.fovea_px is None)
            if found.fovea_px is not None:
                away = float(np.hypot(*np.subtract(found.fovea_px, phantom.fovea_px))) / diameter
                row |= {"fovea_dd": away, "fovea_within_quarter_dd": float(away <= 0.25)}
                row["side_wrong"] = float(found.eye != photo.eye)
        yield row


def summarised(rows: Iterable[dict[str, float]]) -> dict[str, Any]:
    """Return mean, median and worst of each column; of errors also the mean size."""
    rows = list(rows)
    table: dict[str, Any] = {"n": len(rows)}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = np.array([row[key] for row in rows if key in row])
        undefined, values = int(np.isnan(values).sum()), values[~np.isnan(values)]
        table[key] = {
            "n": len(values), "undefined": undefined, "mean": float(values.mean()),
            "median": float(np.median(values)), "least": float(values.min()),
            "most": float(values.max()), "mean_size": float(np.abs(values).mean()),
        }  # fmt: skip
    return table


def average_precision(hit: np.ndarray, marked: np.ndarray) -> float:
    """Return Σ (R_k - R_{k-1}) P_k over thresholds from high to low, from counts a bin of p."""
    hits, marks = np.cumsum(hit[::-1]), np.cumsum(marked[::-1])
    precision = hits / np.maximum(marks, 1)
    recall = hits / max(1, hits[-1])
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def lesions_found(mark: np.ndarray, truth: np.ndarray) -> dict[str, int]:
    """Count lesions and those found, marks and those that are right."""
    counts = {}
    for name, mask, other in (("lesions", truth, mark), ("marks", mark, truth)):
        labels, number = ndimage.label(mask, structure=np.ones((3, 3)))
        share = ndimage.mean(other.astype(np.float32), labels, np.arange(1, number + 1))
        counts[name] = number
        counts[f"{name}_right"] = int(np.sum(np.asarray(share) >= COVERED)) if number else 0
    return counts


def on_lesions(model: LesionModel, data: Path, *, split: str = "test") -> dict[str, Any]:
    """Return for each kind the area under precision and recall and the lesions' own scores."""
    hit = {kind: np.zeros(BINS) for kind in LESION_TYPES}
    marked = {kind: np.zeros(BINS) for kind in LESION_TYPES}
    counts: dict[str, dict[str, int]] = {kind: {} for kind in LESION_TYPES}
    found = lesion_records(data, split=split)
    for each in found:
        photo, fov, masks = read_lesions(each)
        for kind, p in model.maps(photo, fov).items():
            truth = masks[kind]
            bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
            marked[kind] += np.bincount(bins.ravel(), minlength=BINS)
            hit[kind] += np.bincount(bins[truth], minlength=BINS)
            for key, value in lesions_found(p >= model.levels[kind], truth).items():
                counts[kind][key] = counts[kind].get(key, 0) + value
        print(each.record.name, file=sys.stderr)
    table: dict[str, Any] = {"n": len(found)}
    for kind in LESION_TYPES:
        c = counts[kind]
        table[kind] = {
            "area_under_precision_recall": average_precision(hit[kind], marked[kind]),
            "level": model.levels[kind],
            "precision": c["marks_right"] / max(1, c["marks"]),
            "recall": c["lesions_right"] / max(1, c["lesions"]),
            **c,
        }
    return table


def main() -> None:
    """Write the JSON and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--anatomy", default="ours")
    parser.add_argument("--lesions", default="ours")
    parts = ("idrid", "drishti", "phantoms", "lesions")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    if set(arguments.parts) - {"lesions"}:
        model = load_anatomy(arguments.anatomy)
    if "idrid" in arguments.parts:
        results["idrid_test"] = summarised(on_idrid(model, arguments.data))
    if "drishti" in arguments.parts:
        results["drishti_gs_crops"] = summarised(on_drishti(model, arguments.data))
    if "phantoms" in arguments.parts:
        results["phantoms"] = summarised(on_phantoms(model))
    if "lesions" in arguments.parts:
        results["lesions_idrid_test"] = on_lesions(load_lesions(arguments.lesions), arguments.data)
    environments = results.pop("environments", {})
    results["environments"] = environments | dict.fromkeys(arguments.parts, environment())
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()

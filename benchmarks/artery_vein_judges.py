"""How well arteries and veins are named, set by set, pixel by pixel and along the traced trees.

Test rows of HRF, the test images of DRIVE (labels of its second observer) and all of LES-AV; inside
the field of view that the package finds; at the photographs' own size. Pixels of crossings and of
uncertain name do not count towards names; crossings count for both kinds in Dice.

    in reference   share rightly named of the reference's vessel pixels
    on found       the same of those that the judge itself finds
    Dice a, v      overlap of found arteries and veins with the reference's
    sens., spec.   share of the reference's found artery pixels called artery, of vein called vein

Run: OMP_NUM_THREADS=1 python benchmarks/artery_vein_judges.py [--data DIR] [--judges ours ...]
     [--split test] [--sets les_av ...] [--overlays DIR] [--out FILE]
A judge measured again replaces itself in the result file, the others stay; afterwards
`python tools/segmenter_tables.py` writes docs/reference/segmenter-results.md. Only test rows go
into the result file of the repository.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from judged_results import keep_results
from retinaforge.core import Fov, Photograph, Record
from retinaforge.images import find_fov, read_photograph, read_records
from retinaforge.images.artery_vein import ArteryVein, read_artery_vein_mask
from retinaforge.vessels import JudgeCard
from retinaforge.vessels.artery_vein import ArteryVeinJudge, name_vessels, named_rightly
from retinaforge.vessels.catalogue import load_artery_vein_judge

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "../shared/data"
OUT = ROOT / "benchmarks/results/artery_vein_judges.json"
LITTLE = ("weights/lwnet_av_drive", "weights/lwnet_av_hrf_1024")
SETS = ("hrf", "drive", "les_av")
COLUMNS = ("in reference", "on found", "found", "dice a", "dice v", "sens.", "spec.")


def records_of(data: Path, split: str, sets: list[str]) -> list[Record]:
    """Return the rows of a split of some sets with an artery/vein mask."""
    records = read_records(data)
    return [
        r for r in records if r.dataset in sets and r.split == split and "artery_vein" in r.masks
    ]


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    """Return 2 |A ∩ B| / (|A| + |B|)."""
    return 2.0 * int((found & truth).sum()) / max(1, int(found.sum() + truth.sum()))


def measure(
    judge: ArteryVeinJudge, photo: Photograph, fov: Fov, truth: ArteryVein
) -> tuple[dict[str, dict[str, float]], np.ndarray]:
    """Return scores by pixel and along trees, and a picture of the names along trees."""
    maps = judge.maps(photo, fov)
    found = (maps.vessel >= judge.threshold) & fov.mask
    certain = truth.one_name & fov.mask
    rows, picture = {}, np.zeros((*fov.mask.shape, 3), np.uint8)
    for way, along in (("pixels", False), ("trees", True)):
        inside = name_vessels(maps, truth.vessel, fov, along_tree=along)
        own = name_vessels(maps, found, fov, along_tree=along)
        both = certain & found
        rows[way] = {
            "in reference": named_rightly(inside.artery, truth.artery, certain),
            "on found": named_rightly(own.artery, truth.artery, both),
            "found": float(both.sum() / certain.sum()),
            "dice a": dice(own.artery, truth.artery & fov.mask),
            "dice v": dice(own.vein, truth.vein & fov.mask),
            "sens.": named_rightly(own.artery, truth.artery, both & truth.artery),
            "spec.": named_rightly(own.artery, truth.artery, both & truth.vein),
        }
        picture[own.artery], picture[own.vein] = (255, 0, 0), (0, 0, 255)
    return rows, picture


def beside(photo: Photograph, names: np.ndarray, truth: ArteryVein) -> Image.Image:
    """Return the photograph, the judge's names and the reference's names side by side."""
    drawn = np.zeros_like(names)
    drawn[truth.artery], drawn[truth.vein] = (255, 0, 0), (0, 0, 255)
    drawn[truth.artery & truth.vein], drawn[truth.uncertain] = (0, 255, 0), (255, 255, 255)
    return Image.fromarray(np.concatenate([photo.pixels, names, drawn], axis=1))


def main() -> None:
    """Write the result file and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--judges", nargs="+", default=None, help="default: ours and both lwnet")
    parser.add_argument("--split", default="test")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--overlays", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    little = [f"lwnet:{arguments.data / name / 'model_checkpoint.pth'}" for name in LITTLE]
    judges = [load_artery_vein_judge(spec) for spec in arguments.judges or ["ours", *little]]
    found: dict[tuple[str, str, str], list[dict[str, float]]] = defaultdict(list)
    for record in records_of(arguments.data, arguments.split, arguments.sets):
        photo = read_photograph(record.path)
        fov = find_fov(photo)
        truth = read_artery_vein_mask(record.masks["artery_vein"], size_px=photo.size_px)
        for judge in judges:
            rows, picture = measure(judge, photo, fov, truth)
            for way, scores in rows.items():
                found[record.dataset, judge.card.name, way].append(scores)
            if arguments.overlays:
                arguments.overlays.mkdir(parents=True, exist_ok=True)
                stem = f"{judge.card.name}-{record.name}".replace("/", "_").replace(":", "_")
                image = beside(photo, picture, truth)
                image.thumbnail((2400, 2400))
                image.save(arguments.overlays / f"{stem}.png")
        print(record.name, file=sys.stderr)
    out = arguments.out or (OUT if arguments.split == "test" else None)
    report(found, {judge.card.name: judge.card for judge in judges}, out)


def report(
    found: dict[tuple[str, str, str], list[dict[str, float]]],
    cards: dict[str, JudgeCard],
    out: Path | None,
) -> None:
    """Keep and print the mean of every score for each set, judge and way of naming."""
    rows: list[dict[str, Any]] = [
        {"set": dataset, "judge": judge, "names by": way, "n": len(scores)}
        | {key: float(np.mean([row[key] for row in scores])) for key in COLUMNS}
        for (dataset, judge, way), scores in found.items()
    ]
    if out is not None:
        rows = keep_results(out, rows, cards, sets=SETS)["results"]
    print(f"| set | n | judge | names by | {' | '.join(COLUMNS)} |")
    print(f"|---|---|---|---|{'---|' * len(COLUMNS)}")
    for row in rows:
        numbers = " | ".join(f"{row[key]:.3f}" for key in COLUMNS)
        print(f"| {row['set']} | {row['n']} | {row['judge']} | {row['names by']} | {numbers} |")


if __name__ == "__main__":
    main()

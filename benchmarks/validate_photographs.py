"""`retinaforge validate` on real photographs: which scores see what, and which do not.

    halves              one half of IDRiD's photographs against the other
    real-vs-real        IDRiD against ODIR: other cameras, other eyes
    phantoms            IDRiD against drawn eyes
    phantoms-halves     drawn eyes against other drawn eyes: the sanity panel on phantoms
    damaged-KIND        a half of IDRiD against the other half with damage of level 3
    reconstructed-ARM   39 held-out photographs against what each arm of the loss study made of them

Only train and val rows of IDRiD and ODIR are read, and the loss study's own test photographs. Every
run is the command itself; what is kept of its scorecard goes to studies/validation/NAME.json.

Run: python benchmarks/validate_photographs.py --data ../shared/data --loss-study RUN --work DIR
     [--only NAME ...] [--workers 2] [--panel 100]
It resumes: what was measured of an image is kept in DIR/cache.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retinaforge.core import rng_for
from retinaforge.core.artefacts import write_text
from retinaforge.images import find_fov, read_photograph
from retinaforge.images.geometry import normalise
from retinaforge.phantoms.damage import damage_photograph
from retinaforge.validation.finders import vessel_judge
from retinaforge.validation.wounds import DAMAGED

RESULTS = Path(__file__).parents[1] / "studies/validation"
SIDE, SIZE_PX, LEVEL = 100, 512, 3
SINGLE = ("vessels", "quality")
"""Families of single numbers."""
IMAGENET = "imagenet"
"""What SqueezeNet's feature space is called in the results: its file lies elsewhere everywhere."""
KEPT_OF_SCORE = (
    "identity", "family", "name", "space", "column", "against", "value", "interval", "n", "floor",
    "matched", "place", "value_real", "p_holm", "cliffs_delta", "median_real", "median_synthetic",
    "copies", "baseline", "baseline_n", "saved_again", "reason",
)  # fmt: skip
Row = dict[str, str]
Sides = Callable[[], tuple[Path, Path]]


def rows_of(data: Path, dataset: str, splits: Sequence[str]) -> list[Row]:
    """Return the rows of splits.csv of one data set."""
    with (data / "splits.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["dataset"] == dataset]
    return [row for row in rows if row["split"] in splits]


def evenly(rows: Sequence[Row], count: int) -> list[Row]:
    """Return evenly spaced rows."""
    return [rows[k * len(rows) // count] for k in range(min(count, len(rows)))]


def write_side(folder: Path, dataset: str, files: Sequence[tuple[Path, str, str]]) -> Path:
    """Make a data set of links: (file, name, patient) each, with the table that says who it is."""
    place = folder / dataset
    place.mkdir(parents=True, exist_ok=True)
    for path, name, _ in files:
        if not (place / name).exists():
            (place / name).symlink_to(path.resolve())
    lines = [f"{dataset},{name},{patient},,," for _, name, patient in files]
    write_text(place / "manifest.csv", "\n".join(["image", *(n for _, n, _ in files)]) + "\n")
    head = "dataset,image,patient,camera,licence,split"
    write_text(place / "splits.csv", "\n".join([head, *lines]) + "\n")
    return place


def photographs(data: Path, work: Path, name: str, dataset: str, rows: Sequence[Row]) -> Path:
    """Return a folder of photographs of one data set."""
    files = [
        (data / dataset / row["image"], row["image"].replace("/", "_"),
         row["patient"] or row["image"])
        for row in rows
    ]  # fmt: skip
    return write_side(work / name, dataset, files)


def idrid_halves(data: Path, work: Path) -> tuple[Path, Path]:
    """Return two folders of IDRiD's photographs with no patient in both."""
    rows = rows_of(data, "idrid_grading", ("train", "val"))
    halves = (("half-a", evenly(rows[::2], SIDE)), ("half-b", evenly(rows[1::2], SIDE)))
    first, second = (photographs(data, work, name, "idrid_grading", some) for name, some in halves)
    return first, second


def damaged(source: Path, folder: Path, kind: str) -> Path:
    """Return a folder of the source's photographs with damage, on the square, as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.jpg")):
        target = folder / f"synthetic_{path.stem}.png"
        if target.exists():
            continue
        photo = read_photograph(path)
        square = normalise(photo, find_fov(photo), size_px=SIZE_PX)
        judge = vessel_judge()
        vessel = judge.probability(square.photograph, square.fov) >= judge.threshold
        found = damage_photograph(
            square.photograph, square.fov, {"vessel": vessel}, kind, LEVEL,
            rng=rng_for(0, "damaged", kind, path.name),
        )  # fmt: skip
        text = PngInfo()
        text.add_text("Synthetic", f"true: {kind}, level {LEVEL}, planted by RetinaForge")
        Image.fromarray(found.photograph.pixels).save(target, pnginfo=text)
    return folder


def held_out(study: Path, work: Path) -> Path:
    """Return the folder of the loss study's test photographs, named like its reconstructions."""
    files = []
    for path in arms_of(study)[0].glob("reconstructions/synthetic_*.png"):
        if not path.stem.endswith(("_reference", "_vessels")):
            source = Path(Image.open(path).text["Source"])  # type: ignore[attr-defined]
            name = path.stem.removeprefix("synthetic_")
            files.append((source, f"{name}{source.suffix}", patient_of(name)))
    return write_side(work / "held-out", "held_out", sorted(files, key=lambda file: file[1]))


def patient_of(name: str) -> str:
    """Return whose eye it is: CHASE_DB1 has both eyes of a child, the others one of a person."""
    return name[:-1] if name.startswith("chase_db1") else name


def arms_of(study: Path) -> list[Path]:
    """Return the folders of the loss study's arms."""
    return sorted(p / "seed-0" for p in (study / "arms").iterdir() if p.name != "resize-only")


def reconstructed(arm: Path, work: Path) -> Path:
    """Return a folder of links to what an arm reconstructed."""
    folder = work / f"reconstructed-{arm.parent.name}"
    folder.mkdir(parents=True, exist_ok=True)
    for path in arm.glob("reconstructions/synthetic_*.png"):
        own = folder / path.name
        if not path.stem.endswith(("_reference", "_vessels")) and not own.exists():
            own.symlink_to(path.resolve())
    return folder


def runs_of(
    given: argparse.Namespace,
) -> Iterator[tuple[str, Callable[[], tuple[Path, Path]], Any]]:
    """Yield name, what makes (real, synthetic), and further arguments of every run."""
    data, work = given.data, given.work
    yield "halves", lambda: idrid_halves(data, work), []
    odir = rows_of(data, "odir", ("train", "val"))
    yield ("real-vs-real", lambda: (
        idrid_halves(data, work)[0],
        photographs(data, work, "other", "odir", evenly(odir, SIDE))), [])  # fmt: skip
    yield "phantoms", lambda: (idrid_halves(data, work)[0], phantoms(work, seed=5)), []
    yield "phantoms-halves", lambda: (phantoms(work, seed=5), phantoms(work, seed=6)), []
    for kind in DAMAGED:
        yield (f"damaged-{kind}", lambda kind=kind: (
            idrid_halves(data, work)[0],
            damaged(idrid_halves(data, work)[1], work / f"damaged-{kind}", kind)), [])  # fmt: skip
    for arm in arms_of(given.loss_study):
        yield (f"reconstructed-{arm.parent.name}", lambda arm=arm: (
            held_out(given.loss_study, work), reconstructed(arm, work)), ["--paired"])  # fmt: skip


def phantoms(work: Path, *, seed: int) -> Path:
    """Return a folder of as many drawn eyes."""
    folder = work / f"phantoms-{seed}"
    _command("phantoms", "draw", str(folder), "--count", str(SIDE), "--seed", str(seed),
             "--size", str(SIZE_PX))  # fmt: skip
    return folder


def _command(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "retinaforge", *arguments])
    if done.returncode not in (0, 1):  # 1: some images were left out, and named
        raise SystemExit(f"retinaforge {' '.join(arguments)} exited with {done.returncode}")


def kept_of(card: dict[str, Any], *, panel: bool) -> dict[str, Any]:
    """Return what is kept of a scorecard: no pictures, no definitions, no image by name.

    Args:
        card: scorecard.json.
        panel: keep the sanity panel; runs of the same real side have the same.
    """
    protocol = {k: v for k, v in card["protocol"].items() if k not in ("finders", "spaces")}
    for side in ("real", "synthetic"):
        folder = Path(protocol[side]["folder"])
        protocol[side] = {**protocol[side], "folder": "/".join(folder.parts[-2:])}
    rows = card["sanity_panel"]["rows"]
    return {
        "schema_version": card["schema_version"], "protocol": protocol,
        "environment": card["environment"], "verdict": card["verdict"], "uses": card["uses"],
        "scores": [{k: rounded(s[k]) for k in KEPT_OF_SCORE if k in s} for s in card["scores"]],
        "left_out": {side: len(rows) for side, rows in card["left_out"].items()},
        "panel_n": card["sanity_panel"]["n"],
        "panel_references": card["sanity_panel"]["references"],
        "panel_problems": len(card["sanity_panel"]["problems"]),
        "panel": [panel_row(row) for row in rows] if panel else [],
    }  # fmt: skip


def panel_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the panel; of single numbers only from which level they notice what."""
    single = row["family"] in SINGLE and row["score"] != "quality: not good"
    gone = ("medians", "floor_low", "floor_high") if single else ()
    return rounded({k: v for k, v in row.items() if k not in gone})


def rounded(value: Any) -> Any:
    """Return plain data with six significant digits: more are noise, and make large files."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def main() -> None:
    """Run what is asked for, one validation after the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--loss-study", type=Path, required=True, help="a run's folder")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--panel", type=int, default=SIDE // 2)
    given = parser.parse_args()
    imagenet = given.data / "weights/squeezenet_v1_0_imagenet/squeezenet_v1_0_imagenet.npz"
    with_panel: set[str] = set()
    for name, sides, further in runs_of(given):
        if given.only and name not in given.only:
            continue
        real, synthetic = sides()
        out = given.work / f"run-{name}"
        shutil.rmtree(out, ignore_errors=True)  # the page; what was measured is in the cache
        _command("validate", str(real), str(synthetic), "--out", str(out), "--cache",
                 str(given.work / "cache"), "--workers", str(given.workers), "--panel",
                 str(given.panel), "--encoder", f"squeezenet:{imagenet}", *further)  # fmt: skip
        card = json.loads((out / "scorecard.json").read_text())
        kept = kept_of(card, panel=str(real) not in with_panel)
        with_panel.add(str(real))
        RESULTS.mkdir(parents=True, exist_ok=True)
        text = json.dumps(kept, separators=(",", ":")).replace(f"squeezenet:{imagenet}", IMAGENET)
        for begin in ('{"identity"', '{"score"'):
            text = text.replace(begin, f"\n{begin}")
        write_text(RESULTS / f"{name}.json", text + "\n")


if __name__ == "__main__":
    main()

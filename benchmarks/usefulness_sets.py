"""Synthetic sets of known kind with labels, for `retinaforge usefulness`.

    phantoms-clean        drawn eyes of --drawn whose photograph is good, retinopathy alone
    phantoms-mixed        of all eyes and photographs there
    phantoms-poor         of those whose photograph is poor (hazy, out of focus)
    phantoms-no-lesions   healthy eyes in good photographs; the grades are dealt: noise
    phantoms-many         ten times as many of all, for ratios
    phantoms-asked        drawn eyes of the records that `sampled` is asked for: its ceiling
    sampled               the caption-to-fundus generator, asked for held-out records
    sampled-photographs   the same after fine-tuning on photographs, asked for theirs (train rows)
    reconstructed-ARM     what each arm of the loss study makes of photographs
    reconstructed-resize-only   the square itself: nothing lost but pixels
    damaged-KIND          photographs with planted damage of level 3

Photographs are the train and val rows of idrid_grading alone; no test row is opened. What was made
of one is named after it (`retinaforge usefulness` finds the patient by that name), and a row of
metadata.jsonl says so. Every set has as many images as those photographs (205) and, as far as it
can, their grades, so that neither number nor balance tells the sets apart.

Run: python benchmarks/usefulness_sets.py --data ../shared/data --loss-study RUN --drawn DIR
     --generator MODEL --pairs PAIRS [--photographs-generator MODEL --photographs-pairs PAIRS]
     --out DIR [--only NAME ...]
A set that is whole is left as it is. DIR/sets.json says what each holds; DIR/teaching has the
photographs themselves, for `retinaforge validate`.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retinaforge.autoencoders import load_autoencoder
from retinaforge.core import rng_for
from retinaforge.core.artefacts import write_json, write_text
from retinaforge.images import find_fov, read_photograph
from retinaforge.images.geometry import normalise
from retinaforge.phantoms.damage import damage_photograph
from retinaforge.tasks.reconstruct import reconstruct_photograph, save_synthetic
from retinaforge.validation.finders import vessel_judge
from retinaforge.validation.wounds import DAMAGED

REAL = "idrid_grading"
SIZE_PX, LEVEL, SEED = 256, 3, 80
STEPS, GUIDANCE = 25, 3.0
RESIZE_ONLY = "resize-only"
POOR, GOOD = ("reject",), ("good",)
Row = dict[str, Any]


def photographs(data: Path) -> list[Row]:
    """Return the rows of the photographs that may be a source: file, name, patient, grade."""
    with (data / "splits.csv").open(encoding="utf-8") as stream:
        split = {r["image"]: r for r in csv.DictReader(stream) if r["dataset"] == REAL}
    with (data / REAL / "manifest.csv").open(encoding="utf-8") as stream:
        rows = [r for r in csv.DictReader(stream) if split[r["image"]]["split"] in ("train", "val")]
    return [
        {"path": data / REAL / r["image"], "image": r["image"], "grade": int(r["dr_grade"]),
         "patient": split[r["image"]]["patient"] or r["image"],
         "stem": f"{REAL}-{r['image']}".replace("/", "_").rsplit(".", 1)[0]}
        for r in rows
    ]  # fmt: skip


def link_teaching(folder: Path, sources: Sequence[Row]) -> None:
    """Make a folder of links to the photographs themselves, for `retinaforge validate`."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        link = folder / source["image"].replace("/", "_")
        if not link.exists():
            link.symlink_to(source["path"].resolve())


def write_set(folder: Path, rows: Sequence[Row]) -> None:
    """Write the table of a set, which makes it whole."""
    write_text(folder / "metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def row_of(source: Row, how: str) -> Row:
    """Return the row of an image that was made of a photograph."""
    return {
        "file_name": f"synthetic_{source['stem']}.png", "synthetic": True, "made_by": how,
        "source": f"{REAL}/{source['image']}", "patient": source["patient"],
        "dr_grade": source["grade"], "licence": "CC BY 4.0", "split": "train",
    }  # fmt: skip


def reconstruct(folder: Path, model: Path | None, sources: Sequence[Row]) -> None:
    """Send photographs through an autoencoder, as `retinaforge reconstruct --no-native` does."""
    network = load_autoencoder(model).model if model else None
    for source in sources:
        if (folder / f"synthetic_{source['stem']}.png").exists():
            continue
        photo = read_photograph(source["path"])
        made = reconstruct_photograph(network, photo, find_fov(photo), size_px=SIZE_PX)
        save_synthetic(made.square, folder, source["stem"], model=folder.name)
    write_set(folder, [row_of(source, folder.name) for source in sources])


def damage(folders: dict[str, Path], sources: Sequence[Row]) -> None:
    """Plant each kind of damage; vessels are sought once a photograph."""
    for source in sources:
        photo = read_photograph(source["path"])
        square = normalise(photo, find_fov(photo), size_px=2 * SIZE_PX)
        judge = vessel_judge()
        vessel = judge.probability(square.photograph, square.fov) >= judge.threshold
        for kind, folder in folders.items():
            found = damage_photograph(
                square.photograph, square.fov, {"vessel": vessel}, kind, LEVEL,
                rng=rng_for(0, "usefulness", kind, source["image"]),
            )  # fmt: skip
            text = PngInfo()
            text.add_text("Synthetic", f"true: {kind}, level {LEVEL}, planted by RetinaForge")
            small = Image.fromarray(found.photograph.pixels).resize((SIZE_PX, SIZE_PX), 1)
            small.save(folder / f"synthetic_{source['stem']}.png", pnginfo=text)
    for kind, folder in folders.items():
        write_set(folder, [row_of(s, f"damage {kind}, level {LEVEL}") for s in sources])


def phantom_rows(folder: Path) -> list[Row]:
    """Return the rows of a set of phantoms, with their labels and where each file lies."""
    kept = ("eye", "patient", "camera", "dr_grade", "macular_oedema", "amd_stage", "glaucoma",
            "quality", "lesions", "synthetic")  # fmt: skip
    with (folder / "metadata.jsonl").open(encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    return [{**{k: row[k] for k in kept}, "path": folder / row["file_name"]} for row in rows]


def like(rows: Sequence[Row], grades: Counter, *, name: str) -> list[Row]:
    """Choose rows with given grades as far as there are any; what lacks is filled at random."""
    order = rng_for(SEED, "usefulness", name).permutation(len(rows))
    left, chosen, rest = Counter(grades), [], []
    for k in order:
        grade = rows[k]["dr_grade"]
        (chosen if left[grade] > 0 else rest).append(k)
        left[grade] -= 1
    lacking = max(0, sum(grades.values()) - len(chosen))
    return [rows[k] for k in sorted([*chosen, *rest[:lacking]])]


def take(folder: Path, rows: Sequence[Row]) -> None:
    """Make a set of links to phantoms."""
    folder.mkdir(parents=True, exist_ok=True)
    told = []
    for row in rows:
        path = row["path"]
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path.resolve())
        told.append({"file_name": path.name, **{k: v for k, v in row.items() if k != "path"}})
    write_set(folder, told)


def spotless(row: Row) -> bool:
    """Return whether an eye has no lesion at all."""
    return row["dr_grade"] == 0 and not any(row["lesions"].values())


def dealt(rows: Sequence[Row], sources: Sequence[Row]) -> list[Row]:
    """Return healthy eyes with the photographs' grades dealt at random."""
    grades = [source["grade"] for source in sources]
    order = rng_for(SEED, "usefulness", "dealt").permutation(len(grades))
    return [{**row, "dr_grade": grades[k]} for row, k in zip(rows, order, strict=False)]


def graded_pairs(pairs: Path, splits: Sequence[str], dataset: str = "") -> list[Row]:
    """Return the rows of a pairs folder whose record has a grade."""
    with (pairs / "metadata.jsonl").open(encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    return [
        {**row, "dr_grade": row["record"]["facts"]["dr_grade"]["value"]}
        for row in rows
        if "dr_grade" in row["record"]["facts"] and row["split"] in splits
        and row["record"]["dataset"].startswith(dataset)
    ]  # fmt: skip


def sample(folder: Path, model: Path, asked: Sequence[Row], work: Path) -> None:
    """Ask a generator for captions; the answers carry the records' facts."""
    captions = work / "asked" / f"{folder.name}.jsonl"
    rows = [{k: v for k, v in row.items() if k != "dr_grade"} for row in asked]
    write_text(captions, "".join(json.dumps(row) + "\n" for row in rows))
    command("generate", "sample", str(model), "--captions", str(captions), "--out", str(folder),
            "--steps", str(STEPS), "--guidance", str(GUIDANCE), "--seed", str(SEED))  # fmt: skip


def command(*arguments: str) -> None:
    """Run a command of RetinaForge."""
    done = subprocess.run([sys.executable, "-m", "retinaforge", *arguments])
    if done.returncode not in (0, 1):  # 1: some images were left out, and named
        raise SystemExit(f"retinaforge {' '.join(arguments)} exited with {done.returncode}")


def whole(folder: Path) -> bool:
    """Return whether a set is there: a generator's writes its table as it goes, and result last."""
    last = "result.json" if folder.name.startswith("sampled") else "metadata.jsonl"
    return (folder / last).is_file()


def makers(given: argparse.Namespace) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield names of sets and what makes them."""
    sources, out = photographs(given.data), given.out
    grades = Counter(source["grade"] for source in sources)
    sets, work = out / "sets", out / "work"

    def chosen(name: str, wanted: Counter, fits: Callable[[Row], bool]) -> list[Row]:
        return like([row for row in phantom_rows(given.drawn) if fits(row)], wanted, name=name)

    def alone(row: Row) -> bool:
        return row["quality"] in GOOD and not row["amd_stage"] and not row["glaucoma"]

    def phantoms(name: str) -> None:
        if name == "phantoms-no-lesions":
            healthy = chosen(name, Counter({0: len(sources)}), lambda r: alone(r) and spotless(r))
            take(sets / name, dealt(healthy, sources))
            return
        many = Counter({grade: 10 * n for grade, n in grades.items()})
        fits = {"phantoms-clean": alone, "phantoms-poor": lambda r: r["quality"] in POOR}
        wanted = many if name == "phantoms-many" else grades
        take(sets / name, chosen(name, wanted, fits.get(name, lambda r: True)))

    def asked() -> list[Row]:
        return like(graded_pairs(given.pairs, ("test",)), grades, name="sampled")

    def asked_phantoms() -> None:
        names = {Path(row["image"]).name for row in asked()}
        folder = Path(asked()[0]["image"]).parents[1]
        take(sets / "phantoms-asked", [r for r in phantom_rows(folder) if r["path"].name in names])

    for kind in ("clean", "mixed", "poor", "no-lesions", "many"):
        yield (f"phantoms-{kind}",), lambda kind=kind: phantoms(f"phantoms-{kind}")
    yield ("phantoms-asked",), asked_phantoms
    yield (f"reconstructed-{RESIZE_ONLY}",), lambda: reconstruct(
        sets / f"reconstructed-{RESIZE_ONLY}", None, sources)  # fmt: skip
    for arm in sorted(p for p in (given.loss_study / "arms").iterdir() if p.name != RESIZE_ONLY):
        yield (f"reconstructed-{arm.name}",), lambda arm=arm: reconstruct(
            sets / f"reconstructed-{arm.name}", arm / "seed-0" / "model", sources)  # fmt: skip
    kinds = {f"damaged-{kind}": kind for kind in DAMAGED}
    yield tuple(kinds), lambda: damage({k: sets / name for name, k in kinds.items()}, sources)
    yield ("sampled",), lambda: sample(sets / "sampled", given.generator, asked(), work)
    if given.photographs_generator:
        yield ("sampled-photographs",), lambda: sample(
            sets / "sampled-photographs", given.photographs_generator,
            graded_pairs(given.photographs_pairs, ("train", "val"), REAL), work)  # fmt: skip


def held(folder: Path) -> Row:
    """Return what a set holds: images, grades, and of how many photographs."""
    with (folder / "metadata.jsonl").open(encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    grades = Counter(
        row["dr_grade"] if "dr_grade" in row else row["record"]["facts"]["dr_grade"]["value"]
        for row in rows
    )
    return {
        "images": len(rows), "grades": {str(g): grades[g] for g in sorted(grades)},
        "photographs": len({row["source"] for row in rows if row.get("source")})
        if not folder.name.startswith("sampled") else 0,
    }  # fmt: skip


def main() -> None:
    """Make what is asked for and lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("data", "loss-study", "drawn", "generator", "pairs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--photographs-generator", type=Path)
    parser.add_argument("--photographs-pairs", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    link_teaching(given.out / "teaching", photographs(given.data))
    told = given.out / "sets.json"
    rows = json.loads(told.read_text()) if told.is_file() else {}
    for names, make in makers(given):
        if given.only and not set(names) & set(given.only):
            continue
        folders = [given.out / "sets" / name for name in names]
        if all(map(whole, folders)):
            continue
        for folder in folders:
            if not folder.name.startswith(("sampled", "reconstructed")):
                shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        make()
        rows |= {folder.name: held(folder) for folder in folders}
        write_json(told, rows)
        print(*names, f"{time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()

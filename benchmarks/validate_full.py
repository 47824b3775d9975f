"""How long `retinaforge validate` takes on two whole folders, from nothing: no cache, no result.

Real side: the photographs of all data sets that show a whole field; synthetic side: drawn eyes.
Where there are fewer than asked for, the same mirrored, then turned. Only time and memory are kept:
no score of these runs means anything.

Run: python benchmarks/validate_full.py --data ../shared/data --drawn DIR --work DIR
     [--counts 250 1000] [--workers 2]
DIR of --drawn: from `retinaforge phantoms draw DIR --count 340 --size 512`.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

from retinaforge.core.artefacts import environment, write_json

RESULT = Path(__file__).parent / "results/validate_full.json"
SETS = ("odir", "idrid_grading", "hei_med", "idrid_segmentation", "drive", "chase_db1", "hrf",
        "les_av")  # fmt: skip
ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".ppm")
SIZE_PX = 512
TURNS = (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180)


def photographs(data: Path) -> list[Path]:
    """Return every photograph that shows a whole field."""
    found: list[Path] = []
    for name in SETS:
        lines = (data / name / "manifest.csv").read_text(encoding="utf-8").splitlines()[1:]
        paths = [data / name / line.split(",")[0] for line in lines]
        found += [path for path in paths if path.suffix.lower() in ENDINGS and path.is_file()]
    return found


def folder_of(place: Path, files: list[Path], count: int) -> Path:
    """Make a folder of `count` images: links, then the same images mirrored and turned."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    chosen = [files[k * len(files) // count] for k in range(count)] if len(files) > count else files
    for k in range(count):
        path, turn = chosen[k % len(chosen)], k // len(chosen)
        target = place / f"{k:04}{path.suffix.lower()}"
        if turn == 0:
            target.symlink_to(path.resolve())
        else:
            with Image.open(path) as image:
                image.transpose(TURNS[turn - 1]).save(target)
    return place


def timed(count: int, real: list[Path], drawn: list[Path], work: Path, workers: int) -> dict:
    """Run one validation and return its times in seconds and its peak of memory in GiB."""
    sides = folder_of(work / "real", real, count), folder_of(work / "drawn", drawn, count)
    out = work / f"run-{count}"
    shutil.rmtree(out, ignore_errors=True)
    begin, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "retinaforge", "validate", *map(str, sides), "--out", str(out),
         "--size", str(SIZE_PX), "--workers", str(workers)],
    )  # fmt: skip
    seconds = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"validate exited with {done.returncode}")
    card = json.loads((out / "scorecard.json").read_text())
    return {
        "count": count, "photographs": min(len(real), count), "drawn": min(len(drawn), count),
        "workers": workers, "seconds": seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime,
        "peak_gib_of_one_process": after.ru_maxrss / 2**20,
        "parts_seconds": card["protocol"]["seconds"], "panel_n": card["sanity_panel"]["n"],
        "scored": [card["protocol"][s]["images"]["scored"] for s in ("real", "synthetic")],
    }  # fmt: skip


def main() -> None:
    """Time every count and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--drawn", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--counts", type=int, nargs="+", default=[250, 1000])
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    real, drawn = photographs(given.data), sorted((given.drawn / "images").glob("*.png"))
    if 3 * len(drawn) < max(given.counts):
        raise SystemExit(f"expected a third of {max(given.counts)} drawn eyes; got {len(drawn)}")
    rows = []
    for count in given.counts:
        rows.append(timed(count, real, drawn, given.work, given.workers))
        write_json(RESULT, {"environment": environment(), "size_px": SIZE_PX, "runs": rows})
        print(json.dumps(rows[-1]), flush=True)


if __name__ == "__main__":
    main()

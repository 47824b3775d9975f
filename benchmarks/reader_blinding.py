"""Does anything but its pixels tell whether an image of a reader study is real?

    retinaforge reader new --real PHOTOGRAPHS --synthetic SAMPLES --key KEY --out STUDY
    python benchmarks/reader_blinding.py STUDY --key KEY \\
        --out benchmarks/results/reader_blinding.json

A forest, cross-validated, sees what a file, its name and its places in readers' orders tell without
decoding a pixel, and must be at chance; the same forest on the files that came in shows that it
could know. Beside it stands what single numbers of the finished images tell (from the key).
"""

from __future__ import annotations

import argparse
import struct
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from retinaforge.core.artefacts import environment, write_json
from retinaforge.tasks.reader_study import ReaderStudy, read_key, read_study

STORED = 0
"""Kind of a deflate block whose bytes are not compressed."""


def skeleton(content: bytes) -> bytes:
    """Return a PNG's bytes without pixels and checksums: heads of chunks, zlib and deflate blocks.

    Raises:
        AssertionError: for a block that is compressed, whose length would tell of its pixels.
    """
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    found, place, stream = [content[:8]], 8, b""
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        found.append(content[place : place + 8])
        body = content[place + 8 : place + 8 + length]
        if kind == b"IDAT":
            stream += body
        else:
            found.append(body)
        place += 12 + length
    found.append(stream[:2])
    at = 2
    while True:
        head, size, _ = struct.unpack("<BHH", stream[at : at + 5])
        assert head >> 1 & 3 == STORED, "a compressed block"
        found.append(stream[at : at + 5])
        at += 5 + size
        if head & 1:
            break
    assert len(stream) - at == 4  # Adler's sum and no more
    return b"".join(found)


def features(path: Path, content: bytes, rank: int, places: list[int]) -> list[float]:
    """Return numbers of a file that know none of its pixels.

    Args:
        path: where it lies; its name and times count.
        content: its bytes.
        rank: its place in the listing of the folder.
        places: where it stands in readers' orders.
    """
    told = path.stat()
    letters = [*path.stem.encode()[:12].ljust(12, b"0")]
    zeros = len(content) - len(content.rstrip(b"\0"))
    ends = [*content[:48], *content[-16:-12]]
    return [len(content), zeros, told.st_mtime, rank, float(np.mean(places)),
            float(min(places)), float(len(places)), *letters, *ends]  # fmt: skip


def judged(rows: np.ndarray, truth: np.ndarray, *, shuffles: int = 20) -> tuple[float, float]:
    """Return the cross-validated AUC of a forest, and the largest with the truth shuffled."""
    rng = np.random.default_rng(0)

    def area(answer: np.ndarray) -> float:
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        forest = RandomForestClassifier(60, random_state=0)
        found = cross_val_predict(forest, rows, answer, cv=folds, method="predict_proba")[:, 1]
        return float(roc_auc_score(answer, found))

    return area(truth), max(area(rng.permutation(truth)) for _ in range(shuffles))


def table_of(study: ReaderStudy, kinds: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Return what files and orders tell of each image, and whether it is synthetic."""
    files = sorted((study.folder / "images").iterdir())
    orders = [[name for trial in study.trials(r) for name in trial] for r in study.readers]
    rows = [
        features(path, path.read_bytes(), rank,
                 [k for order in orders for k, name in enumerate(order) if name == path.stem])
        for rank, path in enumerate(files)
    ]  # fmt: skip
    return np.array(rows), np.array([kinds[path.stem] == "synthetic" for path in files])


def came_in(images: dict[str, dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of the files that `reader new` was given."""
    files = [Path(row["source"]) for row in images.values()]
    rows = [features(path, path.read_bytes(), 0, [0]) for path in files]
    return np.array(rows), np.array([row["kind"] == "synthetic" for row in images.values()])


def main() -> None:
    """Judge a study's files, and those that came in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    study = read_study(asked.study)
    key = read_key(study, asked.key)
    kinds = {name: row["kind"] for name, row in key["images"].items()}
    area, by_chance = judged(*table_of(study, kinds))
    before, _ = judged(*came_in(key["images"]), shuffles=1)
    files = [path.read_bytes() for path in (asked.study / "images").iterdir()]
    result = {
        "images": len(files), "datasets": sorted({r["dataset"] for r in key["images"].values()}),
        "auc_of_files": area, "largest_of_20_shuffles": by_chance, "auc_of_files_before": before,
        "lengths": len(set(map(len, files))), "skeletons": len(set(map(skeleton, files))),
        "tells": key["tells"], "environment": environment(),
    }  # fmt: skip
    print(f"{len(files)} files: AUC {area:.2f} of bytes, names and orders (shuffled truth reaches "
          f"{by_chance:.2f}); before they were made alike {before:.2f}; {result['skeletons']} "
          "skeleton")  # fmt: skip
    if asked.out:
        write_json(asked.out, result)


if __name__ == "__main__":
    main()

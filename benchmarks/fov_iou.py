"""Field of view found against field of view drawn, on every photograph that has a `fov` mask.

python benchmarks/fov_iou.py ../shared/data [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from retinaforge.core import Record
from retinaforge.images import find_fov, read_mask, read_photograph, read_records


def measure(record: Record) -> tuple[float, float]:
    """Return the IoU and the CPU seconds that `find_fov` took."""
    photo = read_photograph(record.path)
    mask = read_mask(record.masks["fov"], size_px=photo.size_px)
    start = time.process_time()
    found = find_fov(photo).mask
    seconds = time.process_time() - start
    return float((found & mask).sum() / (found | mask).sum()), seconds


def main() -> None:
    """Print one row per data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    by_set: dict[str, list[tuple[float, float]]] = {}
    for record in read_records(arguments.folder):
        if "fov" in record.masks:
            by_set.setdefault(record.dataset, []).append(measure(record))
    rows = [
        {
            "case": name,
            "n": len(some),
            "iou_mean": float(np.mean([iou for iou, _ in some])),
            "iou_min": min(iou for iou, _ in some),
            "cpu_seconds_median": float(np.median([seconds for _, seconds in some])),
        }
        for name, some in by_set.items()
    ]
    if arguments.json:
        print(json.dumps({"results": rows}, indent=2))
        return
    print("data set        n  IoU mean   min   CPU s")
    for row in rows:
        print(
            f"{row['case']:<14}{row['n']:>3}    {row['iou_mean']:.4f} {row['iou_min']:.4f}"
            f"  {row['cpu_seconds_median']:.3f}"
        )


if __name__ == "__main__":
    main()

"""What a worker of `retinaforge vessels MASKS --workers 2` holds while it measures many masks.

A part of `vessel_speed`, in a process of its own. Prints one JSON object.

Run: python benchmarks/vessel_speed_flat.py FOLDER_OF_MASKS IMAGES
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.tasks.crew import work_through
from retinaforge.tasks.vessel_jobs import Job, list_jobs
from retinaforge.tasks.vessel_work import Settings, measure_job
from vessel_speed_worker import peak_mb, resident_mb

WORKERS, WARM = 2, 50


def weighed(job: Job, *, out: Path, settings: Settings) -> dict[str, Any]:
    """Measure a mask and say what this process holds after it."""
    row = measure_job(job, out=out, settings=settings)
    return {"status": row["status"], "pid": os.getpid(), "resident_mb": resident_mb(),
            "peak_mb": peak_mb()}  # fmt: skip


def run(folder: Path, count: int) -> dict[str, Any]:
    """Measure the masks of a folder over and over, `count` in all."""
    masks, _ = list_jobs(folder, masks_are="vessel")
    jobs = (replace(masks[k % len(masks)], stem=f"{k:06d}") for k in range(count))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        work = partial(weighed, out=Path(out), settings=Settings(graphs="none", pictures=False))
        rows = [row for _, row in work_through(jobs, work, workers=WORKERS) if row is not None]
    held: dict[int, list[float]] = {}
    for row in rows:
        held.setdefault(row["pid"], []).append(row["resident_mb"])
    return {
        "images": count, "workers": WORKERS, "measured": sum(r["status"] == "ok" for r in rows),
        "images_per_s": round(count / (time.perf_counter() - start), 2),
        "peak_mb": max(row["peak_mb"] for row in rows),
        "growth_mb_per_1000": {
            str(worker): round(growth(values), 2) for worker, values in enumerate(held.values())
        },
        "resident_mb": {str(k): values for k, values in enumerate(held.values())},
    }  # fmt: skip


def growth(held: list[float]) -> float:
    """Return the slope of a line through what a worker held after it was warm, MB in 1,000."""
    warm = held[min(WARM, len(held) // 3) :]
    return float(np.polyfit(np.arange(len(warm)), warm, 1)[0]) * 1000 if len(warm) > 2 else np.nan


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]))))

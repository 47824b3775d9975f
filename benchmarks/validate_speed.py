"""CPU seconds that `retinaforge validate` spends on one image, by part.

    OMP_NUM_THREADS=1 python benchmarks/validate_speed.py FOLDER [--images 24] [--out FILE]

Images of a folder are measured one after another in this process with one thread, as a worker does;
the first one, which loads the networks, is not counted. Each function named in `PARTS` is wrapped
by a stopwatch of CPU time; what a part calls that is a part of its own is not counted twice, and
"rest" is what none of them did. Writes benchmarks/results/validate_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from retinaforge.core import artefacts
from retinaforge.validation import eye
from retinaforge.validation.jobs import list_side

RESULT = Path(__file__).parent / "results" / "validate_speed.json"
MINUTES, IMAGES, CORES = 15, 2000, 2
"""What issue 5 asks for: 1,000 against 1,000 images within a quarter of an hour on two cores."""

PARTS: dict[str, tuple[str, ...]] = {
    "reading the file": ("validation.eye.read_photograph",),
    "field of view": ("validation.eye.find_fov",),
    "square": ("validation.eye.normalise",),
    "networks: vessels": ("vessels.network.NetworkJudge.look",),
    "networks: arteries and veins": ("vessels.artery_vein_network.ArteryVeinNetwork.maps",),
    "networks: disc and fovea": ("anatomy.model.AnatomyModel.look_and_landmarks",),
    "naming": ("validation.eye.name_vessels",),
    "bridging": ("validation.eye.bridge_kinds",),
    "tracing": ("validation.eye.read_vasculature",),
    "biomarkers": ("validation.eye.measure_all",),
    "fundus or not": ("validation.eye.looks_like_fundus",),
    "anatomy checks": ("audits.eye_findings.AnatomyCheck.judge",),
    "quality numbers": ("validation.eye.measure_numbers",),
    "quality grade": ("validation.eye.grade_quality",),
    "FRD": ("validation.eye.radiomic_features", "validation.eye.radiomic_colours"),
    "colours": ("validation.spaces.colour_features",),
    "vessel pattern": ("validation.eye.pattern_of",),
}


class Stopwatch:
    """CPU seconds by part; of parts within parts only the innermost runs."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)
        self._running: list[str] = []
        self._since = time.process_time()

    def _turn(self) -> None:
        now = time.process_time()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def on(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that is timed as a part."""

        @wraps(work)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._running.append(part)
            try:
                return work(*args, **kwargs)
            finally:
                self._turn()
                self._running.pop()

        return timed


def wrap_all(watch: Stopwatch) -> None:
    """Put a stopwatch on every part, where it is called from."""
    for part, places in PARTS.items():
        for place in places:
            owner, name = _owner_of(f"retinaforge.{place}")
            setattr(owner, name, watch.on(part, getattr(owner, name)))


def _owner_of(place: str) -> tuple[Any, str]:
    """Return module or class, and the name in it."""
    before, name = place.rsplit(".", 1)
    try:
        return import_module(before), name
    except ModuleNotFoundError:
        module, kind = before.rsplit(".", 1)
        return getattr(import_module(module), kind), name


def main() -> None:
    """Measure the folder and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--size-px", type=int, default=512)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if os.environ.get("OMP_NUM_THREADS") != "1":
        parser.error("set OMP_NUM_THREADS=1: a worker has one thread")
    settings = eye.Settings(size_px=args.size_px)
    jobs = list_side(args.folder, "real")[: args.images]
    eye.measure_job(jobs[0], settings=settings)
    watch = Stopwatch()
    wrap_all(watch)
    each, statuses = [], []
    for job in jobs[1:]:
        start = time.process_time()
        statuses.append(eye.measure_job(job, settings=settings).row["status"])
        each.append(time.process_time() - start)
    n, whole = len(each), sum(each) / len(each)
    parts = {part: seconds / n for part, seconds in watch.seconds.items()}
    parts["rest"] = whole - sum(parts.values())
    result = {
        "folder": args.folder.name, "images": n, "size_px": args.size_px,
        "measured": statuses.count("ok"), "eye_version": eye.VERSION,
        "cpu_seconds_an_image": whole, "least": min(each), "most": max(each),
        "cpu_seconds_by_part": parts,
        "minutes_for_issue_5": whole * IMAGES / CORES / 60, "minutes_allowed": MINUTES,
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "environment": artefacts.environment(),
    }  # fmt: skip
    artefacts.write_json(args.out, result)
    shown = sorted(parts.items(), key=lambda item: -item[1])
    print(json.dumps({key: result[key] for key in ("images", "measured", "least", "most")}))
    print("\n".join(f"{1000 * seconds:7.1f} ms  {part}" for part, seconds in shown))
    print(f"{1000 * whole:7.1f} ms an image; {result['minutes_for_issue_5']:.1f} min in all")


if __name__ == "__main__":
    main()

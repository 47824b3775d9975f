"""How long our networks take for a photograph of 1024 px on two cores; a part of `vessel_speed`.

Prints one JSON object: seconds by the clock, the middle of several calls, and the load meanwhile.

Run: python benchmarks/vessel_speed_segment.py REPEATS
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from retinaforge.anatomy import load_anatomy
from retinaforge.images import find_fov
from retinaforge.phantoms import draw
from retinaforge.vessels import load_artery_vein_judge, load_judge
from vessel_speed_worker import peak_mb

CORES, SIDE_PX = 2, 1024


def seconds(call: Callable[[], Any], *, repeats: int) -> dict[str, float]:
    """Return the median wall and processor seconds of some calls after a first one."""
    call()
    wall, cpu = [], []
    for _ in range(repeats):
        before = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.process_time() - before[1])
    return {"wall_s": round(median(wall), 3), "cpu_s": round(median(cpu), 3)}


def main() -> None:
    """Time each network."""
    torch.set_num_threads(CORES)
    photo = draw(0, size_px=SIDE_PX).photograph
    fov = find_fov(photo)
    judge, kinds, anatomy = load_judge("ours"), load_artery_vein_judge("ours"), load_anatomy("ours")
    calls: dict[str, Callable[[], Any]] = {
        "field of view": lambda: find_fov(photo),
        "vessels": lambda: judge.mask(photo, fov),
        "arteries and veins": lambda: kinds.maps(photo, fov),
        "disc, cup and fovea": lambda: anatomy.landmarks(photo, fov),
    }
    repeats = int(sys.argv[1])
    found = {name: seconds(call, repeats=repeats) for name, call in calls.items()}
    print(json.dumps({
        "size_px": SIDE_PX, "cores": CORES, "repeats": repeats, "calls": found,
        "peak_mb": peak_mb(), "load": os.getloadavg()[0],
    }))  # fmt: skip


if __name__ == "__main__":
    main()

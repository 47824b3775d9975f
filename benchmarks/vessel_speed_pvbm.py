"""PVBM's whole table of each mask: geometry and central equivalents of arteries and of veins, and
the fractal dimensions of both together; a worker of `vessel_speed` in PVBM's own environment.

PVBM's walk along centrelines is recursive. RECURSION in the environment says how it is run:
    (absent)    as Python is installed, 1,000 calls deep
    limit       100,000 calls deep, as PVBM's own examples set it
    stack       1,000,000 calls deep on a stack of 1 GB, which no user has by default

Run: python benchmarks/vessel_speed_pvbm.py MASK.npz ...
"""

import contextlib
import io
import os
import sys
import threading
import warnings
from importlib.metadata import version

import numpy as np
from PVBM.CentralRetinalAnalysis import CREVBMs
from PVBM.FractalAnalysis import MultifractalVBMs
from PVBM.GeometryAnalysis import GeometricalVBMs
from skimage.morphology import skeletonize

from vessel_speed_worker import kinds, work

GEOMETRY = ("area", "tortuosity_index", "median_tortuosity", "length", "branching_angle",
            "start_count", "end_count", "inter_count")  # fmt: skip


def geometry(eye, mask, kind):
    """Return the eight geometrical biomarkers, outside the disc."""
    line, (x, y), radius = skeletonize(mask) * 1.0, np.rint(eye["centre"]), int(eye["radius"])
    tool, roi = GeometricalVBMs(), np.repeat(eye["fov"][..., None] * 255.0, 3, axis=2)
    vessel, line = tool.apply_roi(mask * 1.0, line, discs(eye), roi)
    return dict(
        zip(GEOMETRY, tool.compute_geomVBMs(vessel, line, int(x), int(y), radius)[0], strict=True)
    )


def equivalents(eye, mask, kind):
    """Return the central retinal equivalents by both formulas."""
    line, (x, y), radius = skeletonize(mask) * 1.0, np.rint(eye["centre"]), int(eye["radius"])
    tool = CREVBMs()
    vessel, line = tool.apply_roi(mask * 1.0, line, discs(eye))
    return tool.compute_central_retinal_equivalents(
        vessel, line, int(x), int(y), radius, artery=kind != "vein"
    )[0]


def discs(eye):
    """Return PVBM's picture of discs: 1 radius in green, 2 in red, 3 in blue."""
    y, x = np.indices(eye["vessel"].shape)
    away = np.hypot(x - eye["centre"][0], y - eye["centre"][1]) / eye["radius"]
    return np.stack([away <= 2, away <= 1, away <= 3], axis=2) * 255.0


def fractals(eye, mask, kind):
    """Return the dimensions and the length of the singularity spectrum."""
    found = MultifractalVBMs().compute_multifractals(mask * 1.0)
    return dict(zip(("d0", "d1", "d2", "length"), found, strict=True))


def measure(eye):
    """Return PVBM's table; what fails is missing and named."""
    parts = [(part, mask & eye["fov"], kind) for kind, mask in kinds(eye).items()
             for part in (geometry, equivalents)]  # fmt: skip
    values, faults = {}, []
    for part, mask, kind in [*parts, (fractals, eye["vessel"] & eye["fov"], "vessel")]:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                found = part(eye, mask, kind)
        except Exception as error:
            faults.append(f"{part.__name__} of {kind}: {type(error).__name__}")
        else:
            good = {k: None if np.isnan(v) or v == -1 else float(v) for k, v in found.items()}
            values |= {f"{kind}_{name}": value for name, value in good.items()}
    return values, faults


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if "RECURSION" in os.environ:
        sys.setrecursionlimit(100_000 if os.environ["RECURSION"] == "limit" else 1_000_000)
    if os.environ.get("RECURSION") == "stack":
        threading.stack_size(1 << 30)
    walker = threading.Thread(target=work, args=(measure, version("pvbm")))
    # A thread's stack is as large as the main thread's unless it is told otherwise.
    walker.start()
    walker.join()

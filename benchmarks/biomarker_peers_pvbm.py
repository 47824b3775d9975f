"""PVBM's numbers of masks in a folder, printed as JSON; run by `biomarker_peers` in PVBM's own
environment (it needs PVBM, numpy and scikit-image, and nothing of RetinaForge).

Each `<name>.npz` holds artery, vein and fov (masks), centre (x, y) and radius of the disc.

Run: python benchmarks/biomarker_peers_pvbm.py FOLDER
"""

import contextlib
import io
import json
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PVBM.CentralRetinalAnalysis import CREVBMs
from PVBM.FractalAnalysis import MultifractalVBMs
from PVBM.GeometryAnalysis import GeometricalVBMs
from skimage.morphology import skeletonize

NAMES = ("area", "tortuosity_index", "median_tortuosity", "length", "branching_angle",
         "start_count", "end_count", "inter_count")  # fmt: skip


def zones(shape, centre, radius):
    """Return PVBM's picture of discs: 1 radius in green, 2 in red, 3 in blue."""
    y, x = np.indices(shape)
    away = np.hypot(x - centre[0], y - centre[1])
    return np.stack([away <= 2 * radius, away <= radius, away <= 3 * radius], axis=2) * 255.0


def measure(mask, fov, centre, radius, kind):
    """Return PVBM's geometry and equivalents of one mask; what fails is None."""
    seen = (mask & fov).astype(float)
    skeleton = skeletonize(seen > 0).astype(float)
    discs, (x, y), found = zones(mask.shape, centre, radius), np.rint(centre).astype(int), {}
    roi = np.repeat(fov[..., None] * 255.0, 3, axis=2)
    tool = GeometricalVBMs()
    vessel, line = tool.apply_roi(seen, skeleton, discs, roi)
    values, _ = tool.compute_geomVBMs(vessel, line, int(x), int(y), int(radius))
    found |= {f"{kind}_{name}": float(v) for name, v in zip(NAMES, values, strict=True)}
    tool = CREVBMs()
    vessel, line = tool.apply_roi(seen, skeleton, discs)
    values, _ = tool.compute_central_retinal_equivalents(
        vessel, line, int(x), int(y), int(radius), artery=kind == "artery"
    )
    name = "crae" if kind == "artery" else "crve"
    value = float(values[f"{name}k"])
    return found | {f"{name}_knudtson": None if value == -1 else value}


def fractal(mask):
    """Return the three dimensions of the grid from the upper left corner."""
    values = MultifractalVBMs(n_rotations=1, optimize=False).compute_multifractals(mask * 1.0)
    return {"area": float(mask.sum())} | dict(
        zip(("d0", "d1", "d2"), map(float, values[:3]), strict=True)
    )


def main():
    """Print one object by mask."""
    rows = {}
    for path in sorted(Path(sys.argv[1]).glob("*.npz")):
        eye, said = np.load(path), io.StringIO()
        with contextlib.redirect_stdout(said):
            row = fractal((eye["artery"] | eye["vein"]) & eye["fov"])
            for kind in ("artery", "vein"):
                try:
                    row |= measure(eye[kind], eye["fov"], eye["centre"], float(eye["radius"]), kind)
                except Exception as error:
                    row |= {f"{kind}_failed": f"{type(error).__name__}: {error}"}
        rows[path.stem] = row
    print(json.dumps({"version": version("pvbm"), "rows": rows}))


if __name__ == "__main__":
    # PVBM's walk is recursive: without this it overflows on most masks.
    sys.setrecursionlimit(10**6)
    threading.stack_size(1 << 30)
    walker = threading.Thread(target=main)
    walker.start()
    walker.join()

"""RetinaForge's whole table of each mask; a worker of `vessel_speed`.

Run: python benchmarks/vessel_speed_ours.py MASK.npz ...
"""

import math
from importlib.metadata import version

from retinaforge.core import Fov, Landmarks
from retinaforge.vessels.biomarkers import measure_all
from retinaforge.vessels.vasculature import read_vasculature
from vessel_speed_worker import work


def measure(eye):
    """Return every biomarker by column, None where it is undefined."""
    pixels, radius = eye["vessel"], float(eye["radius"])
    height, width = pixels.shape
    marks = Landmarks(disc_centre_px=tuple(eye["centre"]), disc_axes_px=(radius, radius),
                      fovea_px=tuple(eye["fovea"]))  # fmt: skip
    fov = Fov(eye["fov"], ((width - 1) / 2, (height - 1) / 2), max(height, width) / 2, "circle")
    v = read_vasculature(pixels, fov, marks, artery=eye.get("artery"), vein=eye.get("vein"))
    found = measure_all(v)
    return {q.card.column: None if math.isnan(q.value) else q.value for q in found}, []


if __name__ == "__main__":
    work(measure, version("retinaforge"))

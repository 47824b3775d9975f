"""The measures of benchmarks/phantom_realism.py on shapes whose answer is known."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from retinaforge.phantoms.params import UM_PER_DEG
from retinaforge.vessels import vessel_mask

SIDE = 401
FIELD = np.ones((SIDE, SIDE), bool)
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE // 2


def _load() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks/eye_measures.py"
    spec = importlib.util.spec_from_file_location("eye_measures", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["eye_measures"] = module
    spec.loader.exec_module(module)
    return module


TOOL = _load()


def ray(angle_deg: float, *, radius: float = 3.0, length: float = 180.0) -> np.ndarray:
    """Draw a straight vessel from the middle outwards."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    along, across = X * cos + Y * sin, np.abs(X * sin - Y * cos)
    return (along >= -1e-6) & (along <= length) & (across <= radius + 1e-6)


def measured(pixels: np.ndarray) -> dict[str, float]:
    # One pixel is 10 um.
    degrees = 10 * SIDE / UM_PER_DEG
    return TOOL.measure(vessel_mask(pixels, FIELD), diameter_px=float(SIDE), fov_deg=degrees)


def test_a_straight_vessel_has_its_calibre_its_length_and_no_bifurcation() -> None:
    found = measured(ray(0) | ray(180))
    assert found["calibre_median"] == pytest.approx(70, abs=1)
    assert found["length"] == pytest.approx(3.6 / 4.01**2, rel=0.04)
    assert found["density"] == pytest.approx(100 * 7 * 361 / SIDE**2, rel=0.01)
    assert found["bifurcations"] == 0
    assert found["tortuosity"] == pytest.approx(0, abs=1)
    assert found["thin"] < 5
    assert found["gap"] == pytest.approx(10 * (SIDE // 2 - 3) / 2 / 1000, abs=0.03)


@pytest.mark.parametrize("between", [50, 70, 90])
def test_one_bifurcation_has_its_angle(between: float) -> None:
    found = measured(ray(180) | ray(between / 2) | ray(-between / 2))
    assert found["bifurcations"] == pytest.approx(1 / (3 * 0.18), rel=0.06)
    assert found["angle"] == pytest.approx(between, abs=4)


@pytest.mark.parametrize("slope", [45, 60, 90])
def test_a_crossing_is_no_bifurcation(slope: float) -> None:
    assert measured(ray(0) | ray(180) | ray(slope) | ray(slope + 180))["bifurcations"] == 0


def test_a_half_circle_winds_by_half_pi() -> None:
    ring = (np.abs(np.hypot(X, Y) - 150) <= 3) & (Y < 0)
    assert measured(ring)["tortuosity"] == pytest.approx(100 * (math.pi / 2 - 1), rel=0.05)


def test_a_line_has_dimension_one_and_a_filled_square_of_lines_two() -> None:
    line = np.argwhere((Y == 0) & (np.abs(X) <= 200))
    assert TOOL.box_dimension(line, SIDE) == pytest.approx(1, abs=0.03)
    plane = np.argwhere(FIELD)
    assert TOOL.box_dimension(plane, SIDE) == pytest.approx(2, abs=0.05)

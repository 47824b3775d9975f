"""Rows and arrays as `measure_job` writes them, made up: no network has seen anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.anatomy_checks import CHECKS
from retinaforge.audits.patterns import Pattern
from retinaforge.core import rng_for
from retinaforge.validation.eye import FRD_COLOUR, FRD_V0, FRD_V1, VESSELS, Measured
from retinaforge.validation.jobs import Job
from retinaforge.validation.spaces import COLOUR, STRUCTURE

DIMENSIONS = 6
SIZE_PX = 64
BIOMARKERS = ("area_density_1", "crae_um")
NUMBERS = ("sharpness", "brightness")
CHECK_NAMES = tuple(check.card.name for check in CHECKS)


def measured(
    name: str, *, side: str = "real", seed: int = 0, shift: Mapping[str, float] | None = None,
    failed: Sequence[str] = (), grade: str | None = "good", groups: Mapping[str, str] | None = None,
    vessels: Mapping[str, float] | None = None, patient: str = "",
) -> Measured:  # fmt: skip
    """Return one made-up image.

    Args:
        shift: standard deviations by which a feature space is moved.
        failed: anatomy checks that it fails.
    """
    rng = rng_for(seed, "made up", side, name)
    shift = shift or {}
    arrays = {
        space: rng.normal(shift.get(space, 0.0), 1.0, DIMENSIONS)
        for space in (STRUCTURE, COLOUR, FRD_V1, FRD_V0, FRD_COLOUR)
    }
    arrays[VESSELS] = np.packbits(rng.random((SIZE_PX, SIZE_PX)) < 0.1)
    checks = {
        check: {"passed": check not in failed, "value": 1.0,
                "reason": "made up" if check in failed else ""}
        for check in CHECK_NAMES
    }  # fmt: skip
    row: dict[str, Any] = {
        "side": side, "name": name, "patient": patient or name, "groups": dict(groups or {}),
        "status": "ok", "reason": "", "reasons": {}, "checks": checks, "quality": {},
        "grade": {"grade": grade, "probability": 0.9, "reason": ""},
        "vessels": dict(vessels or {}), "landmarks": {},
    }  # fmt: skip
    return Measured(row, arrays | pattern_arrays(made_up_pattern(rng)))


def side_of(count: int, *, side: str = "real", **further: Any) -> list[Measured]:
    """Return a side of made-up images."""
    return [measured(f"{side}_{k:03}.png", side=side, **further) for k in range(count)]


def with_jobs(rows: Sequence[Measured]) -> list[tuple[Job, Measured]]:
    """Return made-up images with jobs that point to no file."""
    return [
        (Job(m.row["side"], m.row["name"], Path(m.row["name"]), m.row["patient"]), m) for m in rows
    ]


def made_up_pattern(rng: np.random.Generator, *, lines: int = 7) -> Pattern:
    """Return vessels that wind from a place on the rim through the field, and where they cross."""
    points, directions = [], []
    for _ in range(lines):
        start = rng.uniform(-0.5, 0.5, 2)
        turn, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 1.5)
        steps = np.arange(40)
        angle = turn + bend * steps / 40
        path = start + 0.02 * np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1), axis=0)
        points.append(path)
        directions.append(angle % np.pi)
    joints = np.concatenate([path[[5, 15, 25, 35]] for path in points])
    arms = np.sort(rng.uniform(-np.pi, np.pi, (len(joints), 4)), axis=1)
    arms[:, 3] = np.nan
    y, x = np.mgrid[-1.2:1.2:96j, -1.2:1.2:96j]
    return Pattern(np.concatenate(points), np.concatenate(directions), joints, arms,
                   np.hypot(x, y) < 1)  # fmt: skip


def pattern_arrays(pattern: Pattern) -> dict[str, np.ndarray]:
    """Return a pattern's arrays as they are kept with an image."""
    names = ("points", "directions", "junctions", "arms", "fov")
    return {f"pattern_{name}": getattr(pattern, name) for name in names}

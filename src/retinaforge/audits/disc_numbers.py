"""A bright disc: how it stands out at the place where it was found, and anywhere else."""

from __future__ import annotations

import math

import numpy as np

from retinaforge.audits.disc_home import edge_of_disc, home_of
from retinaforge.audits.eye_findings import EyeFindings, Map

ROUND_SIZES = (0.085, 0.105, 0.13, 0.16)
"""Radii of bright discs that are looked for, in radii of the field."""
ROUND_TURNS, ROUND_WORST = 12, 3


def disc_numbers(eye: EyeFindings) -> dict[str, float]:
    """Return how clearly the disc is brighter than what surrounds it, in log units; 0 without one.

    bright: median light inside 0.7 radii less that of a ring of 1.3 to 1.8.
    disc_edge: as `edge_of_disc`.
    """
    home = home_of(eye)
    if home is None:
        return {"bright": 0.0, "disc_edge": 0.0}
    inner, ring = _brightness(eye, home.centre_px, home.radius_px)
    edge = edge_of_disc(eye, home.centre_px, home.radius_px)
    return {"bright": inner - ring, "disc_edge": edge}


def _brightness(eye: EyeFindings, place: tuple[float, float], radius: float) -> tuple[float, float]:
    """Return the median light inside 0.7 radii and in a ring of 1.3 to 1.8."""
    rows, columns = (
        slice(max(0, int(middle / 2 - radius) - 1), max(0, int(middle / 2 + radius) + 2))
        for middle in (place[1], place[0])
    )
    light = eye.light[::2, ::2][rows, columns]
    y = 2 * np.arange(rows.start, rows.start + light.shape[0])[:, None]
    x = 2 * np.arange(columns.start, columns.start + light.shape[1])
    away = np.hypot(x - place[0], y - place[1]) / radius
    known = np.isfinite(light)
    inner, ring = known & (away < 0.7), known & (away > 1.3) & (away < 1.8)
    if not inner.any() or not ring.any():
        return 0.0, 0.0
    return float(np.median(light[inner])), float(np.median(light[ring]))


def round_numbers(eye: EyeFindings) -> dict[str, float]:
    """Return how clearly a bright disc ends all round, at the disc and at the best other place.

    On every fourth pixel: the light 0.8 radii from a place less that at 1.25 radii, in the fourth
    worst of 12 directions.
    """
    light = np.nan_to_num(eye.light[2::4, 2::4], nan=-9.0).astype(np.float32)
    home, whole = home_of(eye), eye.fov.radius_px
    y, x = np.ogrid[: light.shape[0], : light.shape[1]]
    away = np.full(light.shape, np.inf)
    if home is not None:
        away = np.hypot(4 * x + 2 - home.centre_px[0], 4 * y + 2 - home.centre_px[1])
    best = {"round_home": 0.0, "round_rival": 0.0}
    for size in ROUND_SIZES:
        radius = size * whole
        clear = _all_round(light, radius / 4)
        other = away > (0.0 if home is None else home.radius_px + 0.7 * radius)
        best["round_rival"] = max(best["round_rival"], float(np.max(clear, where=other, initial=0)))
        at_home = away < 0.5 * radius
        best["round_home"] = max(best["round_home"], float(np.max(clear, where=at_home, initial=0)))
    return best


def _all_round(light: Map, radius: float) -> Map:
    reach = round(1.25 * radius) + 1
    wide = np.pad(light, reach, constant_values=-9.0)
    height, width = light.shape

    def moved(turn: float, far: float) -> Map:
        dy, dx = round(far * math.sin(turn)), round(far * math.cos(turn))
        return wide[reach + dy : reach + dy + height, reach + dx : reach + dx + width]

    turns = [2 * math.pi * k / ROUND_TURNS for k in range(ROUND_TURNS)]
    falls = []
    for turn in turns:
        inner, outer = moved(turn, 0.8 * radius), moved(turn, 1.25 * radius)
        falls.append(np.where((inner > -5) & (outer > -5), inner - outer, -1.0))
    return np.partition(np.stack(falls), ROUND_WORST, axis=0)[ROUND_WORST]

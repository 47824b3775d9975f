"""Where in an eye a lesion can lie: quadrants, the nerve fibres' direction, places near vessels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from retinaforge.phantoms.fundus import FIELD_RADIUS_UM, Layout, Point, Vessel

QUADRANTS = (0, 1, 2, 3)
"""Upper temporal, lower temporal, upper nasal, lower nasal, as `quadrant` numbers them."""

SEEN_FROM_FOVEA_UM, SEEN_FROM_DISC_UM = 5200.0, 5700.0
"""Within both, a 45-degree photograph shows the place, whether it is centred on macula or disc."""


def quadrant(point: Point, layout: Layout) -> int:
    """Return the quadrant of a point, parted by the horizontal and the vertical of the disc.

    These are the quadrants of fields 4-7 of the seven standard fields, which meet at the disc.
    """
    return 2 * int(point[0] > layout.disc_um[0]) + int(point[1] > layout.disc_um[1])


def disc_diameter_um(layout: Layout) -> float:
    """Return the disc's vertical diameter, the unit of distance of the gradings."""
    return 2 * layout.disc_axes_um[1]


def fibre_angle(point: Point, layout: Layout) -> float:
    """Return the direction of the nerve fibres at a point, in radians.

    Nasal of the disc they are rays; temporal of it arcs u = a v^2, whose tangent is (-2u, v).
    """
    u, v = layout.disc_um[0] - point[0], point[1] - layout.disc_um[1]
    return math.atan2(v, -2 * u if u > 0 else -u)


def seen(points: Float[np.ndarray, "n 2"], layout: Layout) -> np.ndarray:
    """Return which points any usual photograph of 45 degrees shows."""
    from_disc = np.hypot(*(points - np.array(layout.disc_um)).T)
    return (np.hypot(*points.T) < SEEN_FROM_FOVEA_UM) & (from_disc < SEEN_FROM_DISC_UM)


@dataclass(frozen=True)
class Sites:
    """Places beside small vessels, more of them where retinopathy is found most.

    Attributes:
        points_um: places by quadrant.
        shares: cumulative probability of each.
        core: places by quadrant that every usual photograph shows.
    """

    points_um: tuple[Float[np.ndarray, "_ 2"], ...]
    shares: tuple[Float[np.ndarray, "n"], ...]
    core: tuple[Float[np.ndarray, "_ 2"], ...]

    def draw(self, at: int, *, rng: np.random.Generator, core: bool = False) -> Point:
        """Draw a place in quadrant `at`, up to 150 um from the vessel."""
        if core and len(self.core[at]):
            x, y = self.core[at][int(rng.integers(len(self.core[at])))]
        else:
            chosen = int(np.searchsorted(self.shares[at], rng.uniform()))
            x, y = self.points_um[at][min(chosen, len(self.points_um[at]) - 1)]
        away, turn = rng.uniform(0, 150), rng.uniform(0, 2 * math.pi)
        return float(x + away * math.cos(turn)), float(y + away * math.sin(turn))


def sites_of(layout: Layout, vessels: tuple[Vessel, ...], *, largest_um: float) -> Sites:
    """Return the places along vessels whose radius is at most `largest_um`.

    Veins count three times, for the venous side of the capillaries (a choice, not measured). The
    density over the distance to the fovea peaks at 1.6
    disc diameters, as in the lesion masks of IDRiD (median 1.65 for microaneurysms, 1.8 for
    haemorrhages).
    """
    # A coarse lattice stands in where a quadrant has no vessel that is small enough.
    lattice = np.stack(np.meshgrid(*[np.arange(-9000.0, 12000.0, 450.0)] * 2), axis=-1)
    points = np.concatenate([lattice.reshape(-1, 2), *(v.points_um for v in vessels)])
    radii = np.concatenate([np.zeros(lattice.size // 2), *(v.radii_um for v in vessels)])
    share = np.array([0.05, *(3.0 if v.kind == "vein" else 1.0 for v in vessels)])
    weight = np.repeat(share, [lattice.size // 2, *(len(v.points_um) for v in vessels)])
    dd = disc_diameter_um(layout)
    from_fovea = np.hypot(*points.T)
    from_disc = np.hypot(*(points - np.array(layout.disc_um)).T)
    from_middle = np.hypot(*(points - np.array(layout.disc_um) / 2).T)
    allowed = (from_fovea > max(layout.faz_radius_um, 350.0) + 150) & (from_disc > 0.5 * dd + 350)
    allowed &= (from_middle < FIELD_RADIUS_UM - 600) & (radii <= largest_um)
    points, weight = points[allowed], weight[allowed]
    weight = weight * (0.06 + np.exp(-0.5 * ((from_fovea[allowed] / dd - 1.6) / 0.75) ** 2))
    side = 2 * (points[:, 0] > layout.disc_um[0] + 200) + (points[:, 1] > layout.disc_um[1])
    clear = np.abs(points - np.array(layout.disc_um)).min(1) > 200
    parts = [(points[m], weight[m]) for m in ((side == q) & clear for q in QUADRANTS)]
    return Sites(
        tuple(p for p, _ in parts),
        tuple(np.cumsum(w) / w.sum() for _, w in parts),
        tuple(p[seen(p, layout)] for p, _ in parts),
    )

"""What can be turned on a phantom, each number in its unit and with its source."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from retinaforge.core import Refusal

UM_PER_DEG = 288.0
"""Retinal length of one degree at the posterior pole (Drasdo & Fowler 1974, schematic eye)."""

SMALLEST_SIZE_PX = 64


@dataclass(frozen=True)
class PhantomParams:
    """Parameters of the eye and of its vessels; the defaults describe an ordinary adult eye.

    Attributes:
        fov_deg: field of view of the camera, 30-60 degrees; 45 is the usual one.
        disc_diameter_um: vertical disc diameter; mean 1.88 mm (Quigley et al. 1990), 1.8 here.
        disc_fovea_dd: disc centre to fovea in disc diameters; 2.5 is the clinical rule.
        disc_fovea_deg: how far the fovea lies below the disc, as the angle of the line between
            them; mean 7.8, SD 3.6 degrees (Rohrschneider 2004).
        artery_um: calibre of a temporal artery at the disc border; 90-120 um.
        artery_vein_ratio: artery calibre over vein calibre, 0.67-0.75 in healthy eyes
            (Hubbard et al. 1999).
        murray_exponent: k in r0^k = r1^k + r2^k; 3 by Murray 1926 (least work).
        asymmetry: mean ratio of a side branch's radius to the main branch's, in (0, 1].
        tortuosity: 0 draws smooth vessels, 1 ordinary ones, 2 winding ones.
        smallest_um: calibre below which no branch is drawn.
        spacing: length of vessel between two branchings, 1 is ordinary; less is denser.
        faz_radius_um: radius of the zone round the fovea without vessels; visible vessels in a
            colour photograph end at 250-400 um.
        arcade_dd: height of the temporal arcades above and below the fovea, in disc diameters.
    """

    fov_deg: float = 45.0
    disc_diameter_um: float = 1800.0
    disc_fovea_dd: float = 2.5
    disc_fovea_deg: float = 6.5
    artery_um: float = 105.0
    artery_vein_ratio: float = 0.71
    murray_exponent: float = 3.0
    asymmetry: float = 0.6
    tortuosity: float = 1.0
    smallest_um: float = 26.0
    spacing: float = 1.0
    faz_radius_um: float = 320.0
    arcade_dd: float = 1.85

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            low, high = RANGES[entry.name]
            if not (math.isfinite(value) and low <= value <= high):
                raise Refusal(
                    f"{entry.name} between {low:g} and {high:g}",
                    f"{value!r}",
                    "see the source of each number in retinaforge.phantoms.PhantomParams",
                )


RANGES: dict[str, tuple[float, float]] = {
    "fov_deg": (30.0, 60.0),
    "disc_diameter_um": (1000.0, 2800.0),
    "disc_fovea_dd": (2.0, 3.2),
    "disc_fovea_deg": (-5.0, 20.0),
    "artery_um": (40.0, 250.0),
    "artery_vein_ratio": (0.4, 1.0),
    "murray_exponent": (2.0, 4.0),
    "asymmetry": (0.2, 1.0),
    "tortuosity": (0.0, 4.0),
    "smallest_um": (10.0, 100.0),
    "spacing": (0.4, 4.0),
    "faz_radius_um": (0.0, 1000.0),
    "arcade_dd": (1.0, 3.0),
}

"""What an eye's ground looks like, settled: pigment, choroid, macula, nerve fibres.

The populations were set by eye beside CHASE_DB1, HRF, DRIVE, IDRiD, ODIR and HEI-MED photographs;
benchmarks/phantom_statistics.py measures how far they differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from retinaforge.phantoms.params import AnatomyParams

Colour3 = tuple[float, float, float]

LIGHT_RGB = np.array([196.0, 100.0, 52.0])
MEDIUM_RGB = np.array([170.0, 75.0, 35.0])
DARK_RGB = np.array([132.0, 60.0, 33.0])
"""A neutral camera's RGB of a fundus by pigment: orange-pale, ordinary, brown-grey."""


@dataclass(frozen=True)
class Look:
    """One person's appearance; both eyes share it.

    Attributes:
        pigment: 0 a very light fundus, 1 a very dark one.
        base: RGB of the background for a neutral camera.
        tigroid: how far choroidal vessels show, 0-1.
        mottle: contrast of the texture, 1 is ordinary.
        drift: contrast of slow changes of brightness and colour, 1 is ordinary.
        macula: depth of the macula's darkening, 1 is ordinary.
        foveal_reflex: brightness of the reflexes at and round the fovea, 0-1.
        fibres: how far striations of the nerve-fibre layer show, 0-1.
        glow: brightening round the disc, 1 is ordinary.
        vessel: contrast of the vessels, 1 is ordinary.
        blur_um: blur of the eye's own optics, in micrometres on the retina.
    """

    pigment: float
    base: Float[np.ndarray, "3"]
    tigroid: float
    mottle: float
    drift: float
    macula: float
    foveal_reflex: float
    fibres: float
    glow: float
    vessel: float
    blur_um: float


def draw_look(anatomy: AnatomyParams, *, rng: np.random.Generator) -> Look:
    """Draw one appearance; fields of `anatomy` that are given are kept.

    Args:
        anatomy: pigment, tigroid, foveal_reflex and fibres; None is drawn from the population.
        rng: consumed in a fixed order, whatever is given.
    """
    pigment = _given(anatomy.pigment, rng.beta(2.0, 2.0))
    shade = np.exp(rng.normal(0, 0.06)) * np.exp(rng.normal(0, (0.02, 0.04, 0.08)))
    tigroid = _given(anatomy.tigroid, float(np.clip(rng.normal(0.22, 0.3), 0, 1)))
    reflex = _given(anatomy.foveal_reflex, float(np.clip(rng.normal(0.15, 0.3), 0, 1)))
    fibres = _given(anatomy.fibres, float(np.clip(rng.normal(0.4, 0.25), 0, 1)))
    return Look(
        pigment=pigment,
        base=base_rgb(pigment) * shade,
        tigroid=tigroid,
        mottle=float(rng.lognormal(0, 0.3)),
        drift=float(rng.lognormal(0, 0.35)),
        macula=float(np.clip(rng.lognormal(0, 0.4), 0.35, 2.0)),
        foveal_reflex=reflex,
        fibres=fibres,
        glow=float(np.clip(rng.normal(1, 0.4), 0, 2)),
        vessel=rng.uniform(0.6, 1.1),
        blur_um=rng.uniform(9, 22),
    )


def base_rgb(pigment: float) -> Float[np.ndarray, "3"]:
    """Return the background's RGB by pigment (0-1), geometric between light, medium and dark."""
    log = np.log(np.stack([LIGHT_RGB, MEDIUM_RGB, DARK_RGB]))
    return np.exp([np.interp(pigment, (0, 0.5, 1), log[:, channel]) for channel in range(3)])


def _given(value: float | None, drawn: float) -> float:
    return float(drawn if value is None else value)

"""What a photograph of an eye looks like: pigment, light, choroid, macula, camera.

The colours were set by eye beside CHASE_DB1, HRF and DRIVE photographs, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image

from retinaforge.phantoms.params import AnatomyParams

# Mean RGB of a fundus by camera and pigment; a photograph's base colour lies between two of them.
TINTS = np.array(
    [
        (158.0, 66.0, 16.0),
        (206.0, 66.0, 20.0),
        (202.0, 56.0, 34.0),
        (176.0, 46.0, 26.0),
        (176.0, 104.0, 58.0),
        (178.0, 68.0, 42.0),
        (166.0, 72.0, 50.0),
        (146.0, 60.0, 22.0),
    ]
)


@dataclass(frozen=True)
class Look:
    """One photograph's appearance; both eyes of a person share it.

    Attributes:
        base: RGB of the background.
        vignette: darkening at the border of the field, 0-1.
        tilt: brightness gradient over the field, (x, y).
        tigroid: how far choroidal vessels show, 0-1.
        mottle: contrast of the low-frequency texture.
        macula: how dark the macula is, 0-1.
        vessel: contrast of the vessels, 1 is ordinary.
        sheen: brightness of the nerve-fibre layer.
        blur_um: blur of the optics, in micrometres on the retina.
        noise: standard deviation of the sensor's noise, grey levels.
    """

    base: Float[np.ndarray, "3"]
    vignette: float
    tilt: Float[np.ndarray, "2"]
    tigroid: float
    mottle: float
    macula: float
    vessel: float
    sheen: float
    blur_um: float
    noise: float


def draw_look(anatomy: AnatomyParams, *, rng: np.random.Generator) -> Look:
    """Draw one appearance."""
    one, two = rng.choice(len(TINTS), 2, replace=False)
    mix = rng.uniform(0, 1)
    base = np.exp(mix * np.log(TINTS[one]) + (1 - mix) * np.log(TINTS[two]))
    return Look(
        base=base * np.exp(rng.normal(0.1, 0.09)) * np.exp(rng.normal(0, 0.04, 3)),
        vignette=rng.uniform(0.1, 0.5),
        tilt=rng.normal(0, 0.13, 2),
        tigroid=max(0.0, rng.normal(0.2, 0.4)),
        mottle=rng.uniform(0.03, 0.09),
        macula=rng.uniform(0.18, 0.45),
        vessel=rng.uniform(0.6, 1.1),
        sheen=rng.uniform(0.0, 0.22),
        blur_um=rng.uniform(9, 22),
        noise=rng.uniform(1.0, 3.0),
    )


def smooth_noise(
    cells: int, size_px: int, *, rng: np.random.Generator
) -> Float[np.ndarray, "size size"]:
    """Return noise of about `cells` blobs a side and variance 1 at the lattice, at any size."""
    lattice = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    box = (1.0, 1.0, cells + 2.0, cells + 2.0)
    image = Image.fromarray(lattice).resize((size_px, size_px), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image)

"""The camera: where it looks, how wide, and what it does to the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Layout, Point
from retinaforge.phantoms.look import Look, smooth_noise
from retinaforge.phantoms.params import UM_PER_DEG, CameraParams

Colour = Float[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Shot:
    """One photograph's camera, settled: no field of `params` is None.

    Attributes:
        params: every setting.
        centre_um: where on the retina the middle of the field lies.
        tilt: brightness gradient over the field, (x, y).
    """

    params: CameraParams
    centre_um: Point
    tilt: tuple[float, float]


def set_up(params: CameraParams, layout: Layout, *, rng: np.random.Generator) -> Shot:
    """Draw what the parameters leave open and aim the camera; the disc is always in the picture."""
    radius = params.fov_deg / 2 * UM_PER_DEG
    disc, half_height = layout.disc_um, layout.disc_axes_um[1]
    distance = float(np.hypot(*disc))
    shares = {
        "macula": rng.uniform(0.0, 0.15),
        "between": rng.uniform(0.3, 0.6),
        "disc": rng.uniform(0.85, 1.05),
    }
    drawn = ("macula", "between", "disc")[int(rng.choice(3, p=(0.45, 0.4, 0.15)))]
    aim = params.aim or drawn
    share = max(shares[aim], 1 - (0.93 * radius - half_height) / distance)
    wander = rng.uniform(-0.05, 0.05, 2) * radius
    tilt = rng.normal(0, 0.13, 2)
    settled = replace(params, model=params.model or "plain", aperture=params.aperture or "circle",
                      aim=aim, noise=rng.uniform(1, 3) if params.noise is None else params.noise,
                      vignette=rng.uniform(0.1, 0.5) if params.vignette is None
                      else params.vignette)  # fmt: skip
    centre = (share * disc[0] + wander[0], share * disc[1] + wander[1])
    return Shot(settled, centre, (float(tilt[0]), float(tilt[1])))


def aperture_mask(frame: Frame, shot: Shot) -> Bool[np.ndarray, "height width"]:
    """Return where the picture shows retina."""
    return frame.rim <= 1


def expose(scene: Colour, frame: Frame, shot: Shot, look: Look, *, rng: np.random.Generator):
    """Return the photograph (uint8) of a scene (0-255, no noise, as wide as the frame)."""
    size, rim = frame.size_px, frame.rim
    light = 1 - (shot.params.vignette or 0) * rim**2.4
    across = np.linspace(-1, 1, size, dtype=np.float32)
    light = light + shot.tilt[0] * across[None, :] + shot.tilt[1] * across[:, None]
    image = scene * np.clip(light, 0.12, 1.5)[..., None]
    image = np.where(image > 200, 255 - 55 * np.exp(-(image - 200) / 55), image)
    grain = rng.standard_normal((size, size, 3), dtype=np.float32)
    coarse = smooth_noise(min(size // 2, 512), size, rng=rng)[..., None]
    image = image + (shot.params.noise or 0) * (0.7 * grain + 0.8 * coarse)
    image *= np.clip((1 - rim) * frame.fov_radius_px + 0.5, 0, 1)[..., None]
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)

"""Where things lie in an eye: disc, cup and fovea, in micrometres; see `fundus` for the frame."""

from __future__ import annotations

import math

import numpy as np

from retinaforge.phantoms.fundus import Layout
from retinaforge.phantoms.params import AnatomyParams, DiseaseParams, VesselParams

GLAUCOMA_CUP = (0.42, 0.62, 0.78)
"""Mean vertical cup-to-disc ratio of a healthy, a suspect and a glaucomatous disc."""
CUP_BETWEEN = ((0.15, 0.54), (0.56, 0.69), (0.71, 0.92))
"""What is drawn stays on its side of the thresholds of `grading.glaucoma_label`."""


def lay_out(
    anatomy: AnatomyParams,
    vessels: VesselParams,
    disease: DiseaseParams,
    *,
    rng: np.random.Generator,
) -> Layout:
    """Draw one eye's landmarks round the parameters' means.

    Args:
        anatomy: means; distances vary by a few per cent between eyes, the angle by 2.5 degrees.
        vessels: height of the arcades.
        disease: glaucoma sets cup and notch where they are not given.
        rng: consumed in a fixed order, so that one seed gives one eye at every size.
    """
    half_height = anatomy.disc_diameter_um / 2 * rng.uniform(0.94, 1.06)
    distance = anatomy.disc_fovea_dd * anatomy.disc_diameter_um * rng.uniform(0.97, 1.03)
    angle = math.radians(anatomy.disc_fovea_deg + float(np.clip(rng.normal(0, 2.5), -5, 5)))
    disc = (distance * math.cos(angle), -distance * math.sin(angle))
    arcade = vessels.arcade_dd * anatomy.disc_diameter_um * rng.uniform(0.84, 1.16, 2)
    half_width = half_height * rng.uniform(0.86, 0.98)
    drawn = float(np.clip(rng.normal(GLAUCOMA_CUP[disease.glaucoma], 0.08),
                          *CUP_BETWEEN[disease.glaucoma]))  # fmt: skip
    ratio = drawn if anatomy.cup_to_disc is None else anatomy.cup_to_disc
    cup_width = ratio * half_width * rng.uniform(0.95, 1.05)
    cup = (disc[0] - 0.1 * half_width * (1 - ratio), disc[1])
    crescent = max(0.0, float(rng.normal(0.02, 0.1)))
    return Layout(
        disc_um=disc,
        disc_axes_um=(half_width, half_height),
        cup_um=cup,
        cup_axes_um=(min(cup_width, 0.95 * half_width), ratio * half_height),
        notch=anatomy.notch,
        notch_rad=float(rng.choice([-1, 1]) * rng.uniform(0.35, 0.65) * math.pi),
        atrophy=crescent if anatomy.atrophy is None else anatomy.atrophy,
        faz_radius_um=anatomy.faz_radius_um * rng.uniform(0.85, 1.15),
        arcade_um=(float(arcade[0]), float(arcade[1])),
    )

"""Name vessels: which pixels lie on arteries and which on veins.

    e = logit p_artery - logit p_vein          > 0: artery

A vessel is named pixel by pixel, or along its tree (`naming`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Fov, Landmarks, Photograph, require_same_size
from retinaforge.vessels.judge import JudgeCard
from retinaforge.vessels.naming import name_along_tree

ARTERY_VEIN_FORMAT = "retinaforge artery-vein network 1"
SHIPPED_ARTERY_VEIN = "artery-vein-v1.safetensors"
VESSEL_THRESHOLD = 0.5
SMALLEST = 1e-4
"""Probabilities are kept this far from 0 and 1 before their logit is taken."""

Mask = Bool[np.ndarray, "height width"]
Map = Float[np.ndarray, "height width"]


@dataclass(frozen=True)
class NamedVessels:
    """Vessels with names; a pixel is artery or vein, never both.

    Attributes:
        artery: True on arteries.
        vein: True on veins.
    """

    artery: Mask
    vein: Mask


@dataclass(frozen=True)
class ArteryVeinMaps:
    """What a judge sees, in the photograph's own pixels; 0 outside the field of view.

    Attributes:
        artery: probability of artery.
        vein: probability of vein.
        vessel: probability of any vessel.
    """

    artery: Map
    vein: Map
    vessel: Map

    @property
    def evidence(self) -> Map:
        """Return logit p_artery - logit p_vein, positive for arteries."""
        a, v = (np.clip(p, SMALLEST, 1 - SMALLEST) for p in (self.artery, self.vein))
        return np.log(a / (1 - a)) - np.log(v / (1 - v))


def name_vessels(
    maps: ArteryVeinMaps, vessels: Mask, fov: Fov, *, landmarks: Landmarks | None = None,
    along_tree: bool = True,
) -> NamedVessels:  # fmt: skip
    """Name every pixel of a vessel mask.

    Args:
        maps: what a judge sees.
        vessels: True on vessels, from whichever judge.
        fov: of the same photograph.
        landmarks: the disc helps to trace trees, where it is known.
        along_tree: smooth names along the traced trees; else every pixel for itself.
    """
    inside, evidence = vessels & fov.mask, maps.evidence
    if along_tree:
        artery = name_along_tree(evidence, inside, fov, landmarks=landmarks)
    else:
        artery = inside & (evidence > 0)
    return NamedVessels(artery, inside & ~artery)


class ArteryVeinJudge(ABC):
    """Tell arteries and veins apart in any photograph, at the photograph's own size.

    Attributes:
        card: what it is.
        threshold: vessel probability from which a pixel counts as vessel.
    """

    card: JudgeCard
    threshold: float = VESSEL_THRESHOLD

    @abstractmethod
    def maps(self, photo: Photograph, fov: Fov) -> ArteryVeinMaps:
        """Return the probabilities of artery, vein and vessel."""

    @final
    def name(
        self, photo: Photograph, fov: Fov, *, vessels: Mask | None = None, along_tree: bool = True
    ) -> NamedVessels:
        """Return the names of `vessels`, or of the vessels that the judge itself finds."""
        require_same_size(photo, fov)
        maps = self.maps(photo, fov)
        found = maps.vessel >= self.threshold if vessels is None else vessels
        return name_vessels(maps, found, fov, along_tree=along_tree)


def named_rightly(artery: Mask, truth: Mask, where: Mask) -> float:
    """Return the share of the pixels `where` that are called artery where they are one, else vein.

    Args:
        artery: True where the judge says artery, False where it says vein.
        truth: True on arteries.
        where: vessel pixels that have one certain name.

    Returns:
        Between 0 and 1; NaN where there is no such pixel.
    """
    count = int(where.sum())
    return float((artery == truth)[where].sum()) / count if count else math.nan

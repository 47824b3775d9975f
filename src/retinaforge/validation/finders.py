"""Who finds vessels, their kinds, disc and fovea in a validation: our own, with few looks.

On the footing a photograph is at most 512 px wide, where a second look finds little more and costs
as much again. Loaded once a process.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

from retinaforge.anatomy import AnatomyModel
from retinaforge.anatomy.shelf import SHIPPED_ANATOMY, shipped
from retinaforge.core.artefacts import sha256_of
from retinaforge.vessels.artery_vein import SHIPPED_ARTERY_VEIN
from retinaforge.vessels.artery_vein_network import ArteryVeinNetwork
from retinaforge.vessels.network import SHIPPED, NetworkJudge

VESSEL_VIEW_PX, KINDS_VIEW_PX = 560.0, 480.0
SETTLED = 0.15
"""The disc is not looked at again where the first look was right by so much of its radius: on train
photographs outlines agree by Dice 0.99 (median; 0.92 at least) and no landmark is found or lost
(benchmarks/landmark_looks.py)."""


@lru_cache(maxsize=1)
def vessel_judge() -> NetworkJudge:
    """Return who finds vessels."""
    return NetworkJudge(views_px=(VESSEL_VIEW_PX,))


@lru_cache(maxsize=1)
def kind_judge() -> ArteryVeinNetwork:
    """Return who tells arteries and veins apart."""
    return ArteryVeinNetwork(views_px=(KINDS_VIEW_PX,))


@lru_cache(maxsize=1)
def anatomy_model() -> AnatomyModel:
    """Return who finds disc, cup and fovea."""
    return AnatomyModel(settled=SETTLED)


@lru_cache(maxsize=1)
def finder_cards() -> dict[str, dict[str, Any]]:
    """Return the cards of the three, with the fingerprints of their weights."""
    found = {
        "vessels": (vessel_judge().card, SHIPPED),
        "artery_vein": (kind_judge().card, SHIPPED_ARTERY_VEIN),
        "anatomy": (anatomy_model().card, SHIPPED_ANATOMY),
    }
    return {
        name: {**asdict(card), "sha256": sha256_of(shipped(file))}
        for name, (card, file) in found.items()
    }

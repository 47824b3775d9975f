"""Vessel judges and vessel scores.

The judges are loaded when they are asked for: who measures masks loads no network.
"""

from typing import TYPE_CHECKING

import lazy_loader as lazy

from retinaforge.anatomy.shelf import WeightsRefused
from retinaforge.vessels.artery_vein import (
    ArteryVeinJudge,
    ArteryVeinMaps,
    NamedVessels,
    name_vessels,
)
from retinaforge.vessels.compare import COMPARISONS, compare_masks, compare_vessels
from retinaforge.vessels.compare_overlap import AUC, auc
from retinaforge.vessels.compare_overlay import break_positions_px, overlay_missed_added
from retinaforge.vessels.edges import EDGE_SHARPNESS, edge_sharpness
from retinaforge.vessels.ensemble import Ensemble, Verdict
from retinaforge.vessels.judge import Judge, JudgeCard
from retinaforge.vessels.skeleton import VesselMask, vessel_mask

if TYPE_CHECKING:
    from retinaforge.vessels.catalogue import (
        ARTERY_VEIN_JUDGES,
        JUDGES,
        JudgeEntry,
        load_artery_vein_judge,
        load_judge,
    )
    from retinaforge.vessels.network import shipped_weights

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "catalogue": [
            "ARTERY_VEIN_JUDGES", "JUDGES", "JudgeEntry", "load_artery_vein_judge", "load_judge",
        ],
        "network": ["shipped_weights"],
    },
)  # fmt: skip

__all__ = [
    "ARTERY_VEIN_JUDGES",
    "AUC",
    "COMPARISONS",
    "EDGE_SHARPNESS",
    "JUDGES",
    "ArteryVeinJudge",
    "ArteryVeinMaps",
    "Ensemble",
    "Judge",
    "JudgeCard",
    "JudgeEntry",
    "NamedVessels",
    "Verdict",
    "VesselMask",
    "WeightsRefused",
    "auc",
    "break_positions_px",
    "compare_masks",
    "compare_vessels",
    "edge_sharpness",
    "load_artery_vein_judge",
    "load_judge",
    "name_vessels",
    "overlay_missed_added",
    "shipped_weights",
    "vessel_mask",
]

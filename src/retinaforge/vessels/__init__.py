"""Vessel judges and vessel scores."""

from retinaforge.vessels.compare import COMPARISONS, compare_masks, compare_vessels
from retinaforge.vessels.compare_overlap import AUC, auc
from retinaforge.vessels.compare_overlay import break_positions_px, overlay_missed_added
from retinaforge.vessels.edges import EDGE_SHARPNESS, edge_sharpness
from retinaforge.vessels.skeleton import VesselMask, vessel_mask

__all__ = [
    "AUC",
    "COMPARISONS",
    "EDGE_SHARPNESS",
    "VesselMask",
    "auc",
    "break_positions_px",
    "compare_masks",
    "compare_vessels",
    "edge_sharpness",
    "overlay_missed_added",
    "vessel_mask",
]

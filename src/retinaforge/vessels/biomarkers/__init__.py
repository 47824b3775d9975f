"""Biomarkers: the explicit catalogue, one tuple a file."""

from __future__ import annotations

from retinaforge.core import Quantity
from retinaforge.vessels.biomarker import Biomarker
from retinaforge.vessels.biomarkers.anatomy import ANATOMY
from retinaforge.vessels.biomarkers.branching import BRANCHING
from retinaforge.vessels.biomarkers.calibre import CALIBRE
from retinaforge.vessels.biomarkers.counts import COUNTS
from retinaforge.vessels.biomarkers.equivalents import EQUIVALENTS
from retinaforge.vessels.biomarkers.extent import EXTENT
from retinaforge.vessels.biomarkers.fractal import FRACTAL
from retinaforge.vessels.biomarkers.lesions import LESIONS
from retinaforge.vessels.biomarkers.named_pvbm import NAMED_PVBM
from retinaforge.vessels.biomarkers.named_pvbm_geometry import NAMED_PVBM_GEOMETRY
from retinaforge.vessels.biomarkers.named_vascx import NAMED_VASCX
from retinaforge.vessels.biomarkers.regions import REGIONS
from retinaforge.vessels.biomarkers.tortuosity import TORTUOSITY
from retinaforge.vessels.vasculature import Vasculature

BIOMARKERS: tuple[Biomarker, ...] = (
    *EXTENT, *REGIONS, *CALIBRE, *EQUIVALENTS, *TORTUOSITY, *BRANCHING, *FRACTAL, *COUNTS,
    *ANATOMY, *LESIONS, *NAMED_PVBM, *NAMED_PVBM_GEOMETRY, *NAMED_VASCX,
)  # fmt: skip


def measure_all(vasculature: Vasculature) -> list[Quantity]:
    """Return every biomarker, in the order of the catalogue; missing ones NaN with a reason."""
    return [biomarker.measure(vasculature) for biomarker in BIOMARKERS]

"""The words all rooms share."""

from retinaforge.core.card import Card
from retinaforge.core.errors import Refusal, RetinaForgeError, in_one_line
from retinaforge.core.landmarks import Landmarks
from retinaforge.core.photograph import Eye, Fov, Photograph, require_same_size
from retinaforge.core.record import SPLITS, Record, Split, split_of
from retinaforge.core.rng import rng_for, seed_for
from retinaforge.core.score import Quantity, Score
from retinaforge.core.tree import Branch, VesselKind, VesselTree

__all__ = [
    "SPLITS",
    "Branch",
    "Card",
    "Eye",
    "Fov",
    "Landmarks",
    "Photograph",
    "Quantity",
    "Record",
    "Refusal",
    "RetinaForgeError",
    "Score",
    "Split",
    "VesselKind",
    "VesselTree",
    "in_one_line",
    "require_same_size",
    "rng_for",
    "seed_for",
    "split_of",
]

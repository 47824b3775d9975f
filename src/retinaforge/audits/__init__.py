"""Copies, impossible eyes, uneven groups: what can be wrong with images that look right."""

from retinaforge.audits.copies import (
    COPY_CARDS,
    Calibration,
    Gallery,
    Likeness,
    Neighbour,
    calibrate,
    comparable,
    likeness,
    nearest_embeddings,
    nearest_patterns,
    shipped_calibration,
)
from retinaforge.audits.copy_pictures import picture_of_pair
from retinaforge.audits.disguises import COPY_KINDS, CopyKind, disguise
from retinaforge.audits.patterns import (
    Pattern,
    load_patterns,
    pattern_of,
    pattern_of_mask,
    save_patterns,
)
from retinaforge.core import Card

CATALOGUE: tuple[Card, ...] = (*COPY_CARDS,)

__all__ = [
    "CATALOGUE",
    "COPY_CARDS",
    "COPY_KINDS",
    "Calibration",
    "CopyKind",
    "Gallery",
    "Likeness",
    "Neighbour",
    "Pattern",
    "calibrate",
    "comparable",
    "disguise",
    "likeness",
    "load_patterns",
    "nearest_embeddings",
    "nearest_patterns",
    "pattern_of",
    "pattern_of_mask",
    "picture_of_pair",
    "save_patterns",
    "shipped_calibration",
]

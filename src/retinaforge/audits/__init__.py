"""Copies, impossible eyes, uneven groups: what can be wrong with images that look right."""

from retinaforge.audits.classifier_cards import CLASSIFIER_CARDS
from retinaforge.audits.copies import (
    COPY_CARDS,
    Calibration,
    Likeness,
    calibrate,
    comparable,
    likeness,
    nearest_embeddings,
    shipped_calibration,
)
from retinaforge.audits.copy_pictures import picture_of_pair
from retinaforge.audits.disguises import COPY_KINDS, CopyKind, disguise
from retinaforge.audits.gallery import Gallery, Neighbour, nearest_patterns
from retinaforge.audits.patterns import (
    Pattern,
    load_patterns,
    pattern_of,
    pattern_of_mask,
    save_patterns,
)
from retinaforge.audits.quality import GRADE_CARD, Grade, grade_quality, read_quality_model
from retinaforge.core import Card

CATALOGUE: tuple[Card, ...] = (
    *COPY_CARDS,
    GRADE_CARD,
    *CLASSIFIER_CARDS,
)

__all__ = [
    "CATALOGUE",
    "COPY_CARDS",
    "COPY_KINDS",
    "GRADE_CARD",
    "Calibration",
    "CopyKind",
    "Gallery",
    "Grade",
    "Likeness",
    "Neighbour",
    "Pattern",
    "calibrate",
    "comparable",
    "disguise",
    "grade_quality",
    "likeness",
    "load_patterns",
    "nearest_embeddings",
    "nearest_patterns",
    "pattern_of",
    "pattern_of_mask",
    "picture_of_pair",
    "read_quality_model",
    "save_patterns",
    "shipped_calibration",
]

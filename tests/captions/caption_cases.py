"""Random records for the tests of captions."""

from __future__ import annotations

import numpy as np

from retinaforge.captions.claims import GROUPS
from retinaforge.captions.facts import FACTS, LESIONS, PLACES, UNSORTED, UNSTAGED, FactKind
from retinaforge.captions.record import EyeRecord, Fact, Value

TEXTS = {"ethnicity": "caucasian", "camera": "Canon CR-5", "keywords": "glaucoma"}
PLACED = (*LESIONS, UNSORTED, "rim_notch", "nerve_fibre_layer", "myelinated_fibres")


def random_record(rng: np.random.Generator, known: float | None = None) -> EyeRecord:
    """Return a record with each fact of the catalogue known with probability `known`."""
    part = rng.uniform(0.1, 1) if known is None else known
    facts = {each.name: _fact(each, rng) for each in FACTS if rng.random() < part}
    # Who tells kinds apart, or stages, says nothing beside it of the whole.
    if facts.keys() & set(GROUPS[UNSORTED]):
        facts.pop(UNSORTED, None)
    for stage in facts.keys() & UNSTAGED:
        facts.pop(UNSTAGED[stage], None)
    return EyeRecord("eye.png", facts, synthetic=True)


def _fact(kind: FactKind, rng: np.random.Generator) -> Fact:
    value = _value(kind, rng)
    places: tuple[str, ...] = ()
    there = value == "defect" if kind.name == "nerve_fibre_layer" else bool(value)
    if kind.name in PLACED and there and rng.random() < 0.7:
        number = int(rng.integers(1, 4))
        places = tuple(str(each) for each in rng.choice(PLACES, number, replace=False))
    return Fact(kind.name, value, "test", places)


def _value(kind: FactKind, rng: np.random.Generator) -> Value:
    if kind.kind == "choice":
        return str(rng.choice(kind.values))
    if kind.kind == "flag":
        return bool(rng.random() < 0.5)
    if kind.kind == "grade":
        return int(rng.integers(len(kind.values)))
    if kind.kind == "text":
        return TEXTS[kind.name]
    if kind.kind == "count":
        draws = (0, 0, 0, int(rng.integers(1, 6)), int(rng.integers(1, 100)), True, False)
        return draws[int(rng.integers(len(draws)))]
    if kind.name == "age":
        return int(rng.integers(8, 95))
    spans = {"tortuosity": (1, 1.1), "artery_vein_ratio": (0.5, 0.9), "vessel_density": (1, 3.5)}
    return float(rng.uniform(*spans.get(kind.name, (0, 1))))

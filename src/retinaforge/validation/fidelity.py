"""Scores of two sets in every feature space, each beside real against real.

    floor    = score(real half A, real half B)              halves by patient, repeated
    matched  = score(real half A, as many synthetic images)

at the same n on both sides, since most of these scores depend on n. What stands at full n is the
value itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Float

from retinaforge.core import Quantity, Score, rng_for
from retinaforge.metrics import (
    SetResult,
    compare_class_probabilities,
    compare_feature_sets,
    compare_sets,
    inception_score,
)
from retinaforge.metrics.frd import FrdVersion, frd
from retinaforge.metrics.sets import Table
from retinaforge.validation.eye import FRD_COLOUR, FRD_V0, FRD_V1, Measured
from retinaforge.validation.naming import card_in
from retinaforge.validation.spaces import COLOUR, classes_of, spaces_of

Features = Float[np.ndarray, "n dim"]
LEAST_SPREAD = 1.0
"""Grey levels: below, a colour feature does not vary."""

RADIOMIC: dict[str, FrdVersion] = {FRD_V1: "v1", FRD_V0: "v0", FRD_COLOUR: "colour"}
"""Radiomic feature spaces, each with the distance that is made for it."""


class Patients(TypedDict):
    """Whose eye each image shows."""

    patients_real: list[str]
    patients_synthetic: list[str]


@dataclass(frozen=True)
class Sides:
    """The measured images of both sides; real ones are the reference."""

    real: Sequence[Measured]
    synthetic: Sequence[Measured]

    def features(self, space: str) -> tuple[Features, Features]:
        """Return both sides' vectors in a space, one row an image.

        Colours are brought to the real side's mean and spread: kernels need numbers about one.
        """
        x, y = features_of(self.real, space), features_of(self.synthetic, space)
        if space != COLOUR:
            return x, y
        mean, spread = x.mean(axis=0), np.maximum(x.std(axis=0), LEAST_SPREAD)
        return (x - mean) / spread, (y - mean) / spread

    @property
    def smaller(self) -> int:
        """Return how many images the smaller side has."""
        return min(len(self.real), len(self.synthetic))

    def classes(self, space: str) -> tuple[Features, Features] | None:
        """Return both sides' class probabilities by a space's encoder; None where it has none."""
        name = classes_of(space)
        if not all(name in m.arrays for m in (*self.real, *self.synthetic)):
            return None
        return features_of(self.real, name), features_of(self.synthetic, name)

    def patients(self) -> Patients:
        """Return whose eye each image shows, as `compare_sets` takes it."""
        real, synthetic = ([str(m.row["patient"]) for m in s] for s in (self.real, self.synthetic))
        return {"patients_real": real, "patients_synthetic": synthetic}


def features_of(measured: Sequence[Measured], space: str) -> Features:
    """Return one row an image."""
    return np.stack([m.arrays[space] for m in measured]).astype(np.float64)


def fidelity_scores(sides: Sides, encoders: tuple[str, ...], *, seed: int) -> list[Score]:
    """Return every set score in every space."""
    lines: list[Score] = []
    for space in spaces_of(encoders):
        x, y = sides.features(space)
        found = compare_feature_sets(x, y, **sides.patients(), rng=rng_for(seed, "space", space))
        if (classes := sides.classes(space)) is not None:
            rng = rng_for(seed, "classes", space)
            found += compare_class_probabilities(*classes, **sides.patients(), rng=rng)
        for result in found:
            named = replace(result, card=card_in(space, result.card))
            lines.append(line_of(named, {"family": "fidelity", "space": space}))
    for space, version in RADIOMIC.items():
        x, y = (Table(side) for side in sides.features(space))

        def score(a: Table, b: Table, version: FrdVersion = version) -> list[Quantity]:
            return [frd(a.rows, b.rows, version=version)]

        rng = rng_for(seed, "space", space)
        found = compare_sets(x, y, score=score, **sides.patients(), rng=rng)
        lines += [line_of(result, {"family": "fidelity", "space": "radiomics"}) for result in found]
    return lines


def class_scores(sides: Sides, space: str) -> list[Quantity]:
    """Return the Inception Score of the synthetic side, where the space's encoder has classes."""
    classes = sides.classes(space)
    return [] if classes is None else [inception_score(classes[1])]


def line_of(result: SetResult, where: dict[str, str], **further: Any) -> Score:
    """Return a set score as a line of the scorecard."""
    n = min(result.n_real, result.n_synthetic)
    extra: dict[str, Any] = {
        "n_real": result.n_real, "n_synthetic": result.n_synthetic,
        "floor": spread(result.floor), "matched": spread(result.matched),
        "n_floor": list(result.n_floor), "notes": list(result.notes), **further,
    }  # fmt: skip
    return Score(result.card, result.value, result.interval, n, where, result.reason, extra)


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Return mean, lowest and highest of repeated values; None where there are none."""
    known = [float(value) for value in values if math.isfinite(value)]
    if not known:
        return None
    return {
        "mean": float(np.mean(known)), "low": min(known), "high": max(known), "repeats": len(known)
    }  # fmt: skip

"""What the catalogues hold: a card and the function that it describes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from retinaforge.core import Card, Quantity
from retinaforge.metrics.pairs import Features, Image, Mask


@dataclass(frozen=True)
class ImageMetric:
    """A score of one reconstruction: compare(reconstruction, original, fov_mask)."""

    card: Card
    compare: Callable[[Image, Image, Mask], Quantity]


@dataclass(frozen=True)
class SetMetric:
    """A distance of two sets of feature vectors: compare(real, synthetic)."""

    card: Card
    compare: Callable[[Features, Features], Quantity]

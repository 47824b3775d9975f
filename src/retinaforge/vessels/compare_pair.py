"""An estimate beside its reference, with what several scores share worked out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Card, Quantity
from retinaforge.vessels.compare_breaks import Breaks, find_breaks
from retinaforge.vessels.skeleton import VesselMask

NO_REFERENCE = "the reference shows no vessel inside the field of view"
NO_ESTIMATE = "the estimate shows no vessel inside the field of view"
NOTHING_FOUND = "the estimate covers no centreline point of the reference"


Shared = TypeVar("Shared")


@dataclass(frozen=True)
class VesselPair:
    """Two vessel masks of one field of view.

    Attributes:
        estimate: the mask under test.
        reference: what ought to be there.
        um_per_px: scale; None where nobody measured it.
    """

    estimate: VesselMask
    reference: VesselMask
    um_per_px: float | None = None

    def shared(self, work: Callable[[VesselMask, VesselMask], Shared]) -> Shared:
        """Return what `work` makes of estimate and reference, worked out once."""
        name = f"{work.__module__}.{work.__qualname__}"
        if name not in self.__dict__:
            self.__dict__[name] = work(self.estimate, self.reference)
        return cast(Shared, self.__dict__[name])

    @cached_property
    def covered(self) -> Bool[np.ndarray, "n"]:
        """Return which centreline points of the reference are vessel in the estimate."""
        rows, columns = self.reference.points.T
        return self.estimate.pixels[rows, columns]

    @cached_property
    def n_both(self) -> int:
        """Return how many pixels are vessel in both."""
        return int(np.count_nonzero(self.estimate.pixels & self.reference.pixels))

    @cached_property
    def n_estimate(self) -> int:
        """Return how many pixels are vessel in the estimate."""
        return int(np.count_nonzero(self.estimate.pixels))

    @cached_property
    def n_reference(self) -> int:
        """Return how many pixels are vessel in the reference."""
        return int(np.count_nonzero(self.reference.pixels))

    @cached_property
    def tolerance_px(self) -> int:
        """Return how far a vessel may lie off and still be the same one: 1 unit, 2 px or more."""
        return max(2, round(self.reference.unit_px))

    @cached_property
    def breaks(self) -> Breaks:
        """Return where the estimate interrupts the reference's vessels."""
        return find_breaks(self.estimate, self.reference, tolerance_px=self.tolerance_px)

    @cached_property
    def calibre_changes_px(self) -> Float[np.ndarray, "m"]:
        """Return estimate's minus reference's calibre at the covered points, in pixels."""
        return self.calibres_px[:, 0] - self.calibres_px[:, 1]

    @cached_property
    def calibres_px(self) -> Float[np.ndarray, "m 2"]:
        """Return estimate's and reference's calibre at the covered points, in pixels.

        The estimate's is that of its nearest centreline point, which must lie inside the
        reference's vessel there, give or take the tolerance.
        """
        points, calibres = self.reference.points[self.covered], self.reference.calibres_px
        distance, nearest = self.estimate.tree.query(points)
        within = distance <= calibres[self.covered] / 2 + self.tolerance_px
        both = np.stack([self.estimate.calibres_px[nearest], calibres[self.covered]], axis=1)
        return both[within & np.isfinite(both).all(axis=1)]


@dataclass(frozen=True)
class Comparison:
    """One score of the catalogue: its card, and the function that fills it."""

    card: Card
    measure: Callable[[VesselPair], Quantity]


def fraction(card: Card, part: int | float, whole: int | float, *, reason: str) -> Quantity:
    """Return part / whole, or NaN with the reason where the whole is empty."""
    return Quantity(card, part / whole) if whole else Quantity(card, float("nan"), reason)

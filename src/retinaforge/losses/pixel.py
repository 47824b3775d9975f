"""Pixel losses: L1, L2, Charbonnier.

    L1 = mean |x - y|     L2 = mean (x - y)^2     Charbonnier = mean sqrt((x - y)^2 + e^2) - e

References:
    Charbonnier et al., "Two deterministic half-quadratic regularization algorithms", ICIP 1994.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Card
from retinaforge.losses.contract import Images, Loss, LossArguments, LossEntry, Region
from retinaforge.losses.region import mean_inside


def l1(reconstruction: Images, target: Images, fov: Region) -> Float[Tensor, ""]:
    """Return the mean absolute difference inside the field of view."""
    return mean_inside((reconstruction - target).abs(), fov)


def l2(reconstruction: Images, target: Images, fov: Region) -> Float[Tensor, ""]:
    """Return the mean squared difference inside the field of view."""
    return mean_inside((reconstruction - target).square(), fov)


def charbonnier(
    reconstruction: Images, target: Images, fov: Region, *, eps: float = 1e-3
) -> Float[Tensor, ""]:
    """Return the mean of sqrt(d^2 + eps^2) - eps: L1 far from 0, smooth at 0."""
    difference = reconstruction - target
    return mean_inside((difference.square() + eps**2).sqrt() - eps, fov)


def _card(name: str, measures: str, range: str, reference: str, known_failure: str) -> Card:
    return Card(
        name=name,
        version=1,
        measures=measures,
        range=range,
        direction="lower is better",
        unit="1",
        smallest_n=1,
        reference=reference,
        known_failure=known_failure,
    )


L1 = _card(
    "l1",
    "mean absolute difference of RGB in [-1, 1] inside the field of view",
    "[0, 2]",
    "definition",
    "blurs what it cannot place: thin vessels fade at little cost",
)
L2 = _card(
    "l2",
    "mean squared difference of RGB in [-1, 1] inside the field of view",
    "[0, 4]",
    "definition",
    "blurs more than L1; a few large errors rule it",
)
CHARBONNIER = _card(
    "charbonnier",
    "mean of sqrt(d^2 + eps^2) - eps over RGB in [-1, 1] inside the field of view; eps 0.001",
    "[0, 2)",
    "Charbonnier et al., ICIP 1994, eq. 3",
    "as L1",
)


def _build_charbonnier(arguments: LossArguments) -> Loss:
    eps = arguments.number("eps", 1e-3)
    return Loss(CHARBONNIER, lambda x, y, fov: charbonnier(x, y, fov, eps=eps))


L1_ENTRY = LossEntry(L1, "pixel", lambda _: Loss(L1, l1))
L2_ENTRY = LossEntry(L2, "pixel", lambda _: Loss(L2, l2))
CHARBONNIER_ENTRY = LossEntry(CHARBONNIER, "pixel", _build_charbonnier, options=("eps",))

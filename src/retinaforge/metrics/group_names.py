"""Names of groups: bands of a number, and the order in which groups are told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from retinaforge.core import Refusal


def bands(values: Float[np.ndarray, "n"], edges: Sequence[float]) -> list[str]:
    """Return the band that each number falls into: "below 50", "50 to 65", "65 and over".

    Args:
        values: such as ages in years; NaN is "", unknown.
        edges: rising; a band holds its lower edge.

    Raises:
        Refusal: "expected rising edges; got ...".
    """
    if not edges or any(b <= a for a, b in pairwise(edges)):
        raise Refusal("rising edges of bands", f"{list(edges)}", "such as 50,65")
    said = [f"below {edges[0]:g}"]
    said += [f"{a:g} to {b:g}" for a, b in pairwise(edges)]
    said += [f"{edges[-1]:g} and over"]
    places = np.searchsorted(np.asarray(edges, float), values, side="right")
    return [said[k] if np.isfinite(v) else "" for k, v in zip(places, values, strict=True)]


def in_order(groups: Sequence[str]) -> list[str]:
    """Return names sorted, bands of `bands` by their edges."""

    def key(name: str) -> tuple[float, str]:
        words = name.split()
        if words[:1] == ["below"]:
            return -math.inf, name
        try:
            return float(words[0]), name
        except (ValueError, IndexError):
            return math.inf, name

    return sorted(groups, key=key)

"""Murray's law: how wide the branches of a vessel are and at which angles they leave it.

r0^k = r1^k + r2^k, and for the angles t1, t2 to the parent's direction
cos t1 = (r0^4 + r1^4 - r2^4) / (2 r0^2 r1^2), with 1 and 2 exchanged for t2.
"""

from __future__ import annotations

import math


def child_radii(radius: float, ratio: float, *, exponent: float = 3.0) -> tuple[float, float]:
    """Return the radii of the wider and the narrower branch.

    r1 = r0 / (1 + ratio^k)^(1/k), r2 = ratio r1

    Args:
        radius: the parent's, in any unit.
        ratio: narrower over wider radius, in (0, 1].
        exponent: k; 3 is Murray's.

    Returns:
        (wider, narrower), in the parent's unit.

    References:
        Murray, The physiological principle of minimum work I, PNAS 12, 207 (1926).
    """
    wider = radius / (1 + ratio**exponent) ** (1 / exponent)
    return wider, ratio * wider


def branching_angles(radius: float, wider: float, narrower: float) -> tuple[float, float]:
    """Return the angles in radians by which the branches leave the parent's direction.

    Args:
        radius: the parent's.
        wider: radius of the wider branch, same unit.
        narrower: radius of the narrower branch, same unit.

    Returns:
        (angle of the wider, angle of the narrower), each 0 or more, to opposite sides.

    References:
        Murray, The physiological principle of minimum work applied to the angle of branching
        of arteries, J Gen Physiol 9, 835 (1926), equations 2 and 3.
    """

    def angle(own: float, other: float) -> float:
        cosine = (radius**4 + own**4 - other**4) / (2 * radius**2 * own**2)
        return math.acos(min(1.0, max(-1.0, cosine)))

    return angle(wider, narrower), angle(narrower, wider)

"""Between two draws: noise along the sphere, conditions along a line.

Normal noise of many dimensions lies near a sphere, and a straight mixture of two draws falls inside
it, where a flow never begins; the great circle stays on it (White, "Sampling generative networks",
arXiv 1609.04468, section 2.1). Conditions are mixed where they act: the velocity is linear in the
share, v = (1 - s) v_A + s v_B. Hidden states themselves cannot be mixed when captions have
different numbers of tokens: a token that only one of them has would have to be half there, and
the networks' first norm takes its size away. At both ends this is exactly the plain draw.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.generators.guidance import Velocity

NEARLY_PARALLEL = 1e-4


def spherical(
    one: Float[Tensor, "batch c h w"],
    other: Float[Tensor, "batch c h w"],
    shares: Float[Tensor, " batch"],
) -> Float[Tensor, "batch c h w"]:
    """Return noise on the great circle from `one` (share 0) to `other` (share 1), row by row."""
    a, b = one.flatten(1), other.flatten(1)
    angle = torch.acos(torch.nn.functional.cosine_similarity(a, b).clamp(-1, 1))[:, None]
    s = shares.to(one)[:, None]
    straight = angle < NEARLY_PARALLEL
    whole = torch.where(straight, torch.ones_like(angle), angle.sin())
    first = torch.where(straight, 1 - s, ((1 - s) * angle).sin() / whole)
    second = torch.where(straight, s, (s * angle).sin() / whole)
    return (first * a + second * b).reshape(one.shape)


def mixed(one: Velocity, other: Velocity, shares: Float[Tensor, " batch"]) -> Velocity:
    """Return the velocity between two, each row's by its share of the second."""

    def velocity(x: Tensor, time: float) -> Tensor:
        return torch.lerp(one(x, time), other(x, time), shares.to(x)[:, None, None, None])

    return velocity

"""The contract of every network that a flow is learnt with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from jaxtyping import Float
from torch import Tensor

from retinaforge.generators.condition import Condition


@dataclass(frozen=True, kw_only=True)
class NetworkShape:
    """What the other rooms need to know of a network.

    Attributes:
        latent_channels: of the latent it moves.
        patch: side of a token in latent places.
        text_width: width of the text encoder's hidden states.
        class_sizes: how many values each categorical condition has.
        map_channels: images that stand beside the latent.
    """

    latent_channels: int
    patch: int
    text_width: int
    class_sizes: tuple[int, ...] = ()
    map_channels: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


class VelocityNetwork(Protocol):
    """Gives the velocity of the straight path from noise to data.

    Time runs from 0 (noise) to 1 (data), as in Lumina-Next: x_t = t x_1 + (1 - t) x_0 and the
    velocity is x_1 - x_0.
    """

    shape: NetworkShape

    def __call__(
        self,
        x: Float[Tensor, "batch channels rows columns"],
        time: Float[Tensor, " batch"],
        condition: Condition,
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Return the velocity at x_t."""
        ...

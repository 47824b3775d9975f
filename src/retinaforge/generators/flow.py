"""Rectified flow: the straight path from noise to data, and what a network learns of it.

    x_t = t x_1 + (1 - t) x_0,    v = x_1 - x_0,    L = E |f(x_t, t, c) - v|^2

with x_0 standard normal, x_1 a latent, t from 0 (noise) to 1 (data).

References:
    Liu, Gong, Liu, ICLR 2023, arXiv 2209.03003, equation 1. Lipman et al., ICLR 2023,
    arXiv 2210.02747. Esser et al. 2024, arXiv 2403.03206: logit-normal times (section 3.1,
    equation 19) and the shift with resolution (section 5.3.2, equation 23), there with time
    running from data to noise. Lumina-Next, arXiv 2406.18583: time runs as here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Refusal

TimeKind = Literal["logit-normal", "uniform"]


@dataclass(frozen=True)
class FlowConfig:
    """How times are drawn and words are dropped.

    Attributes:
        times: "uniform", or "logit-normal" (the logistic of a normal number).
        mean, sd: of that normal number.
        shift: 1 none; above 1 moves times towards the noise, for larger pictures
            (sqrt of the ratio of pixel counts).
        drop: share of captions replaced by the empty string, for classifier-free guidance.
    """

    times: TimeKind = "logit-normal"
    mean: float = 0.0
    sd: float = 1.0
    shift: float = 1.0
    drop: float = 0.1

    def __post_init__(self) -> None:
        if self.times not in get_args(TimeKind):
            raise Refusal("times logit-normal or uniform", repr(self.times), "choose one of them")
        for name, holds, expected in (
            ("sd", self.sd > 0, "a number above 0"),
            ("shift", self.shift > 0, "a number above 0"),
            ("drop", 0 <= self.drop <= 1, "a share from 0 to 1"),
        ):
            if not holds:
                raise Refusal(f"{expected} for {name}", repr(getattr(self, name)), "change it")

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def draw_times(config: FlowConfig, count: int, rng: torch.Generator) -> Float[Tensor, " count"]:
    """Draw times between 0 and 1."""
    if config.times == "uniform":
        t = torch.rand(count, generator=rng)
    else:
        t = torch.sigmoid(config.mean + config.sd * torch.randn(count, generator=rng))
    return shift_time(t, config.shift)


def shift_time(t: Tensor, shift: float) -> Tensor:
    """Move times towards the noise: t / (t + s (1 - t)); 0 and 1 stay (Esser et al., eq. 23)."""
    return t / (t + shift * (1 - t))


def on_path(noise: Tensor, data: Tensor, time: Float[Tensor, " batch"]) -> Tensor:
    """Return x_t."""
    t = time.view(-1, *[1] * (data.ndim - 1)).to(data.dtype)
    return t * data + (1 - t) * noise


def flow_errors(velocity: Tensor, noise: Tensor, data: Tensor) -> Float[Tensor, " batch"]:
    """Return each row's mean squared error of the velocity, in float32."""
    return (velocity.float() - (data - noise).float()).square().flatten(1).mean(1)

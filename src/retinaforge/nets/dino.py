"""Self-distillation without labels: projection head, targets and loss of DINO.

References:
    Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021;
    definitions read from facebookresearch/dino, main_dino.py and vision_transformer.py, commit
    04c0ad957c9fd04cced6d703668bc049586d1d21.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, log_softmax, normalize


@dataclass(frozen=True)
class HeadShape:
    """Sizes of the head; the published ones are 2048, 256 and 65,536 for millions of images."""

    hidden: int = 512
    bottleneck: int = 128
    prototypes: int = 1024


class DinoHead(nn.Module):
    """Three linear layers, a point on the unit sphere, its cosine to each prototype."""

    def __init__(self, width: int, shape: HeadShape = HeadShape()) -> None:
        super().__init__()
        self.first = nn.Linear(width, shape.hidden)
        self.second = nn.Linear(shape.hidden, shape.hidden)
        self.third = nn.Linear(shape.hidden, shape.bottleneck)
        self.prototypes = nn.Parameter(torch.zeros(shape.prototypes, shape.bottleneck))

    def forward(self, x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch prototypes"]:
        x = self.third(gelu(self.second(gelu(self.first(x)))))
        # Prototypes of length 1, the published choice (weight norm with a fixed gain).
        return linear(normalize(x, dim=-1), normalize(self.prototypes, dim=-1))


def initialise_head(head: DinoHead, seed: int) -> DinoHead:
    """Fill a head with small normal weights, the same for the same seed."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in (head.first, head.second, head.third):
            nn.init.trunc_normal_(layer.weight, std=0.02, generator=rng)
            nn.init.zeros_(layer.bias)
        nn.init.normal_(head.prototypes, generator=rng)
    return head


def teacher_targets(
    logits: Float[Tensor, "views batch prototypes"],
    centre: Float[Tensor, "k"],
    temperature: float,
) -> Float[Tensor, "views batch prototypes"]:
    """Return softmax((logits - centre) / temperature): centred, then sharpened."""
    return ((logits - centre) / temperature).softmax(-1)


def distillation_loss(
    student: Float[Tensor, "views batch prototypes"],
    targets: Float[Tensor, "large batch prototypes"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Return the cross-entropy of every student view to every other view's target.

    Args:
        student: logits, the large views first and in the order of `targets`.
        targets: from `teacher_targets`.
        temperature: of the student.
    """
    log_p = log_softmax(student / temperature, dim=-1)
    pairs = torch.einsum("tbk,sbk->ts", targets, log_p) / student.shape[1]
    others = 1 - torch.eye(*pairs.shape, device=pairs.device)
    return -(pairs * others).sum() / others.sum()


def entropy(p: Float[Tensor, "*_ prototypes"]) -> Float[Tensor, "*_"]:
    """Return -sum p log p in nats."""
    return torch.special.entr(p).sum(-1)

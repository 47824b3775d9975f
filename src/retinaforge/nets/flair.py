"""FLAIR's image tower: ResNet-50 whose mean over positions is projected beside a BERT's vector.

Layout as in jusiro/FLAIR (flair/modeling/model.py at d6652d5, Apache-2.0), under `vision_model.`.

References:
    Silva-Rodriguez et al., "A foundation language-image model of the retina (FLAIR)", Medical
    Image Analysis 99, 2025.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from retinaforge.nets.resnet import ResNet, ResnetShape


class FlairTower(nn.Module):
    """A ResNet and a linear map into the space shared with text."""

    def __init__(self, shape: ResnetShape, projected: int) -> None:
        super().__init__()
        self.model = ResNet(shape)
        head = nn.Linear(shape.stages[-1].outer, projected, bias=False)
        self.projection_head_vision = nn.ModuleDict({"projection": head})

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], positions: Sequence[int]
    ) -> list[Tensor]:
        """Return the ResNet's maps in ascending order: 0 for the stem, 1 to 4 for the stages."""
        return self.model(images, positions)

    def project(self, means: Float[Tensor, "batch channels"]) -> Float[Tensor, "batch projected"]:
        """Return vectors of length 1 from the last map's mean."""
        projection = self.projection_head_vision["projection"]
        return normalize(projection(normalize(means, dim=1)), dim=1)

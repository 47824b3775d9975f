"""AlexNet's convolutional part in torchvision's key layout (`features.N.weight`).

References:
    Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.nets.taps import tap

# The five ReLUs: what LPIPS reads.
LPIPS_BLOCKS = (1, 4, 7, 9, 11)


class AlexNet(nn.Module):
    """Five convolutions with ReLU and pooling; no classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], blocks: Sequence[int] = LPIPS_BLOCKS
    ) -> list[Tensor]:
        """Return the feature maps after the layers at `blocks`."""
        return tap(self.features, images, blocks)

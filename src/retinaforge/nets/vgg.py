"""VGG16's convolutional part in torchvision's key layout (`features.N.weight`).

References:
    Simonyan and Zisserman, "Very deep convolutional networks", ICLR 2015, table 1, column D.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.nets.taps import tap

WIDTHS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool")
LAST_STAGE = (512, 512, 512, "pool")
# ReLU 1_2, 2_2, 3_3, 4_3, 5_3: what LPIPS reads.
LPIPS_BLOCKS = (3, 8, 15, 22, 29)


class VGG16(nn.Module):
    """Convolutions, ReLU and pooling; no classifier."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in (*WIDTHS, *LAST_STAGE):
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], blocks: Sequence[int] = LPIPS_BLOCKS
    ) -> list[Tensor]:
        """Return the feature maps after the layers at `blocks`."""
        return tap(self.features, images, blocks)

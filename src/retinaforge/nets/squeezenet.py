"""SqueezeNet 1.0 and 1.1, convolutional part, in torchvision's key layout (`features.N. ...`).

References:
    Iandola et al., "SqueezeNet", arXiv 1602.07360, table 1; 1.1 as in the authors' repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.nets.taps import tap

Version = Literal["1.0", "1.1"]
# For 1.1 what LPIPS reads; for 1.0 the seven layers of the same widths.
LPIPS_BLOCKS: dict[Version, tuple[int, ...]] = {
    "1.0": (1, 4, 5, 8, 9, 10, 12),
    "1.1": (1, 4, 7, 9, 10, 11, 12),
}


class Fire(nn.Module):
    """Squeeze to few channels, expand by 1 x 1 and 3 x 3 side by side."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], dim=1)


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def _layers(version: Version) -> list[nn.Module]:
    early = [Fire(128, 16, 64)]
    middle = [Fire(128, 32, 128)], [Fire(256, 32, 128)]
    late = [Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256)]
    last = Fire(512, 64, 256)
    if version == "1.0":
        stem = [nn.Conv2d(3, 96, 7, stride=2), nn.ReLU(), _pool(), Fire(96, 16, 64)]
        return [*stem, *early, *middle[0], _pool(), *middle[1], *late, _pool(), last]
    stem = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(), _pool(), Fire(64, 16, 64)]
    return [*stem, *early, _pool(), *middle[0], *middle[1], _pool(), *late, last]


class SqueezeNet(nn.Module):
    """Stem, eight fire modules, pooling; no classifier."""

    def __init__(self, version: Version = "1.1") -> None:
        super().__init__()
        self.version: Version = version
        self.features = nn.Sequential(*_layers(version))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], blocks: Sequence[int] | None = None
    ) -> list[Tensor]:
        """Return the feature maps after the layers at `blocks`."""
        return tap(self.features, images, blocks or LPIPS_BLOCKS[self.version])

"""Little W-Net: two small U-Nets in a row, in the key layout of its published checkpoints.

    z1 = U1(x),  z2 = U2([x, z1]),  p = sigmoid(z2)

Written from the layout of the checkpoint and its description; the names of the parts are those of
the published keys, so that a checkpoint loads strictly.

References:
    A. Galdran et al., "State-of-the-art retinal vessel segmentation with minimalistic models",
    Sci. Rep. 12, 2022 (github.com/agaldran/lwnet, MIT).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

WIDTHS = (8, 16, 32)


class _ConvBlock(nn.Module):
    """Return bn(relu(conv(bn(relu(conv(x)))))) plus a normalised 1 × 1 shortcut of x."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.block = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs),
            nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x) + self.shortcut(x)


class _Wrapped(nn.Module):
    """Hold layers under the key "block", where the checkpoint has them."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class _UpBlock(nn.Module):
    """Upsample, join the bridged skip, convolve."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up_layer = _Wrapped(nn.ConvTranspose2d(inputs, outputs, 2, stride=2))
        self.conv_layer = _ConvBlock(2 * outputs, outputs)
        self.conv_bridge_layer = _Wrapped(
            nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv_layer(torch.cat([self.up_layer(x), self.conv_bridge_layer(skip)], 1))


class _SmallUNet(nn.Module):
    def __init__(self, inputs: int, outputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.first = _ConvBlock(inputs, widths[0])
        self.down_path = nn.ModuleList(_ConvBlock(wide, deep) for wide, deep in pairs)
        self.up_path = nn.ModuleList(_UpBlock(deep, wide) for wide, deep in reversed(pairs))
        self.final = nn.Conv2d(widths[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        stages = [self.first(x)]
        for down in self.down_path:
            stages.append(down(F.max_pool2d(stages[-1], 2)))
        x = stages.pop()
        for up in self.up_path:
            x = up(x, stages.pop())
        return self.final(x)


class LittleWNet(nn.Module):
    """Map RGB in [0, 1] to logits; height and width are multiples of 2^(len(widths) - 1).

    Args:
        classes: output channels: 1 for vessels.
        widths: channels at full, half, quarter, ... resolution.
    """

    def __init__(self, classes: int = 1, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.unet1 = _SmallUNet(3, classes, widths)
        self.unet2 = _SmallUNet(3 + classes, classes, widths)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes height width"]:
        """Return the second U-Net's logits."""
        return self.unet2(torch.cat([images, self.unet1(images)], 1))

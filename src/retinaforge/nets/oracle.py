"""A small network that reads several facts off one fundus image: one trunk, a number an output.

Four stages of two 3 x 3 convolutions with batch norm and a shortcut, each half the side of the one
before; what is left is averaged over a 4 x 4 grid, so that left and right are kept apart, and its
maxima stand beside it, since one small lesion is lost in an average.

References:
    He et al., "Deep residual learning for image recognition", CVPR 2016 (the block).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (16, 32, 64, 96)
GRID = 4
FINE_PX = 96
"""Up to this side the first convolution keeps every pixel: a small image has none to spare."""


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(after), nn.BatchNorm2d(after)])

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's maps, `stride` times smaller."""
        y = F.relu(self.norms[0](self.first(x)))
        return F.relu(self.norms[1](self.second(y)) + self.shortcut(x))


class OracleNet(nn.Module):
    """Reads `outputs` numbers off images of `side_px`.

    Args:
        outputs: how many numbers.
        side_px: side of the images it is trained on; decides the first stride only.
        widths: channels of the stages.
    """

    def __init__(self, outputs: int, *, side_px: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.outputs, self.side_px, self.widths = outputs, side_px, widths
        stride = 1 if side_px <= FINE_PX else 2
        self.stem = nn.Conv2d(3, widths[0], 3, stride, 1)
        pairs = zip(widths[:1] + widths[:-1], widths, strict=True)
        self.stages = nn.Sequential(*(Block(a, b, 1 if i == 0 else 2)
                                      for i, (a, b) in enumerate(pairs)))  # fmt: skip
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(widths[-1] * (GRID * GRID + 1), outputs)

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch outputs"]:
        """Return raw outputs (logits or standardised numbers) of images in [-1, 1]."""
        maps = self.stages(self.stem(images))
        means = F.adaptive_avg_pool2d(maps, GRID).flatten(1)
        return self.head(self.dropout(torch.cat([means, maps.amax((2, 3))], 1)))

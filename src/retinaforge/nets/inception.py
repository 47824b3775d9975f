"""Inception-v3 in the published key layout (`Mixed_5b.branch1x1.conv.weight`), as two ports of it.

    of 2015        TensorFlow's inception-2015-12-05, which FID and the Inception Score mean: pools
                   average without the padding, the last block takes a maximum; 1008 classes
    torchvision's  average pools count the padding as zeros, in the last block too; 1000 classes

References:
    Szegedy et al., "Rethinking the Inception architecture", CVPR 2016; Heusel et al., NeurIPS 2017.
    Layouts and pools as in pytorch-fid 0.3 (Apache-2.0), torch-fidelity and torchvision (BSD-3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, batch_norm, max_pool2d

Port = Literal["2015", "torchvision"]
Pool = Literal["average", "average with padding", "maximum", "halving"]
CLASSES: dict[Port, int] = {"2015": 1008, "torchvision": 1000}
WIDTH = 2048
EPSILON = 1e-3


class Conv(NamedTuple):
    """One convolution: key, channels out, kernel (rows, columns); stride 2 goes without padding."""

    name: str
    width: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padded: bool = True


# A step of a branch: one convolution, or several side by side whose channels are joined.
Step = Conv | tuple[Conv, ...]
Branch = tuple[Step, ...]
SQUARE, FLAT, TALL = (3, 3), (1, 7), (7, 1)


class FrozenNorm(nn.Module):
    """Batch norm by the stored moments; it never learns, so it counts no batches."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.get_buffer("running_mean"), self.get_buffer("running_var")
        return batch_norm(x, mean, variance, self.weight, self.bias, eps=EPSILON)


class ConvNorm(nn.Module):
    """Convolution, norm, ReLU."""

    def __init__(self, channels: int, spec: Conv) -> None:
        super().__init__()
        inside = spec.padded and spec.stride == 1
        padding = (spec.kernel[0] // 2, spec.kernel[1] // 2) if inside else (0, 0)
        self.conv = nn.Conv2d(
            channels, spec.width, spec.kernel, stride=spec.stride, padding=padding, bias=False
        )
        self.bn = FrozenNorm(spec.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


class Mixed(nn.Module):
    """Branches side by side, one of them behind a pool; their channels are joined in order."""

    def __init__(
        self, channels: int, branches: Sequence[Branch], pool: Pool, pooled: Branch
    ) -> None:
        super().__init__()
        self.branches, self.pooled = tuple(branches), pooled
        self.pool: Pool = pool
        for branch in (*branches, pooled):
            width = channels
            for step in branch:
                for spec in _side_by_side(step):
                    self.add_module(spec.name, ConvNorm(width, spec))
                width = sum(spec.width for spec in _side_by_side(step))

    def forward(self, x: Tensor) -> Tensor:
        parts = [self._through(branch, x) for branch in self.branches]
        return torch.cat([*parts, self._through(self.pooled, _pool(x, self.pool))], dim=1)

    def _through(self, branch: Branch, x: Tensor) -> Tensor:
        for step in branch:
            parts = [self.get_submodule(spec.name)(x) for spec in _side_by_side(step)]
            x = torch.cat(parts, dim=1)
        return x


def _side_by_side(step: Step) -> tuple[Conv, ...]:
    return (step,) if isinstance(step, Conv) else step


def _pool(x: Tensor, pool: Pool) -> Tensor:
    if pool == "halving":
        return max_pool2d(x, 3, stride=2)
    if pool == "maximum":
        return max_pool2d(x, 3, stride=1, padding=1)
    return avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=pool != "average")


def _a(channels: int, pooled: int, pool: Pool) -> Mixed:
    branches: list[Branch] = [
        (Conv("branch1x1", 64),),
        (Conv("branch5x5_1", 48), Conv("branch5x5_2", 64, (5, 5))),
        (Conv("branch3x3dbl_1", 64), Conv("branch3x3dbl_2", 96, SQUARE),
         Conv("branch3x3dbl_3", 96, SQUARE)),
    ]  # fmt: skip
    return Mixed(channels, branches, pool, (Conv("branch_pool", pooled),))


def _b(channels: int) -> Mixed:
    branches: list[Branch] = [
        (Conv("branch3x3", 384, SQUARE, stride=2),),
        (Conv("branch3x3dbl_1", 64), Conv("branch3x3dbl_2", 96, SQUARE),
         Conv("branch3x3dbl_3", 96, SQUARE, stride=2)),
    ]  # fmt: skip
    return Mixed(channels, branches, "halving", ())


def _c(channels: int, width: int, pool: Pool) -> Mixed:
    branches: list[Branch] = [
        (Conv("branch1x1", 192),),
        (Conv("branch7x7_1", width), Conv("branch7x7_2", width, FLAT),
         Conv("branch7x7_3", 192, TALL)),
        (Conv("branch7x7dbl_1", width), Conv("branch7x7dbl_2", width, TALL),
         Conv("branch7x7dbl_3", width, FLAT), Conv("branch7x7dbl_4", width, TALL),
         Conv("branch7x7dbl_5", 192, FLAT)),
    ]  # fmt: skip
    return Mixed(channels, branches, pool, (Conv("branch_pool", 192),))


def _d(channels: int) -> Mixed:
    branches: list[Branch] = [
        (Conv("branch3x3_1", 192), Conv("branch3x3_2", 320, SQUARE, stride=2)),
        (Conv("branch7x7x3_1", 192), Conv("branch7x7x3_2", 192, FLAT),
         Conv("branch7x7x3_3", 192, TALL), Conv("branch7x7x3_4", 192, SQUARE, stride=2)),
    ]  # fmt: skip
    return Mixed(channels, branches, "halving", ())


def _e(channels: int, pool: Pool) -> Mixed:
    branches: list[Branch] = [
        (Conv("branch1x1", 320),),
        (Conv("branch3x3_1", 384), _cross("branch3x3_2")),
        (Conv("branch3x3dbl_1", 448), Conv("branch3x3dbl_2", 384, SQUARE),
         _cross("branch3x3dbl_3")),
    ]  # fmt: skip
    return Mixed(channels, branches, pool, (Conv("branch_pool", 192),))


def _cross(name: str) -> tuple[Conv, Conv]:
    """Return 1 x 3 and 3 x 1 side by side."""
    return Conv(f"{name}a", 384, (1, 3)), Conv(f"{name}b", 384, (3, 1))


STEM = (
    (3, Conv("Conv2d_1a_3x3", 32, SQUARE, stride=2)),
    (32, Conv("Conv2d_2a_3x3", 32, SQUARE, padded=False)),
    (32, Conv("Conv2d_2b_3x3", 64, SQUARE)),
    (64, Conv("Conv2d_3b_1x1", 80)),
    (80, Conv("Conv2d_4a_3x3", 192, SQUARE, padded=False)),
)
# pytorch-fid's blocks 0 to 3, of 64, 192, 768 and 2048 channels, by the last layer of each.
POOLED_AFTER = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")
BLOCK_ENDS = (*POOLED_AFTER, "Mixed_6e", "Mixed_7c")


class InceptionV3(nn.Module):
    """Stem, eleven mixed blocks, a linear layer of classes; no auxiliary head."""

    def __init__(self, port: Port) -> None:
        super().__init__()
        self.port: Port = port
        average: Pool = "average" if port == "2015" else "average with padding"
        mixed = {
            "Mixed_5b": _a(192, 32, average), "Mixed_5c": _a(256, 64, average),
            "Mixed_5d": _a(288, 64, average), "Mixed_6a": _b(288),
            "Mixed_6b": _c(768, 128, average), "Mixed_6c": _c(768, 160, average),
            "Mixed_6d": _c(768, 160, average), "Mixed_6e": _c(768, 192, average),
            "Mixed_7a": _d(768), "Mixed_7b": _e(1280, average),
            "Mixed_7c": _e(2048, "maximum" if port == "2015" else average),
        }  # fmt: skip
        self.layers = (*(spec.name for _, spec in STEM), *mixed)
        for channels, spec in STEM:
            self.add_module(spec.name, ConvNorm(channels, spec))
        for name, block in mixed.items():
            self.add_module(name, block)
        self.fc = nn.Linear(WIDTH, CLASSES[port])

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], blocks: Sequence[int] = (3,)
    ) -> list[Tensor]:
        """Return the maps after the blocks 0 to 3; images of 75 px or more in about [-1, 1]."""
        x, ends = images, {BLOCK_ENDS[block]: block for block in blocks if block in range(4)}
        kept: dict[int, Tensor] = {}
        for name in self.layers:
            x = self.get_submodule(name)(x)
            x = max_pool2d(x, 3, stride=2) if name in POOLED_AFTER else x
            if name in ends:
                kept[ends[name]] = x
            if len(kept) == len(ends):
                break
        return [kept[block] for block in sorted(kept)]

    def probabilities(
        self, features: Float[Tensor, "batch 2048"]
    ) -> Float[Tensor, "batch classes"]:
        """Return the softmax of the logits; of 2015 without bias, as the Inception Score's code."""
        logits = features @ self.fc.weight.T
        return (logits if self.port == "2015" else logits + self.fc.bias).softmax(dim=1)

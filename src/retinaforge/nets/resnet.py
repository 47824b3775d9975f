"""ResNet in torchvision's key layout (`layer1.0.conv1.weight`), any depth and width, ResNeXt too.

As torchvision's "V1.5" the stride of a bottleneck lies in its 3 x 3 convolution; Caffe's original,
whose first convolution strides, has the same names and cannot be told apart by them.

References:
    He et al., "Deep residual learning for image recognition", CVPR 2016; Xie et al., "Aggregated
    residual transformations", CVPR 2017. Layout as in pytorch/vision
    torchvision/models/resnet.py (0.28.0, BSD-3-Clause).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import batch_norm, max_pool2d

STAGES = (1, 2, 3, 4)


@dataclass(frozen=True)
class Stage:
    """One stage: how many blocks, channels inside a block and after it, groups of its 3 x 3."""

    blocks: int
    inner: int
    outer: int
    groups: int = 1


@dataclass(frozen=True)
class ResnetShape:
    """Sizes of a ResNet: channels of the stem, its four stages, and which block they are of."""

    stem: int
    stages: tuple[Stage, ...]
    bottleneck: bool

    @property
    def name(self) -> str:
        """Return the name that its published counts have, such as "ResNet-50"."""
        convolutions = 2 + sum(stage.blocks for stage in self.stages) * (2 + self.bottleneck)
        kind = "ResNeXt" if self.stages[0].groups > 1 else "ResNet"
        return f"{kind}-{convolutions}"


class FrozenNorm(nn.Module):
    """Batch norm by its stored moments; it never learns, so it counts no batches."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.get_buffer("running_mean"), self.get_buffer("running_var")
        return batch_norm(x, mean, variance, self.weight, self.bias)


def _convolution(
    inside: int, outside: int, side: int, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(
        inside, outside, side, stride=stride, padding=side // 2, groups=groups, bias=False
    )


class Block(nn.Module):
    """Two 3 x 3 convolutions, or 1 x 1, 3 x 3 and 1 x 1 (bottleneck), beside a shortcut."""

    def __init__(self, inside: int, stage: Stage, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        self.bottleneck = bottleneck
        first = 1 if bottleneck else 3
        self.conv1 = _convolution(inside, stage.inner, first, 1 if bottleneck else stride)
        self.bn1 = FrozenNorm(stage.inner)
        second = stage.inner if bottleneck else stage.outer
        self.conv2 = _convolution(stage.inner, second, 3, stride if bottleneck else 1, stage.groups)
        self.bn2 = FrozenNorm(second)
        if bottleneck:
            self.conv3, self.bn3 = _convolution(second, stage.outer, 1), FrozenNorm(stage.outer)
        self.downsample = (
            nn.Sequential(_convolution(inside, stage.outer, 1, stride), FrozenNorm(stage.outer))
            if stride != 1 or inside != stage.outer
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.bottleneck:
            out = self.bn3(self.conv3(out.relu()))
        return (out + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    """The convolutional part of a ResNet, running statistics frozen."""

    def __init__(self, shape: ResnetShape) -> None:
        super().__init__()
        self.shape = shape
        self.conv1 = nn.Conv2d(3, shape.stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = FrozenNorm(shape.stem)
        inside = shape.stem
        for number, stage in zip(STAGES, shape.stages, strict=True):
            strides = [1 if number == 1 else 2] + [1] * (stage.blocks - 1)
            widths = [inside] + [stage.outer] * (stage.blocks - 1)
            blocks = (
                Block(width, stage, stride, bottleneck=shape.bottleneck)
                for width, stride in zip(widths, strides, strict=True)
            )
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            inside = stage.outer

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], positions: Sequence[int]
    ) -> list[Tensor]:
        """Return maps in ascending order: 0 for the stem before its pool, 1 to 4 for the stages.

        Later stages than the last one asked for never run.
        """
        x = self.bn1(self.conv1(images)).relu()
        outputs = [x] if 0 in positions else []
        x = max_pool2d(x, 3, stride=2, padding=1)
        for number in STAGES:
            if number > max(positions):
                break
            x = self.get_submodule(f"layer{number}")(x)
            if number in positions:
                outputs.append(x)
        return outputs


def resnet_shape(weights: Mapping[str, Tensor]) -> ResnetShape | None:
    """Infer a ResNet's sizes from its arrays; None where they are no ResNet of torchvision's."""
    keys = [f"layer{n}.0.conv{k}.weight" for n in STAGES for k in (1, 2)]
    if any(key not in weights for key in (*keys, "conv1.weight", "bn1.weight")):
        return None
    if weights["conv1.weight"].shape[1:] != (3, 7, 7):
        return None
    bottleneck = "layer1.0.conv3.weight" in weights
    stages = tuple(_stage(weights, number, bottleneck=bottleneck) for number in STAGES)
    return ResnetShape(len(weights["conv1.weight"]), stages, bottleneck)


def _stage(weights: Mapping[str, Tensor], number: int, *, bottleneck: bool) -> Stage:
    prefix = f"layer{number}."
    numbers = {key.split(".")[1] for key in weights if key.startswith(prefix)}
    inner, taken = (weights[f"{prefix}0.conv{k}.weight"].shape[i] for k, i in ((1, 0), (2, 1)))
    last = weights.get(f"{prefix}0.conv{3 if bottleneck else 2}.weight")
    outer = inner if last is None else len(last)
    return Stage(len(numbers), inner, outer, max(1, inner // max(1, taken)))

"""RRWNet: a U-Net that finds arteries and veins, and one that mends its maps again and again.

    y_0 = U_1(x),   b = σ(y_0)_vessel
    y_1 = U_2(σ(y_0)),   y_k = U_2([σ(y_{k-1}), b])          k = 2 ... K, artery and vein only

The second network sees maps alone, never the photograph, so it can mend anybody's maps. Written
from the paper and from the layout of the published weights, whose names the parts bear
(`first_u.*`, `second_u.*`). A published checkpoint names each convolution twice; both copies must
agree.

References:
    J. Morano, G. Aresta and H. Bogunović, "RRWNet: Recursive refinement network for effective
    retinal artery/vein segmentation and classification", Expert Syst. Appl. 256 (2024), 124970
    (github.com/j-morano/rrwnet, MIT).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import Refusal

BASE = 64
PASSES = 6
"""Passes through the second network; the published `iterations=5` counts those after the first."""

PADDING = 32
"""Sides are padded with zeros, half on each side, to a multiple of this."""

ARTERY, VEIN, VESSEL = 0, 1, 2

Maps = Float[Tensor, "batch 3 height width"]
Pair = Float[Tensor, "batch 2 height width"]


class _Pair(nn.Module):
    """Two 3 × 3 convolutions, each followed by a ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(F.relu(self.conv1(x))))


class _Up(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _UNet(nn.Module):
    """Five levels down, four up: parts conv1-5, upconv1-4, conv6-9, outconv."""

    def __init__(self, inputs: int, outputs: int, base: int) -> None:
        super().__init__()
        widths = [inputs, *(base * 2**level for level in range(5))]
        for level, (wide, deep) in enumerate(pairwise(widths), start=1):
            self.add_module(f"conv{level}", _Pair(wide, deep))
        for step, (deep, wide) in enumerate(pairwise(widths[:0:-1]), start=1):
            self.add_module(f"upconv{step}", _Up(deep, wide))
            self.add_module(f"conv{5 + step}", _Pair(deep, wide))
        self.outconv = nn.Conv2d(base, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        stages = [self.get_submodule("conv1")(x)]
        for level in range(2, 6):
            stages.append(self.get_submodule(f"conv{level}")(F.max_pool2d(stages[-1], 2)))
        x = stages.pop()
        for step in range(1, 5):
            wider = self.get_submodule(f"upconv{step}")(x)
            x = self.get_submodule(f"conv{5 + step}")(torch.cat([stages.pop(), wider], 1))
        return self.outconv(x)


def _padding(height: int, width: int) -> tuple[int, int, int, int]:
    """Return (left, right, top, bottom)."""
    more = [-side % PADDING for side in (width, height)]
    return more[0] // 2, more[0] - more[0] // 2, more[1] // 2, more[1] - more[1] // 2


def _cut_back(x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    left, right, top, bottom = padding
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


class RRWNet(nn.Module):
    """Find and mend maps of artery, vein and vessel; any image size.

    Args:
        base: channels at full resolution.
        passes: K, how often the maps go through the second network.
    """

    def __init__(self, base: int = BASE, passes: int = PASSES) -> None:
        super().__init__()
        self.first_u = _UNet(3, 3, base)
        self.second_u = _UNet(3, 2, base)
        self.passes = passes

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], passes: int | None = None
    ) -> list[Maps]:
        """Return the logits before any pass and after each of them, K + 1 in all.

        Args:
            images: enhanced photographs in [0, 1].
            passes: K, in place of the network's own.
        """
        padding = _padding(*images.shape[-2:])
        logits = self.first_u(F.pad(images, padding))
        pairs = self._passes(logits.sigmoid(), self.passes if passes is None else passes)
        found = [logits, *(torch.cat([pair, logits[:, VESSEL:]], 1) for pair in pairs)]
        return [_cut_back(each, padding) for each in found]

    def _passes(self, maps: Maps, passes: int) -> list[Pair]:
        """Return the logits of artery and vein after each pass over maps of a padded size."""
        found: list[Pair] = []
        for _ in range(passes):
            found.append(self.second_u(maps))
            maps = torch.cat([found[-1].sigmoid(), maps[:, VESSEL:]], 1)
        return found

    def mend(self, maps: Maps, passes: int | None = None) -> list[Pair]:
        """Return the logits of artery and vein after each pass over anybody's maps.

        Args:
            maps: probabilities of artery, vein, vessel.
            passes: K, in place of the network's own.
        """
        padding = _padding(*maps.shape[-2:])
        pairs = self._passes(F.pad(maps, padding), self.passes if passes is None else passes)
        return [_cut_back(pair, padding) for pair in pairs]

    def refine(self, maps: Maps, passes: int | None = None) -> Maps:
        """Mend anybody's maps; the vessel map stays as it is.

        Args:
            maps: probabilities of artery, vein, vessel.
            passes: K, in place of the network's own; 0 returns the maps.

        Returns:
            Probabilities of the same shape.
        """
        pairs = self.mend(maps, passes)
        return torch.cat([pairs[-1].sigmoid(), maps[:, VESSEL:]], 1) if pairs else maps


_ALIASES = (
    (re.compile(r"\.(conv\d)\.conv_block\.0\."), r".\1.conv1."),
    (re.compile(r"\.(conv\d)\.conv_block\.2\."), r".\1.conv2."),
    (re.compile(r"\.(upconv\d)\.conv_block\.0\."), r".\1.conv."),
)


def own_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a published state under this module's keys, each tensor once.

    Raises:
        Refusal: expected the two copies of a weight to agree.
    """
    kept: dict[str, Tensor] = {}
    for key, value in state.items():
        own = key
        for pattern, name in _ALIASES:
            own = pattern.sub(name, own)
        if own in kept and not torch.equal(kept[own], value):
            raise Refusal(
                "a checkpoint whose two copies of a weight agree",
                f"two different ones of {own}",
                "use the file as published",
            )
        kept[own] = value
    return kept


def published_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state of this module in the published layout, each convolution under both names."""
    twice = dict(state)
    for key, value in state.items():
        copy = re.sub(r"\.(conv\d)\.conv1\.", r".\1.conv_block.0.", key)
        copy = re.sub(r"\.(conv\d)\.conv2\.", r".\1.conv_block.2.", copy)
        copy = re.sub(r"\.(upconv\d)\.conv\.", r".\1.conv_block.0.", copy)
        twice[copy] = value
    return twice

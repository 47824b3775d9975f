"""One contract for frozen networks: images in [-1, 1] go in, features come out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.nets.tokens import TokenNetwork

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Images = Float[Tensor, "batch 3 _ _"]


Resampling = Literal["bilinear", "bicubic"]


class Preprocess(nn.Module):
    """Map RGB in [-1, 1] to what a network was trained on: (a x + b), channels perhaps turned.

    Args:
        scale, shift: a and b of the three channels.
        bgr: whether the network takes blue first.
        resampling: with which filter images are resized before (always antialiased).
    """

    def __init__(
        self,
        scale: Sequence[float],
        shift: Sequence[float],
        *,
        bgr: bool = False,
        resampling: Resampling = "bilinear",
    ) -> None:
        super().__init__()
        self.bgr, self.resampling = bgr, resampling
        self.register_buffer("scale", torch.tensor(scale).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", torch.tensor(shift).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Images) -> Images:
        ordered = images.flip(1) if self.bgr else images
        return ordered * self.scale + self.shift


def standardise(
    mean: Sequence[float], std: Sequence[float], *, resampling: Resampling = "bilinear"
) -> Preprocess:
    """Return ((x + 1) / 2 - mean) / std; mean and std of RGB in [0, 1]."""
    shift = [(0.5 - m) / s for m, s in zip(mean, std, strict=True)]
    return Preprocess([0.5 / s for s in std], shift, resampling=resampling)


def imagenet(resampling: Resampling = "bilinear") -> Preprocess:
    """Return torchvision's, MAE's and LPIPS's normalisation."""
    return standardise(IMAGENET_MEAN, IMAGENET_STD, resampling=resampling)


def caffe() -> Preprocess:
    """Return BGR in 0-255 minus (104, 117, 123), the normalisation of SqueezeNet 1.0's release."""
    return Preprocess([127.5] * 3, [127.5 - mean for mean in (104.0, 117.0, 123.0)], bgr=True)


def resize(images: Images, size_px: int | None, resampling: Resampling = "bilinear") -> Images:
    """Resize to a square of `size_px` (antialiased, differentiable, clipped); None leaves it."""
    if size_px is None or images.shape[-2:] == (size_px, size_px):
        return images
    resized = interpolate(images, (size_px, size_px), mode=resampling, antialias=True)
    return resized.clamp(-1, 1) if resampling == "bicubic" else resized


class Encoder(nn.Module, ABC):
    """A frozen network with its card: no parameter gets a gradient, gradients reach the images.

    Attributes:
        card: what it is.
        blocks: the blocks (layers) whose features are used where the caller names none.
        input_px: side that images are resized to; None takes them as they come.
    """

    def __init__(
        self,
        card: EncoderCard,
        network: nn.Module,
        *,
        preprocess: nn.Module,
        blocks: tuple[int, ...],
        input_px: int | None,
    ) -> None:
        super().__init__()
        self.card, self.blocks, self.input_px = card, blocks, input_px
        self.network, self.preprocess = network, preprocess
        self.requires_grad_(False)
        # Twice as fast for convolutions on a CPU, and no change to what they compute.
        self.to(memory_format=torch.channels_last)
        super().train(False)

    def train(self, mode: bool = True) -> Encoder:
        """Stay in evaluation mode whatever is asked: a frozen network never trains."""
        return self

    def prepare(self, images: Images, input_px: int | None) -> Images:
        """Resize to `input_px` (or the encoder's own size) and normalise."""
        resampling = getattr(self.preprocess, "resampling", "bilinear")
        ready = self.preprocess(resize(images, input_px or self.input_px, resampling))
        return ready.contiguous(memory_format=torch.channels_last)

    @abstractmethod
    def features(
        self, images: Images, blocks: Sequence[int] | None = None, *, input_px: int | None = None
    ) -> list[Tensor]:
        """Return features after each block: maps (B, C, h, w), or tokens (B, N, C) without class.

        Args:
            images: RGB in [-1, 1].
            blocks: which, in the network's own numbering; None for `self.blocks`.
            input_px: resize to this side first; None for the encoder's own.
        """

    @abstractmethod
    def class_token(
        self, images: Images, *, input_px: int | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the class token after the last norm; a network without one refuses."""

    @abstractmethod
    def embedding(self, images: Images) -> Float[Tensor, "batch channels"]:
        """Return one vector an image."""


class MapEncoder(Encoder):
    """A convolutional network: features are maps."""

    heads_count: int = 0

    @property
    def heads(self) -> list[Tensor]:
        """Return LPIPS's linear heads, (1, C, 1, 1) for each block; empty where none were named."""
        return [self.get_buffer(f"head_{i}") for i in range(self.heads_count)]

    def features(
        self, images: Images, blocks: Sequence[int] | None = None, *, input_px: int | None = None
    ) -> list[Tensor]:
        """Return the maps after the layers at `blocks`."""
        chosen = tuple(sorted(set(self.blocks if blocks is None else blocks)))
        maps: list[Tensor] = self.network(self.prepare(images, input_px), chosen)
        if len(maps) != len(chosen):
            raise Refusal(
                "layers that the network has", f"blocks {chosen}", f"try {self.blocks}, the default"
            )
        return maps

    def class_token(
        self, images: Images, *, input_px: int | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Refuse: a convolutional network has no class token."""
        raise Refusal(
            "a transformer, which has a class token",
            f"the convolutional network {self.card.name}",
            "use a ViT, or distance=l2 on its maps",
        )

    def embedding(self, images: Images) -> Float[Tensor, "batch channels"]:
        """Return the last map's mean over positions."""
        return self.features(images, self.blocks[-1:])[0].mean((2, 3))


class TokenEncoder(Encoder):
    """A vision transformer: features are patch tokens in row order of a square grid."""

    def features(
        self, images: Images, blocks: Sequence[int] | None = None, *, input_px: int | None = None
    ) -> list[Tensor]:
        """Return the patch tokens after the blocks counted from 1."""
        chosen = tuple(self.blocks if blocks is None else blocks)
        depth = self._transformer.depth
        if not all(1 <= block <= depth for block in chosen):
            raise Refusal(
                f"blocks from 1 to {depth}", str(chosen), f"choose depths of {self.card.name}"
            )
        return self._transformer(self.prepare(images, input_px), chosen).tokens

    @property
    def _transformer(self) -> TokenNetwork:
        if not isinstance(self.network, TokenNetwork):
            raise TypeError(f"TokenEncoder holds a {type(self.network).__name__}")
        return self.network

    def prepare(self, images: Images, input_px: int | None) -> Images:
        """Resize to a square of whole patches and normalise."""
        side, patch = input_px or self.input_px, self._transformer.patch_px
        if side is None or side % patch or images.shape[-2] != images.shape[-1]:
            raise Refusal(
                f"square images and a side that is a multiple of {patch} px",
                f"{images.shape[-2]} x {images.shape[-1]} px and px={side}",
                f"crop or pad to a square and set px to a multiple of {patch}",
            )
        return super().prepare(images, side)

    def class_token(
        self, images: Images, *, input_px: int | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the class token after the last block, through the network's last norm."""
        return self._transformer(self.prepare(images, input_px)).class_token

    def embedding(self, images: Images) -> Float[Tensor, "batch channels"]:
        """Return the vector that the network was published to be used with."""
        return self._transformer(self.prepare(images, None)).embedding


def quarter_depths(depth: int) -> tuple[int, ...]:
    """Return four depths, a quarter apart, the last one included: 24 gives (6, 12, 18, 24)."""
    return tuple(sorted({max(1, math.ceil(depth * quarter / 4)) for quarter in (1, 2, 3, 4)}))

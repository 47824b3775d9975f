"""One contract for frozen networks: images in [-1, 1] go in, features come out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders import chunks
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.precision import MOST_TRIED, Precision, measured, require_precision
from retinaforge.encoders.precision import running as running_in
from retinaforge.encoders.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Field,
    Images,
    Preprocess,
    Resampling,
    blacken,
    caffe,
    imagenet,
    inside_share,
    require_batch,
    resize,
    standardise,
)
from retinaforge.nets.tokens import TokenNetwork, TokenOutput, mean_of_tokens


class Encoder(nn.Module, ABC):
    """A frozen network with its card: no parameter gets a gradient, gradients reach the images.

    Where no gradient is asked for, a batch of any size runs in chunks, in bounded memory.

    Attributes:
        card: what it is.
        blocks: the blocks (layers) whose features are used where the caller names none.
        input_px: side that images are resized to; None takes them as they come.
        chunk: images at a time; None measures on the first of them how many fit in 500 MB.
        precision: "fp32", "bf16", or "auto" before the first batch has decided.
    """

    chunk: int | None = None
    precision: Precision = "fp32"

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
        self._measured_chunks: dict[tuple[int, ...], int] = {}
        self.requires_grad_(False)
        # Twice as fast for convolutions on a CPU, and no change to what they compute.
        self.to(memory_format=torch.channels_last)
        super().train(False)

    def train(self, mode: bool = True) -> Encoder:
        """Stay in evaluation mode whatever is asked: a frozen network never trains."""
        return self

    def to_precision(self, precision: str) -> Encoder:
        """Compute in "fp32" or "bf16"; "auto" measures on the first batch without gradient.

        "auto" takes bfloat16 where the vectors agree (cosine > 0.9995) and it is faster, and the
        card's `precision` says what was found. Results are float32 in any case.
        """
        self.precision = require_precision(precision)
        said = {
            "fp32": "float32",
            "bf16": "bfloat16, as asked",
            "auto": "decided by the first batch",
        }
        self.card = replace(self.card, precision=said[self.precision])
        return self

    def sized(self, images: Images, side_px: int | None) -> Images:
        """Bring images to a square of `side_px`; None leaves them."""
        return resize(images, side_px, getattr(self.preprocess, "resampling", "bilinear"))

    def prepare(self, images: Images, input_px: int | None) -> Images:
        """Resize to `input_px` (or the encoder's own size) and normalise."""
        ready = self.preprocess(self.sized(images, input_px or self.input_px))
        return ready.contiguous(memory_format=torch.channels_last)

    def run(self, ready: Tensor, *further: Any, **named: Any) -> Any:
        """Run the network on prepared images in the encoder's precision."""
        with running_in(self.precision, ready.device):
            result = self.network(ready, *further, **named)
        return _in_float32(result) if self.precision == "bf16" else result

    def chunked(self, function: Callable[..., Any], images: Images, fov: Field | None) -> Any:
        """Return `function(images, fov)`, in chunks where no gradient is asked for."""
        require_batch(images)
        if torch.is_grad_enabled() and images.requires_grad:
            return function(images, fov)
        if self.precision == "auto":
            self._decide(images)
        key = tuple(images.shape[1:])
        size = self.chunk or self._measured_chunks.get(key)
        if size is not None or len(images) == 1:
            return chunks.in_chunks(function, (images, fov), size or 1)
        with chunks.metered(self.network) as meter:
            first = function(images[:1], None if fov is None else fov[:1])
        size = self._measured_chunks[key] = chunks.chunk_for(meter.largest)
        rest = images[1:], None if fov is None else fov[1:]
        return chunks.joined([first, chunks.in_chunks(function, rest, size)])

    def _decide(self, images: Images) -> None:
        def embed(precision: Precision) -> Tensor:
            self.precision = precision
            return self.embedding(images[:MOST_TRIED])

        with torch.no_grad():
            verdict = measured(embed)
        self.precision = verdict.chosen
        self.card = replace(self.card, precision=verdict.words)

    @abstractmethod
    def features(
        self,
        images: Images,
        blocks: Sequence[int] | None = None,
        *,
        input_px: int | None = None,
        fov: Field | None = None,
    ) -> list[Tensor]:
        """Return features after each block: maps (B, C, h, w), or tokens (B, N, C) without class.

        Args:
            images: RGB in [-1, 1].
            blocks: which, in the network's own numbering; None for `self.blocks`.
            input_px: resize to this side first; None for the encoder's own.
            fov: 1 inside the field of view; outside is made black first.
        """

    def tokens(
        self,
        images: Images,
        blocks: Sequence[int] | None = None,
        *,
        input_px: int | None = None,
        fov: Field | None = None,
    ) -> list[Float[Tensor, "batch n channels"]]:
        """Return `features` as tokens whatever the network: maps row by row."""
        found = self.features(images, blocks, input_px=input_px, fov=fov)
        return [maps.flatten(2).transpose(1, 2) if maps.ndim == 4 else maps for maps in found]

    @abstractmethod
    def class_token(
        self, images: Images, *, input_px: int | None = None, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the class token after the last norm; a network without one refuses."""

    @abstractmethod
    def embedding(
        self, images: Images, *, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return one vector an image; with `fov`, a mean of patches is taken inside it alone."""

    def text(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Refuse: only encoders of images and words have a text tower (`encoders.text`)."""
        raise Refusal(
            "an encoder of images and words, such as clip, biomedclip, flair or medimageinsight",
            f"{self.card.name}, which knows images alone",
            f"name one of those to compare images with {len(texts)} texts",
        )

    def embed_stream(
        self, images: Iterable[Float[Tensor, "3 _ _"]], *, batch: int = 16
    ) -> Iterator[Float[Tensor, "n"]]:
        """Yield the vector of each image of any number, in order and in bounded memory.

        Args:
            images: RGB in [-1, 1], of any sizes; those of one size after resizing run together.
            batch: how many to gather.
        """
        gathered: list[Tensor] = []
        for image in images:
            sized = self.sized(image[None], self.input_px)
            if gathered and (len(gathered) == batch or sized.shape != gathered[0].shape):
                yield from self._embed_gathered(gathered)
                gathered = []
            gathered.append(sized)
        if gathered:
            yield from self._embed_gathered(gathered)

    def _embed_gathered(self, gathered: list[Tensor]) -> Iterator[Tensor]:
        with torch.no_grad():
            vectors = self.embedding(torch.cat(gathered))
        yield from vectors


class MapEncoder(Encoder):
    """A convolutional network: features are maps."""

    heads_count: int = 0

    @property
    def heads(self) -> list[Tensor]:
        """Return LPIPS's linear heads, (1, C, 1, 1) for each block; empty where none were named."""
        return [self.get_buffer(f"head_{i}") for i in range(self.heads_count)]

    def features(
        self,
        images: Images,
        blocks: Sequence[int] | None = None,
        *,
        input_px: int | None = None,
        fov: Field | None = None,
    ) -> list[Tensor]:
        """Return the maps after the layers at `blocks`."""
        chosen = tuple(sorted(set(self.blocks if blocks is None else blocks)))

        def maps(images: Tensor, fov: Tensor | None) -> list[Tensor]:
            found = self.run(self.prepare(blacken(images, fov), input_px), chosen)
            if len(found) == len(chosen):
                return found
            remedy = f"try {self.blocks}, the default"
            raise Refusal("layers that the network has", f"blocks {chosen}", remedy)

        return self.chunked(maps, images, fov)

    def class_token(
        self, images: Images, *, input_px: int | None = None, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Refuse: a convolutional network has no class token."""
        raise Refusal(
            "a transformer, which has a class token",
            f"the convolutional network {self.card.name}",
            "use a ViT, or distance=l2 on its maps",
        )

    def embedding(
        self, images: Images, *, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the last map's mean over positions, of those in the field where one is given."""

        def pooled(images: Tensor, fov: Tensor | None) -> Tensor:
            maps = self.features(images, self.blocks[-1:], fov=fov)[0]
            if fov is None:
                return maps.mean((2, 3))
            share = inside_share(fov, maps.shape[-2], maps.shape[-1])
            return mean_of_tokens(maps.flatten(2).transpose(1, 2), share.flatten(1))

        return self.chunked(pooled, images, fov)


class TokenEncoder(Encoder):
    """A vision transformer: features are patch tokens in row order of a square grid."""

    def features(
        self,
        images: Images,
        blocks: Sequence[int] | None = None,
        *,
        input_px: int | None = None,
        fov: Field | None = None,
    ) -> list[Tensor]:
        """Return the patch tokens after the blocks counted from 1."""
        chosen = tuple(self.blocks if blocks is None else blocks)
        depth = self._transformer.depth
        if not all(1 <= block <= depth for block in chosen):
            raise Refusal(
                f"blocks from 1 to {depth}", str(chosen), f"choose depths of {self.card.name}"
            )
        return self.outputs(images, chosen, input_px=input_px, fov=fov).tokens

    def outputs(
        self,
        images: Images,
        blocks: Sequence[int] = (),
        *,
        input_px: int | None = None,
        fov: Field | None = None,
    ) -> TokenOutput:
        """Return all that one pass gives: tokens, class token and embedding."""

        def once(images: Tensor, fov: Tensor | None) -> TokenOutput:
            ready = self.prepare(blacken(images, fov), input_px)
            if fov is None or not self._transformer.pools_patches:
                return self.run(ready, blocks)
            side = ready.shape[-1] // self._transformer.patch_px
            return self.run(ready, blocks, inside=inside_share(fov, side, side).flatten(1))

        return self.chunked(once, images, fov)

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
        self, images: Images, *, input_px: int | None = None, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the class token after the last block, through the network's last norm."""
        return self.outputs(images, input_px=input_px, fov=fov).class_token

    def embedding(
        self, images: Images, *, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the vector that the network was published to be used with."""
        return self.outputs(images, fov=fov).embedding


def _in_float32(result: Any) -> Any:
    if isinstance(result, Tensor):
        return result.float()
    parts = [_in_float32(part) for part in result]
    return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)


def quarter_depths(depth: int) -> tuple[int, ...]:
    """Return four depths, a quarter apart, the last one included: 24 gives (6, 12, 18, 24)."""
    return tuple(sorted({max(1, math.ceil(depth * quarter / 4)) for quarter in (1, 2, 3, 4)}))


__all__ = [
    "IMAGENET_MEAN", "IMAGENET_STD", "Encoder", "Field", "Images", "MapEncoder", "Preprocess",
    "Resampling", "TokenEncoder", "caffe", "imagenet", "quarter_depths", "resize", "standardise",
]  # fmt: skip

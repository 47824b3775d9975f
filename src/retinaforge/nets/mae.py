"""Masked autoencoding of fundus photographs: hide three patches of four, draw them again.

Only patches with field of view take part: the others are neither shown nor asked for, and within
a patch only pixels of the field count. Keys are MAE's as published: the encoder's beside
`mask_token` and `decoder_*`.

References:
    He et al., "Masked autoencoders are scalable vision learners", CVPR 2022.
    Lee et al., PRETI, MICCAI 2025, arXiv 2505.12233 (masking inside the retina only; its ratio
    falls in the course of the training, ours stays).
    Cai et al., "Uni4Eye", MICCAI 2022 (the gradient map as second target).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear

from retinaforge.nets.fundus_vit import FundusVit
from retinaforge.nets.mae_patches import (
    choose_patches,
    cut_patches,
    gradient_map,
    masked_error,
)
from retinaforge.nets.vit import Block, VitShape, initialise, sine_positions

LEAST_FIELD = 0.25  # share of a patch that has to be field of view for the patch to take part


@dataclass(frozen=True)
class DecoderShape:
    """Sizes of the decoder, which is thrown away after the training."""

    width: int = 128
    depth: int = 2
    heads: int = 4


class MaeOutput(NamedTuple):
    """What one pass gives.

    Attributes:
        loss: what is to fall.
        pixels: mean squared error of the normalised pixels of the asked patches.
        gradients: the same of the gradient map; 0 where it is no target.
        prediction: normalised pixels of all patches, (batch, patches, patch_px ** 2 * 3).
        asked: which patches were hidden and asked for, (batch, patches).
        shown: how many patches each image showed.
    """

    loss: Tensor
    pixels: Tensor
    gradients: Tensor
    prediction: Tensor
    asked: Tensor
    shown: int


class MaskedAutoencoder(FundusVit):
    """MAE's encoder and light decoder; the encoder's part of the weights is a `FundusVit`'s."""

    def __init__(
        self,
        shape: VitShape,
        decoder: DecoderShape = DecoderShape(),
        *,
        metadata: Sequence[str] = (),
        gradients: bool = False,
    ) -> None:
        super().__init__(shape, metadata)
        width, patch = decoder.width, shape.patch_px
        grid = shape.input_px // patch
        inner = VitShape(width, decoder.depth, decoder.heads, patch, shape.input_px)
        self.decoder_embed = nn.Linear(shape.width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_pos_embed = nn.Parameter(
            torch.zeros(1, grid * grid + 1, width), requires_grad=False
        )
        self.decoder_blocks = nn.ModuleList(Block(inner) for _ in range(decoder.depth))
        self.decoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_pred = nn.Linear(width, patch * patch * 3)
        self.decoder_gradient = nn.Linear(width, patch * patch) if gradients else None
        self.pos_embed.requires_grad_(False)  # sines and cosines, as MAE has it

    def encode_shown(
        self, images: Tensor, shown: Int[Tensor, "batch kept"], metadata: Tensor | None
    ) -> Float[Tensor, "batch tokens width"]:
        """Return class token, shown patches and metadata tokens after the last norm."""
        weight = self.patch_embed.proj.weight
        patches = _take(cut_patches(images, self.shape.patch_px), shown)
        # Convolution of separate patches is a linear map; hidden ones need not be computed.
        flat = weight.permute(0, 2, 3, 1).flatten(1)
        x = linear(patches, flat, self.patch_embed.proj.bias)
        x = x + _take(self.pos_embed[:, 1:].expand(len(x), -1, -1), shown)
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([first, x, *self.metadata_tokens(len(x), metadata)], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.get_submodule(self.shape.final_norm)(x)

    def decode(
        self, tokens: Tensor, shown: Int[Tensor, "batch kept"]
    ) -> Float[Tensor, "batch patches width"]:
        """Return the decoder's patch tokens, hidden patches filled with the mask token."""
        x = self.decoder_embed(tokens)
        kept, count = shown.shape[1], self.decoder_pos_embed.shape[1] - 1
        every = self.mask_token.to(x.dtype).expand(len(x), count, -1)
        index = shown[..., None].expand(-1, -1, x.shape[-1])
        every = every.scatter(1, index, x[:, 1 : 1 + kept])
        position = self.decoder_pos_embed
        first, behind = x[:, :1] + position[:, :1], x[:, 1 + kept :]
        x = torch.cat([first, every + position[:, 1:], behind], dim=1)
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_norm(x)[:, 1 : 1 + count]

    def reconstruct(
        self,
        images: Float[Tensor, "batch 3 side side"],
        fov: Float[Tensor, "batch 1 side side"],
        noise: Float[Tensor, "batch patches"],
        *,
        ratio: float = 0.75,
        metadata: Float[Tensor, "batch kinds"] | None = None,
    ) -> MaeOutput:
        """Hide patches, draw them again, and measure by how much they miss.

        Args:
            images: normalised, square, of the shape's input side.
            fov: 1 inside the field of view.
            noise: decides which patches are shown: those of the lowest numbers.
            ratio: share of the patches with field of view that is hidden, at least: the image
                with the fewest sets how many are shown of every image.
            metadata: as `MetadataTokens.forward` has it.
        """
        patch = self.shape.patch_px
        weight = cut_patches(fov, patch)
        field = weight.mean(-1) >= LEAST_FIELD
        shown, asked = choose_patches(field, noise, ratio)
        x = self.decode(self.encode_shown(images, shown, metadata), shown)
        prediction = self.decoder_pred(x).float()
        target = cut_patches(images, patch).float()
        pixels = masked_error(prediction, target, weight, asked)
        gradients = torch.zeros_like(pixels)
        if self.decoder_gradient is not None:
            slopes = cut_patches(gradient_map(images.float()), patch)
            gradients = masked_error(self.decoder_gradient(x).float(), slopes, weight, asked)
        return MaeOutput(pixels + gradients, pixels, gradients, prediction, asked, shown.shape[1])


def new_mae(
    shape: VitShape, seed: int, *, metadata: Sequence[str] = (), gradients: bool = False,
    decoder: DecoderShape = DecoderShape(),
) -> MaskedAutoencoder:  # fmt: skip
    """Return a masked autoencoder of MAE's starting weights, the same for the same seed."""
    model = MaskedAutoencoder(shape, decoder, metadata=metadata, gradients=gradients)
    initialise(model, seed)
    rng = torch.Generator().manual_seed(seed + 1)
    grid = shape.input_px // shape.patch_px
    with torch.no_grad():
        model.decoder_pos_embed[:, 1:] = sine_positions(model.mask_token.shape[-1], grid)
        nn.init.normal_(model.mask_token, std=0.02, generator=rng)
        for table in model.metadata.parameters() if model.metadata is not None else ():
            nn.init.normal_(table, std=0.02, generator=rng)
    return model


def _take(tokens: Tensor, index: Int[Tensor, "batch kept"]) -> Tensor:
    return tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[-1]))

"""A vision transformer in the published key layout of MAE, RETFound and DINOv2 (timm's names).

References:
    Dosovitskiy et al., "An image is worth 16 x 16 words", ICLR 2021; He et al., "Masked
    autoencoders", CVPR 2022; Zhou et al., "RETFound", Nature 2023; Oquab et al., "DINOv2", TMLR
    2024; Darcet et al., "Vision transformers need registers", ICLR 2024.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from retinaforge.nets.positions import resize_positions, sine_positions
from retinaforge.nets.tokens import TokenNetwork, TokenOutput, mean_of_tokens
from retinaforge.nets.vit_blocks import Attention, Block, Mlp, PatchEmbed, VitShape

LAST_CLASSES = 4


class VisionTransformer(TokenNetwork):
    """Class token, registers, patches; absolute position embedding, pre-norm blocks."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        grid = shape.input_px // shape.patch_px
        self.shape, self.depth, self.patch_px = shape, shape.depth, shape.patch_px
        places = grid * grid + shape.class_position
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, places, shape.width))
        if shape.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, shape.registers, shape.width))
        self.patch_embed = PatchEmbed(shape.width, shape.patch_px)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.add_module(shape.final_norm, nn.LayerNorm(shape.width, eps=1e-6))

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        blocks: Sequence[int] = (),
        inside: Float[Tensor, "batch tokens"] | None = None,
    ) -> TokenOutput:
        """Return patch tokens after the blocks counted from 1, class token and embedding.

        The embedding is what `shape.pooling` says, the class token unless it says otherwise.

        Args:
            images: normalised; height and width multiples of `shape.patch_px`.
            blocks: after which blocks to keep the tokens, 1 to depth.
            inside: weights of the patches where the embedding is their mean; None weighs all alike.
        """
        x, first = self._tokens(images), 1 + self.shape.registers
        kept: list[Tensor] = []
        classes: list[Tensor] = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in blocks:
                kept.append(x[:, first:])
            if number > self.depth - LAST_CLASSES:
                classes.append(x[:, 0])
        norm = self.get_submodule(self.shape.final_norm)
        return TokenOutput(
            kept, norm(x[:, 0]), self._embedding(x[:, first:], classes, norm, inside)
        )

    def _tokens(self, images: Tensor) -> Tensor:
        """Return class token, registers and patches with their positions."""
        patches = self.patch_embed(images)
        rows, columns = patches.shape[-2:]
        before = int(self.shape.class_position)
        places = resize_positions(self.pos_embed, rows, columns, self.shape.positions, before)
        x = patches.flatten(2).transpose(1, 2) + places[:, before:]
        leading = [self.cls_token + places[:, :1] if before else self.cls_token]
        if self.shape.registers:
            leading.append(self.register_tokens)
        return torch.cat([*(token.expand(len(x), -1, -1) for token in leading), x], dim=1)

    @property
    def pools_patches(self) -> bool:
        """Return whether the embedding is a mean of patches."""
        return "mean" in self.shape.pools

    def _embedding(
        self, patches: Tensor, classes: list[Tensor], norm: nn.Module, inside: Tensor | None
    ) -> Tensor:
        match self.shape.pools:
            case "class":
                return norm(classes[-1])
            case "normed mean":
                return norm(mean_of_tokens(patches, inside))
            case "plain mean":
                mean = mean_of_tokens(patches, inside)
                return layer_norm(mean, (self.shape.width,), eps=1e-6)
            case "mean of normed":
                return mean_of_tokens(norm(patches), inside)
            case "last classes":
                return torch.cat([norm(token) for token in classes], dim=1)


def initialise(model: VisionTransformer, seed: int) -> VisionTransformer:
    """Fill a transformer with MAE's starting weights, the same for the same seed anywhere.

    Xavier-uniform linear maps (the patch projection as one), zero biases, sine-cosine positions.

    References:
        He et al., "Masked autoencoders", CVPR 2022, appendix A.1.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(module.weight.flatten(1), generator=rng)
                nn.init.zeros_(module.bias) if module.bias is not None else None
        nn.init.normal_(model.cls_token, std=0.02, generator=rng)
        grid = model.shape.input_px // model.shape.patch_px
        model.pos_embed[:, 1:] = sine_positions(model.shape.width, grid)
    return model


__all__ = [
    "Attention", "Block", "Mlp", "PatchEmbed", "VisionTransformer", "VitShape", "initialise",
    "resize_positions", "sine_positions",
]  # fmt: skip

"""What every network of tokens gives, whatever its layout."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class TokenOutput(NamedTuple):
    """What one pass gives.

    Attributes:
        tokens: patch tokens after each asked block, (batch, tokens, width), in row order; class and
            register tokens are not among them.
        class_token: the class token through the last norm, (batch, width); where a network has
            none, its published stand-in (such as the mean of the patches).
        embedding: the vector that the weights were published to be used with.
    """

    tokens: list[Tensor]
    class_token: Tensor
    embedding: Tensor


class TokenNetwork(nn.Module, ABC):
    """A transformer over square patches.

    Attributes:
        depth: number of blocks.
        patch_px: side of a patch; sides of images are multiples of it.
        pools_patches: whether the embedding is a mean of patches; `forward` then takes
            `inside=`, how much of each patch lies in the field of view, (batch, tokens).
    """

    depth: int
    patch_px: int
    pools_patches: bool = False

    @abstractmethod
    def forward(self, images: Tensor, blocks: Sequence[int] = ()) -> TokenOutput:
        """Return the tokens after the blocks counted from 1, class token and embedding."""


def mean_of_tokens(
    tokens: Float[Tensor, "batch tokens width"], inside: Float[Tensor, "batch tokens"] | None
) -> Float[Tensor, "batch width"]:
    """Return the mean over tokens, weighted by `inside` where there is one."""
    if inside is None:
        return tokens.mean(1)
    weights = (inside / inside.sum(1, keepdim=True)).to(tokens.dtype)
    return torch.einsum("bnc,bn->bc", tokens, weights)

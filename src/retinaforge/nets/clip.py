"""CLIP's image tower in the key layout of Hugging Face (`CLIPVisionModelWithProjection`).

The text tower (`nets.clip_text`) is built of the same layers.

Unlike MAE's transformer it has a norm before the first block, no bias in the patch projection,
x σ(1.702 x) in place of the GELU in OpenAI's files, and a projection into the space shared with
text.

References:
    Radford et al., "Learning transferable visual models from natural language supervision", ICML
    2021. Layout as in transformers (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from retinaforge.nets.tokens import TokenNetwork, TokenOutput
from retinaforge.nets.vit import resize_positions

Activation = Literal["quick_gelu", "gelu"]


@dataclass(frozen=True)
class ClipShape:
    """Sizes of a tower: in tokens or channels but where the name says pixels."""

    width: int
    depth: int
    heads: int
    patch_px: int
    input_px: int
    hidden: int
    projected: int
    activation: Activation = "quick_gelu"
    epsilon: float = 1e-5


class LayerSizes(Protocol):
    """What a layer must know of its tower: width, heads and hidden in channels."""

    @property
    def width(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def hidden(self) -> int: ...
    @property
    def activation(self) -> Activation: ...
    @property
    def epsilon(self) -> float: ...


class _Attention(nn.Module):
    def __init__(self, shape: LayerSizes) -> None:
        super().__init__()
        self.heads = shape.heads
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            self.add_module(name, nn.Linear(shape.width, shape.width))

    def forward(self, x: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        split = (*x.shape[:2], self.heads, x.shape[2] // self.heads)
        q, k, v = (
            self.get_submodule(f"{name}_proj")(x).reshape(split).transpose(1, 2) for name in "qkv"
        )
        mixed = scaled_dot_product_attention(q, k, v, mask, is_causal=causal).transpose(1, 2)
        return self.get_submodule("out_proj")(mixed.reshape(x.shape))


class _Mlp(nn.Module):
    def __init__(self, shape: LayerSizes) -> None:
        super().__init__()
        self.activation: Activation = shape.activation
        self.fc1 = nn.Linear(shape.width, shape.hidden)
        self.fc2 = nn.Linear(shape.hidden, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        return self.fc2(gelu(x) if self.activation == "gelu" else x * torch.sigmoid(1.702 * x))


class Layer(nn.Module):
    """Attention and MLP, each on the normalised residual stream."""

    def __init__(self, shape: LayerSizes) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.self_attn = _Attention(shape)
        self.layer_norm2 = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.mlp = _Mlp(shape)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """Return the tokens after the layer, (batch, tokens, width).

        Args:
            x: tokens, (batch, tokens, width).
            mask: which keys may be seen, broadcastable to (batch, heads, tokens, tokens).
            causal: whether a token sees only itself and those before it.
        """
        x = x + self.self_attn(self.layer_norm1(x), mask, causal)
        return x + self.mlp(self.layer_norm2(x))


class _Embeddings(nn.Module):
    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        grid = shape.input_px // shape.patch_px
        self.class_embedding = nn.Parameter(torch.zeros(shape.width))
        self.patch_embedding = nn.Conv2d(
            3, shape.width, shape.patch_px, stride=shape.patch_px, bias=False
        )
        self.position_embedding = nn.Embedding(grid * grid + 1, shape.width)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embedding(images)
        rows, columns = patches.shape[-2:]
        first = self.class_embedding.expand(len(images), 1, -1)
        tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], dim=1)
        return tokens + resize_positions(self.position_embedding.weight[None], rows, columns)


class Layers(nn.Module):
    """A stack of layers under the name that files give it."""

    def __init__(self, shape: LayerSizes, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(shape) for _ in range(depth))


class _VisionModel(nn.Module):
    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        self.embeddings = _Embeddings(shape)
        self.pre_layrnorm = nn.LayerNorm(shape.width, eps=shape.epsilon)  # spelt so in the files
        self.encoder = Layers(shape, shape.depth)
        self.post_layernorm = nn.LayerNorm(shape.width, eps=shape.epsilon)


class ClipTower(TokenNetwork):
    """The image half of CLIP."""

    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        self.shape, self.depth, self.patch_px = shape, shape.depth, shape.patch_px
        self.vision_model = _VisionModel(shape)
        self.visual_projection = nn.Linear(shape.width, shape.projected, bias=False)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], blocks: Sequence[int] = ()
    ) -> TokenOutput:
        """Return patch tokens after the blocks counted from 1, class token and its projection.

        Args:
            images: normalised; height and width multiples of `shape.patch_px`.
            blocks: after which blocks to keep the tokens, 1 to depth.
        """
        x = self.vision_model.pre_layrnorm(self.vision_model.embeddings(images))
        kept: list[Tensor] = []
        for number, layer in enumerate(self.vision_model.encoder.layers, start=1):
            x = layer(x)
            if number in blocks:
                kept.append(x[:, 1:])
        class_token = self.vision_model.post_layernorm(x[:, 0])
        return TokenOutput(kept, class_token, self.visual_projection(class_token))

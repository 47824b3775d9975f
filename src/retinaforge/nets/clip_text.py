"""CLIP's text tower in the key layout of Hugging Face (`CLIPTextModelWithProjection`).

MedImageInsight's text tower is the same but sees the whole text at once, not only what is before.

References:
    Radford et al., "Learning transferable visual models from natural language supervision", ICML
    2021. Layout as in transformers (Apache-2.0).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from retinaforge.nets.clip import Activation, Layers


@dataclass(frozen=True)
class TextShape:
    """Sizes of a text tower: in tokens or channels.

    Attributes:
        vocabulary: number of known tokens.
        context: most tokens of a text.
        causal: whether a token sees only itself and those before it.
        end: id of the token that ends a text, whose place is read; None for the highest id in the
            text, as OpenAI's code reads it.
    """

    width: int
    depth: int
    heads: int
    hidden: int
    projected: int
    vocabulary: int
    context: int
    activation: Activation = "quick_gelu"
    epsilon: float = 1e-5
    causal: bool = True
    end: int | None = None


class _Embeddings(nn.Module):
    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.position_embedding = nn.Embedding(shape.context, shape.width)

    def forward(self, ids: Tensor) -> Tensor:
        return self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]


class _TextModel(nn.Module):
    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.embeddings = _Embeddings(shape)
        self.encoder = Layers(shape, shape.depth)
        self.final_layer_norm = nn.LayerNorm(shape.width, eps=shape.epsilon)


class ClipText(nn.Module):
    """The text half of CLIP."""

    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.shape = shape
        self.text_model = _TextModel(shape)
        self.text_projection = nn.Linear(shape.width, shape.projected, bias=False)

    def forward(
        self, ids: Int[Tensor, "batch tokens"], real: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch projected"]:
        """Return one vector a text, in the space shared with images, not yet of length 1.

        Args:
            ids: tokens, padded at the right; at most `shape.context` of them.
            real: False where a token only fills up.
        """
        # What only fills up stands behind the end, so a causal tower never sees it from there.
        mask = None if self.shape.causal else real[:, None, None, :]
        x = self.text_model.embeddings(ids)
        for layer in self.text_model.encoder.layers:
            x = layer(x, mask, causal=self.shape.causal)
        x = self.text_model.final_layer_norm(x)
        end = self.shape.end
        place = (ids if end is None else (ids == end).int()).argmax(dim=1)
        return self.text_projection(x[torch.arange(len(ids), device=x.device), place])

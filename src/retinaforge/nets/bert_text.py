"""Text towers around a BERT: which tokens' states are read, and how they are projected.

The BERT itself is transformers' (`encoders.bert`), handed in as a module.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class BertText(nn.Module):
    """A BERT whose states are pooled into one vector a text and projected.

    Args:
        bert: gives `hidden_states`, those of the embeddings first.
        projection: applied to the pooled vector.
        layers: whose states are averaged, counted as in `hidden_states`; None reads the first
            token of the last, as open_clip's `cls_last_hidden_state_pooler` does.
        unit: whether the pooled vector is scaled to length 1 before the projection.
    """

    def __init__(
        self,
        bert: nn.Module,
        projection: nn.Module,
        *,
        layers: Sequence[int] | None = None,
        unit: bool = False,
    ) -> None:
        super().__init__()
        self.bert, self.projection, self.layers, self.unit = bert, projection, layers, unit

    def forward(
        self, ids: Int[Tensor, "batch tokens"], real: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch projected"]:
        """Return one vector a text, not yet of length 1; what fills up is never averaged."""
        states = self.bert(
            input_ids=ids, attention_mask=real.long(), output_hidden_states=True
        ).hidden_states  # fmt: skip
        if self.layers is None:
            pooled = states[-1][:, 0]
        else:
            mean = torch.stack([states[layer] for layer in self.layers]).mean(0)
            counted = real[..., None].to(mean.dtype)
            pooled = (mean * counted).sum(1) / counted.sum(1)
        if self.unit:
            pooled = pooled / pooled.norm(dim=-1, keepdim=True)
        return self.projection(pooled)

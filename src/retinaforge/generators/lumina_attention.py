"""Attention of Lumina-Next without a mask over the picture, and the weights it starts from.

diffusers' processor masks a picture in which every token is real; the mask costs the fast kernels
and changes nothing. Rows of unequal size in one batch, for which it is there, are not made here.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class LuminaAttention:
    """A processor for diffusers' Attention: to the picture itself, or to the words."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        query_rotary_emb: Tensor | None = None,
        key_rotary_emb: Tensor | None = None,
        base_sequence_length: int | None = None,
    ) -> Tensor:
        """Return mixed values, shape (batch, tokens, heads, head width).

        Args:
            attn: the module whose weights are used.
            hidden_states: queries come from these.
            encoder_hidden_states: keys and values come from these.
            attention_mask: True where a word is one; None for the picture.
            query_rotary_emb, key_rotary_emb: rotations; None leaves as it is.
            base_sequence_length: tokens of the taught size; attention on more of them is
                sharpened by the root of log_base(tokens) (proportional attention).
        """
        q, k, v = (
            attn.to_q(hidden_states),
            attn.to_k(encoder_hidden_states),
            attn.to_v(encoder_hidden_states),
        )
        q = q if attn.norm_q is None else attn.norm_q(q)
        k = k if attn.norm_k is None else attn.norm_k(k)
        head = q.shape[-1] // attn.heads
        q, k, v = (part.unflatten(-1, (-1, head)) for part in (q, k, v))
        q, k = rotate(q, query_rotary_emb).to(v.dtype), rotate(k, key_rotary_emb).to(v.dtype)
        shared = attn.heads // k.shape[2]
        if shared > 1:
            k, v = k.repeat_interleave(shared, 2), v.repeat_interleave(shared, 2)
        scale = None if key_rotary_emb is None else attn.scale
        if scale is not None and base_sequence_length is not None:
            scale = scale * math.sqrt(math.log(q.shape[1], base_sequence_length))
        mask = None if attention_mask is None else attention_mask[:, None, None]
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        return scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale).transpose(1, 2)


def rotate(x: Tensor, rotary: Tensor | None) -> Tensor:
    """Return x (batch, tokens, heads, head) with its pairs of channels turned."""
    if rotary is None:
        return x
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotary.unsqueeze(2)).flatten(-2)


def start_weights(inner: nn.Module) -> None:
    """Give a new network the start that Lumina's authors give theirs.

    Every block begins as the identity and the velocity as 0: adaLN, the caption's vector and the
    last layer are zero; linear layers Xavier-uniform; the time's two layers N(0, 0.02).
    """
    for module in inner.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    embed = inner.time_caption_embed
    for layer in (embed.timestep_embedder.linear_1, embed.timestep_embedder.linear_2):
        nn.init.normal_(layer.weight, std=0.02)
    zero = [embed.caption_embedder[1], inner.norm_out.linear_1, inner.norm_out.linear_2]
    for layer in (*zero, *(block.norm1.linear for block in inner.layers)):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.normal_(inner.pad_token, std=0.02)

"""DINOv2's published names, brought to those of `nets.vit.VisionTransformer`.

Layouts as in facebookresearch/dinov2 (commit b8931f7), timm 1.0 and transformers 4 and 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

CHUNKED = re.compile(r"^blocks\.\d+\.(\d+\.)")
PREFIX = re.compile(r"^(dinov2|dinov2_with_registers)\.")
OF_LAYER = (
    ("attention.attention.query.", "q."), ("attention.q_proj.", "q."),
    ("attention.attention.key.", "k."), ("attention.k_proj.", "k."),
    ("attention.attention.value.", "v."), ("attention.v_proj.", "v."),
    ("attention.output.dense.", "attn.proj."), ("attention.o_proj.", "attn.proj."),
    ("layer_scale1.lambda1", "ls1.gamma"), ("layer_scale2.lambda1", "ls2.gamma"),
    ("mlp.weights_in.", "mlp.w12."), ("mlp.weights_out.", "mlp.w3."),
    ("mlp.gate_proj.", "gate."), ("mlp.up_proj.", "up."), ("mlp.down_proj.", "mlp.w3."),
)  # fmt: skip
OUTSIDE = {
    "embeddings.cls_token": "cls_token",
    "embeddings.mask_token": "mask_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.register_tokens": "register_tokens",
    "embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
    "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
    "layernorm.weight": "norm.weight",
    "layernorm.bias": "norm.bias",
}
JOINED = (("attn.qkv.", ("q.", "k.", "v.")), ("mlp.w12.", ("gate.", "up.")))
"""What Hugging Face keeps in parts, and the order of the parts."""


def unchunked(key: str) -> str:
    """Return a block's key without the chunk that DINOv2's training puts it in: blocks.1.7. is 7.

    In chunks the blocks keep their own numbers (`BlockChunk` fills up with identities).
    """
    return CHUNKED.sub(r"blocks.\1", key.removeprefix("backbone."))


def from_meta(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return Meta's (or timm's) arrays under our names."""
    found = {unchunked(key): value for key, value in weights.items()}
    if "reg_token" in found:  # timm
        found["register_tokens"] = found.pop("reg_token")
    for key in [key for key in found if _is_packed(key, found)]:  # timm's SwiGLUPacked
        stem, _, kind = key.rpartition("fc1.")
        found[f"{stem}w12.{kind}"] = found.pop(key)
        found[f"{stem}w3.{kind}"] = found.pop(f"{stem}fc2.{kind}")
    return found


def _is_packed(key: str, weights: Mapping[str, Tensor]) -> bool:
    """Return whether fc1 makes twice what fc2 takes, gate and value side by side."""
    if "mlp.fc1." not in key:
        return False
    stem = key.rpartition("fc1.")[0]
    first, second = weights.get(f"{stem}fc1.weight"), weights.get(f"{stem}fc2.weight")
    return first is not None and second is not None and len(first) == 2 * second.shape[1]


def from_hugging_face(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return transformers' arrays under our names: queries, keys and values joined."""
    renamed = {_our_name(PREFIX.sub("", key)): value for key, value in weights.items()}
    for whole, parts in JOINED:
        for key in [key for key in renamed if f".{parts[0]}" in key]:
            stem, kind = key.split(f".{parts[0]}")
            pieces = [renamed.pop(f"{stem}.{part}{kind}", None) for part in parts]
            if all(piece is not None for piece in pieces):
                renamed[f"{stem}.{whole}{kind}"] = torch.cat(pieces)
    return renamed


def _our_name(key: str) -> str:
    if not key.startswith("encoder.layer."):
        return OUTSIDE.get(key, key)
    _, _, number, rest = key.split(".", 3)
    for theirs, ours in OF_LAYER:
        if rest.startswith(theirs):
            rest = ours + rest.removeprefix(theirs)
            break
    return f"blocks.{number}.{rest}"

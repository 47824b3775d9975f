"""DINOv3's two layouts: its authors' (`blocks.0.attn`) and Hugging Face's (`layer.0.attention`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.nets.dinov3 import Dinov3Shape
from retinaforge.nets.rope import rope_periods

HEAD_WIDTH, BASE = 64, 100.0
LAYER = re.compile(r"^(?:model\.)?layer\.(\d+)\.(.+)$")
HUB_NAMES = {
    "embeddings.cls_token": "cls_token",
    "embeddings.mask_token": "mask_token",
    "embeddings.register_tokens": "storage_tokens",
    "embeddings.patch_embeddings.weight": "patch_embed.proj.weight",
    "embeddings.patch_embeddings.bias": "patch_embed.proj.bias",
}
HUB_PARTS = {
    "attention.o_proj.": "attn.proj.", "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma", "mlp.gate_proj.": "mlp.w1.",
}  # fmt: skip
PLAIN_MLP = {"mlp.up_proj.": "mlp.fc1.", "mlp.down_proj.": "mlp.fc2."}
GATED_MLP = {"mlp.up_proj.": "mlp.w2.", "mlp.down_proj.": "mlp.w3."}


def dinov3_shape(weights: Mapping[str, Tensor]) -> Dinov3Shape:
    """Infer sizes from arrays in the authors' layout.

    Raises:
        Refusal: if one of the arrays that tell them is absent.
    """
    wanted = ("patch_embed.proj.weight", "storage_tokens", "rope_embed.periods")
    gated = "blocks.0.mlp.w1.weight" in weights
    hidden = f"blocks.0.mlp.{'w1' if gated else 'fc1'}.weight"
    missing = [key for key in (*wanted, hidden) if key not in weights]
    if missing:
        raise Refusal(
            "a DINOv3 ViT of its authors or of Hugging Face",
            f"a file without {', '.join(missing)}",
            "name the encoder that fits the file; DINOv2 has pos_embed, and is another family",
        )
    patch, storage, periods = (weights[key] for key in wanted)
    return Dinov3Shape(
        width=len(patch),
        depth=1 + max(int(key.split(".")[1]) for key in weights if key.startswith("blocks.")),
        heads=len(patch) // (4 * len(periods)),
        hidden=len(weights[hidden]),
        patch_px=patch.shape[-1],
        storage=storage.shape[1],
        gated=gated,
        biased="blocks.0.attn.qkv.bias" in weights,
        own_class_norm="cls_norm.weight" in weights,
        spare_class_norm="local_cls_norm.weight" in weights,
    )


def with_masks(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Multiply biases by their masks (zero for keys), as the authors' layer does when it runs."""
    out = {key: value for key, value in weights.items() if not key.endswith("bias_mask")}
    for key in weights:
        if key.endswith("bias_mask"):
            bias = key.removesuffix("_mask")
            # What training left under the mask may be anything, also no number.
            out[bias] = torch.where(weights[key] == 0, 0.0, weights[bias])
    return out


def authors_layout(weights: Mapping[str, Tensor], said: Mapping[str, Any]) -> dict[str, Tensor]:
    """Rename Hugging Face's arrays and join its queries, keys (without bias) and values."""
    gated = any(".mlp.gate_proj." in key for key in weights)
    out: dict[str, Tensor] = {}
    for key, value in weights.items():
        if ".attention.q_proj." in key:
            out[_renamed(key.replace("attention.q_proj", "attn.qkv"), gated=gated)] = torch.cat(
                [value, _key_part(weights, key), weights[key.replace("q_proj", "v_proj")]]
            )
        elif ".attention.k_proj." not in key and ".attention.v_proj." not in key:
            out[_renamed(key, gated=gated)] = value
    width = len(out.get("patch_embed.proj.weight", torch.empty(0)))
    heads = int(said.get("num_attention_heads", max(1, width // HEAD_WIDTH)))
    periods = rope_periods(width // heads, float(said.get("rope_theta", BASE)))
    return out | {"rope_embed.periods": periods}


def _key_part(weights: Mapping[str, Tensor], key: str) -> Tensor:
    return weights.get(key.replace("q_proj", "k_proj"), torch.zeros_like(weights[key]))


def _renamed(key: str, *, gated: bool) -> str:
    if key in HUB_NAMES:
        return HUB_NAMES[key]
    found = LAYER.match(key)
    if not found:
        return key
    rest = found[2]
    for theirs, ours in (HUB_PARTS | (GATED_MLP if gated else PLAIN_MLP)).items():
        rest = rest.replace(theirs, ours)
    return f"blocks.{found[1]}.{rest}"


def is_from_hub(weights: Mapping[str, Tensor]) -> bool:
    """Return whether arrays have the names that Hugging Face gives to ViTs with registers."""
    return "embeddings.register_tokens" in weights and any(map(LAYER.match, weights))

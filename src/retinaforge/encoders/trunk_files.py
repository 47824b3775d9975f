"""Weights for a classifier's trunk from a file that the user names: torchvision's or timm's layout.

ResNets have the same names in both. A ViT of torchvision is renamed to timm's names:

    class_token, encoder.pos_embedding, conv_proj      cls_token, pos_embed, patch_embed.proj
    encoder.layers.encoder_layer_K.ln_1, .ln_2         blocks.K.norm1, .norm2
      .self_attention.in_proj_*, .out_proj             .attn.qkv, .attn.proj
      .mlp.0 / .mlp.linear_1, .mlp.3 / .mlp.linear_2   .mlp.fc1, .mlp.fc2
    encoder.ln, heads                                  norm, head

Nothing in a file is executed and nothing is fetched.

References:
    pytorch/vision torchvision/models/{resnet,vision_transformer}.py (0.28.0, BSD-3-Clause);
    huggingface/pytorch-image-models timm/models/{resnet,vision_transformer}.py (1.0.31).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint, require_arrays
from retinaforge.encoders.resnet import resnet_of
from retinaforge.encoders.vits import HEAD, MASK_TOKEN, vit_shape
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.classifier import learning
from retinaforge.nets.resnet import ResNet, ResnetShape
from retinaforge.nets.vit import VisionTransformer, VitShape

Trunk = ResNet | VisionTransformer
PARTS = (
    (r"^class_token$", "cls_token"), (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^conv_proj\.", "patch_embed.proj."), (r"^encoder\.ln\.", "norm."), (r"^heads\.", "head."),
    (r"^encoder\.layers\.encoder_layer_", "blocks."), (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(0|linear_1)\.", ".mlp.fc1."), (r"\.mlp\.(3|linear_2)\.", ".mlp.fc2."),
)  # fmt: skip
ASIDE = (
    HEAD
    | MASK_TOKEN
    | {
        "decoder": "MAE's decoder, not part of the encoder",
        "pre_logits.": "a layer before the classifier",
    }
)


def load_trunk(path: Path, shape: ResnetShape | VitShape) -> tuple[Trunk, str]:
    """Return a trunk of a shape with a file's arrays, and how its keys met the network's.

    Args:
        path: .safetensors, a torch file (read with `weights_only=True`), .npz, or a folder.
        shape: of the network that is meant; a ViT's `input_px` may differ, its positions are
            resized.

    Raises:
        Refusal: if the file is of another layout, or of another network.
    """
    checkpoint = require_arrays(read_checkpoint(path))
    if isinstance(shape, ResnetShape):
        network, report = resnet_of(checkpoint)
        _require(network.shape == shape, shape.name, network.shape.name, path)
        return learning(network), report
    return _vit(checkpoint, shape)


def _vit(checkpoint: Checkpoint, shape: VitShape) -> tuple[VisionTransformer, str]:
    weights = checkpoint.renamed(_timm_name).weights
    found = vit_shape(weights, {"num_attention_heads": shape.heads})
    same = ("width", "depth", "patch_px", "registers", "layer_scale", "gated")
    fits = all(getattr(found, name) == getattr(shape, name) for name in same)
    _require(fits and found.hidden == 4 * found.width, words(shape), words(found), checkpoint.path)
    network = VisionTransformer(replace(found, hidden=shape.hidden))
    return network, load_keys(network, weights, ignore=ASIDE).in_words()


def _timm_name(key: str) -> str:
    for old, new in PARTS:
        key = re.sub(old, new, key)
    return key


def words(shape: VitShape) -> str:
    """Return a transformer's sizes in words."""
    return f"a ViT of width {shape.width}, {shape.depth} blocks and patches of {shape.patch_px} px"


def _require(good: bool, expected: str, got: str, path: Path) -> None:
    if not good:
        raise Refusal(
            f"weights of {expected}", f"{got} in {path}", "name the backbone that fits the file"
        )

"""Vision transformers from checkpoints: sizes from the arrays, every key accounted for, a card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders.card import Domain, EncoderCard, Modality
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import Preprocess, TokenEncoder, quarter_depths
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.vit import VisionTransformer, VitShape

HEAD_WIDTH = 64
IMAGENET_WORDS = "ImageNet mean and standard deviation"
MASK_TOKEN = {"mask_token": "stands for hidden patches, not part of the encoder"}
HEAD = {"head.": "a classification head, not part of the encoder"}


def vit_shape(weights: Mapping[str, Tensor], said: Mapping[str, Any] | None = None) -> VitShape:
    """Infer the sizes from the arrays' shapes; heads from `said`, else of 64 channels each.

    Args:
        weights: under the names of `VisionTransformer`.
        said: what a config.json says, of which "num_attention_heads" is read.

    Raises:
        Refusal: if the layout is not a ViT's as MAE, RETFound and DINOv2 publish it.
    """
    positions = weights.get("pos_embed")
    patches = weights.get("patch_embed.proj.weight")
    plain, gated = weights.get("blocks.0.mlp.fc1.weight"), weights.get("blocks.0.mlp.w3.weight")
    hidden = len(plain) if plain is not None else 0 if gated is None else gated.shape[1]
    if positions is None or patches is None or not hidden:
        raise Refusal(
            "pos_embed, patch_embed.proj.weight and blocks.0.mlp.fc1.weight",
            f"keys such as {', '.join(sorted(weights)[:4])}",
            "name a ViT checkpoint in the layout of MAE, RETFound or DINOv2",
        )
    depth = 1 + max(int(key.split(".")[1]) for key in weights if key.startswith("blocks."))
    width, patch, places = positions.shape[-1], patches.shape[-1], positions.shape[1]
    side = math.isqrt(places)
    registers = weights.get("register_tokens")
    return VitShape(
        width=width,
        depth=depth,
        heads=int((said or {}).get("num_attention_heads", max(1, width // HEAD_WIDTH))),
        patch_px=patch,
        input_px=side * patch,
        hidden=hidden,
        final_norm="fc_norm" if "fc_norm.weight" in weights else "norm",
        registers=0 if registers is None else registers.shape[1],
        layer_scale="blocks.0.ls1.gamma" in weights,
        gated=gated is not None,
        class_position=side * side != places,
    )


def load_vit(
    checkpoint: Checkpoint,
    weights: Mapping[str, Tensor],
    shape: VitShape,
    *,
    ignore: Mapping[str, str],
    preprocess: Preprocess,
    normalised: str,
    name: str,
    licence: str,
    training_data: str,
    reference: str,
    domain: Domain = "retina",
    modality: Modality = "colour fundus",
    training_sets: tuple[str, ...] = (),
    certainty: str = "",
    input_px: int | None = None,
) -> TokenEncoder:
    """Return the frozen transformer with its card.

    Args:
        checkpoint: the file.
        weights: its arrays under the names of `VisionTransformer`.
        shape: sizes, resizing of positions and pooling.
        ignore: prefixes of what may be left aside, with the words that say why.
        preprocess: normalisation and filter of the resize.
        normalised: the same in words, and what published code does besides.
        input_px: side that images are resized to; None for the one that the positions are for.
        name, licence, ..., certainty: for the card.

    Raises:
        Refusal: if a key is missing, unknown or of another shape.
    """
    network = blank(shape)
    report = load_keys(network, weights, ignore=ignore)
    side = input_px or shape.input_px
    card = EncoderCard(
        name=name,
        network=in_words(shape),
        licence=licence,
        fingerprint_sha256=checkpoint.sha256,
        training_data=training_data,
        domain=domain,
        preprocessing=f"antialiased {preprocess.resampling} resize of the whole image to {side} px "
        f"(or the asked px), {normalised}",
        key_report=report.in_words(),
        reference=reference,
        modality=modality,
        input_px=side,
        training_sets=training_sets,
        certainty=certainty,
    )
    blocks = quarter_depths(shape.depth)
    return TokenEncoder(card, network, preprocess=preprocess, blocks=blocks, input_px=side)


def blank(shape: VitShape) -> VisionTransformer:
    """Return the network without starting weights, which would be overwritten: 2 s for ViT-L."""
    device = torch.get_default_device()
    with torch.device("meta"):
        network = VisionTransformer(shape)
    return network.to_empty(device=device)


def in_words(shape: VitShape) -> str:
    """Return the architecture in words."""
    parts = [f"ViT, width {shape.width}, {shape.depth} blocks, {shape.heads} heads, "
             f"patches of {shape.patch_px} px"]  # fmt: skip
    parts += [f"{shape.registers} registers"] * bool(shape.registers)
    parts += ["layer scale"] * shape.layer_scale + ["SwiGLU"] * shape.gated
    pooled = {
        "class": "class token through the last norm",
        "normed mean": "mean of the patches through fc_norm",
        "plain mean": "mean of the patches through a norm without weights",
        "mean of normed": "mean of the patches after the last norm",
        "last classes": "class tokens of the last four blocks, each through the last norm",
    }
    return f"{', '.join(parts)}; embedding: {pooled[shape.pools]}"

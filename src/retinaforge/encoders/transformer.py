"""Encoders from vision transformers: RETFound's published layout from a file, or random weights."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import TokenEncoder, imagenet, quarter_depths
from retinaforge.encoders.family import Family
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.vit import VisionTransformer, VitShape, initialise

HEAD_WIDTH = 64
LEFT_ASIDE = {
    "decoder_": "MAE's decoder, not part of the encoder",
    "mask_token": "MAE's mask token, not part of the encoder",
    "head.": "a classification head, not part of the encoder",
}
RANDOM_SHAPES = {
    "tiny": VitShape(width=192, depth=12, heads=3),
    "small": VitShape(width=384, depth=12, heads=6),
}


def vit_shape(weights: Mapping[str, Tensor]) -> VitShape:
    """Infer width, depth, patch, grid and last norm from the arrays' shapes (heads of 64).

    Raises:
        Refusal: if the layout is not a ViT's as MAE and RETFound publish it.
    """
    positions = weights.get("pos_embed")
    patches = weights.get("patch_embed.proj.weight")
    hidden = weights.get("blocks.0.mlp.fc1.weight")
    if positions is None or patches is None or hidden is None:
        raise Refusal(
            "pos_embed, patch_embed.proj.weight and blocks.0.mlp.fc1.weight",
            f"keys such as {', '.join(sorted(weights)[:4])}",
            "name a ViT checkpoint in RETFound's layout",
        )
    depth = 1 + max(int(key.split(".")[1]) for key in weights if key.startswith("blocks."))
    width, patch = positions.shape[-1], patches.shape[-1]
    return VitShape(
        width=width,
        depth=depth,
        heads=max(1, width // HEAD_WIDTH),
        patch_px=patch,
        input_px=math.isqrt(positions.shape[1] - 1) * patch,
        hidden=hidden.shape[0],
        final_norm="fc_norm" if "fc_norm.weight" in weights else "norm",
    )


def load_retfound(checkpoint: Checkpoint) -> TokenEncoder:
    """Load any ViT in RETFound's published layout; the file is taken at its word."""
    weights = checkpoint.weights
    network = VisionTransformer(vit_shape(weights))
    report = load_keys(network, weights, ignore=LEFT_ASIDE)
    card = EncoderCard(
        name="retfound",
        network=_in_words(network.shape),
        licence="CC BY-NC 4.0 (RETFound's published weights)",
        fingerprint_sha256=checkpoint.sha256,
        training_data="1.6 million retinal images (MEH-MIDAS and public sets, among them EyePACS)",
        domain="retina",
        preprocessing=_preprocessing(network.shape),
        key_report=report.in_words(),
        reference="Zhou et al., Nature 622, 2023",
    )
    return _encoder(card, network)


def _is_retfound(checkpoint: Checkpoint) -> bool:
    keys = checkpoint.weights.keys()
    layer_scale = "blocks.0.ls1.gamma" in keys or "blocks.0.gamma_1" in keys
    asked = {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.mlp.fc1.weight"}
    return asked <= keys and not layer_scale


RETFOUND = Family(
    name="retfound",
    about="ViT-L/16 trained as a masked autoencoder on retinal images",
    licence="CC BY-NC 4.0",
    modality="colour fundus",
    training_sets=(),
    reference="Zhou et al., Nature 622, 2023",
    layout_source="rmaphoh/RETFound_MAE, models_vit.py",
    confirmed="not confirmed: no package on PyPI holds it yet tested",
    recognises=_is_retfound,
    load=load_retfound,
)


def random_vit(size: str, seed: int) -> TokenEncoder:
    """Return a ViT of random weights, the control for "any features": equal for equal seeds."""
    network = initialise(VisionTransformer(RANDOM_SHAPES[size]), seed)
    name = f"random-vit-{size}@{seed}"
    card = EncoderCard(
        name=name,
        network=_in_words(network.shape),
        licence="none needed: made from the seed",
        fingerprint_sha256=hashlib.sha256(name.encode()).hexdigest(),
        training_data="none",
        domain="none (random)",
        preprocessing=_preprocessing(network.shape),
        key_report="no file",
        reference="initialised as in He et al., CVPR 2022, appendix A.1",
    )
    return _encoder(card, network)


def _encoder(card: EncoderCard, network: VisionTransformer) -> TokenEncoder:
    shape = network.shape
    blocks = quarter_depths(shape.depth)
    return TokenEncoder(
        card, network, preprocess=imagenet(), blocks=blocks, input_px=shape.input_px
    )


def _in_words(shape: VitShape) -> str:
    return (
        f"ViT, width {shape.width}, {shape.depth} blocks, {shape.heads} heads, "
        f"patches of {shape.patch_px} px"
    )


def _preprocessing(shape: VitShape) -> str:
    return (
        f"antialiased bilinear resize to {shape.input_px} px (or the asked px), "
        "ImageNet mean and standard deviation"
    )

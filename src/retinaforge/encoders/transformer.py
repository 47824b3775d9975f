"""Vision transformers of random weights, the control for "any features"."""

from __future__ import annotations

import hashlib

from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.encoder import TokenEncoder, imagenet, quarter_depths
from retinaforge.nets.vit import VisionTransformer, VitShape, initialise

RANDOM_SHAPES = {
    "tiny": VitShape(width=192, depth=12, heads=3),
    "small": VitShape(width=384, depth=12, heads=6),
}


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
        modality="none",
        input_px=network.shape.input_px,
        certainty="nothing to confirm: the weights are random",
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

"""DINOv3 from files of its authors or of Hugging Face."""

from __future__ import annotations

from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.dinov3_layout import (
    authors_layout,
    dinov3_shape,
    is_from_hub,
    with_masks,
)
from retinaforge.encoders.encoder import (
    Preprocess,
    TokenEncoder,
    imagenet,
    quarter_depths,
    standardise,
)
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.dinov3 import Dinov3, Dinov3Shape

INPUT_PX = 256
LICENCE = "DINOv3 License (Meta, 19 August 2025)"
SATELLITE = "sat493m"
SATELLITE_MEAN, SATELLITE_STD = (0.430, 0.411, 0.296), (0.213, 0.156, 0.143)
LEFT_ASIDE = {"mask_token": "stood for hidden patches in training"}


def load_dinov3(checkpoint: Checkpoint) -> TokenEncoder:
    """Load any DINOv3 ViT; sizes come from the arrays.

    Raises:
        Refusal: if the file has another layout.
    """
    said = checkpoint.said.get("config", {})
    hub = is_from_hub(checkpoint.weights)
    weights = authors_layout(checkpoint.weights, said) if hub else with_masks(checkpoint.weights)
    shape = dinov3_shape(weights)
    network = Dinov3(shape)
    report = load_keys(network, weights, ignore=LEFT_ASIDE)
    card = EncoderCard(
        name=f"dinov3 ViT, width {shape.width}, {shape.depth} blocks",
        network=_in_words(shape, hub=hub),
        licence=LICENCE,
        fingerprint_sha256=checkpoint.sha256,
        training_data=f"{_trained_on(checkpoint)}; the file is taken at its word",
        domain="natural images",
        preprocessing=f"antialiased bilinear resize to {INPUT_PX} px, "
        f"{'its' if _satellite(checkpoint) else 'ImageNet'} mean and standard deviation",
        key_report=report.in_words(),
        reference=DINOV3.reference,
        family="dinov3",
        training_sets=("sat_493m",) if _satellite(checkpoint) else (),
    )
    return TokenEncoder(
        card, network, preprocess=_preprocess(checkpoint), blocks=quarter_depths(shape.depth),
        input_px=INPUT_PX,
    )  # fmt: skip


def _recognises(checkpoint: Checkpoint) -> bool:
    authors = {"storage_tokens", "blocks.0.attn.qkv.weight"} <= checkpoint.weights.keys()
    scaled = any(key.endswith("layer_scale1.lambda1") for key in checkpoint.weights)
    rotary = not any("position" in key for key in checkpoint.weights)
    return authors or (is_from_hub(checkpoint.weights) and scaled and rotary)


def _satellite(checkpoint: Checkpoint) -> bool:
    return SATELLITE in checkpoint.path.name.lower()


def _preprocess(checkpoint: Checkpoint) -> Preprocess:
    return standardise(SATELLITE_MEAN, SATELLITE_STD) if _satellite(checkpoint) else imagenet()


def _trained_on(checkpoint: Checkpoint) -> str:
    if _satellite(checkpoint):
        return "SAT-493M, satellite images, by the file's name"
    return "LVD-1689M, web images chosen by their authors and public sets, ImageNet among them"


def _in_words(shape: Dinov3Shape, *, hub: bool) -> str:
    return (
        f"ViT with rotary positions, width {shape.width}, {shape.depth} blocks, {shape.heads} "
        f"heads, {'SwiGLU' if shape.gated else 'GELU'}, {shape.storage} storage tokens, patches of "
        f"{shape.patch_px} px; {'Hugging Face' if hub else 'authors'}'s layout"
    )


def _published(size: str, digits: str) -> PublishedFile:
    return PublishedFile(
        name=f"dinov3-{size}",
        where=f"https://dl.fbaipublicfiles.com/dinov3/dinov3_{size}/"
        f"dinov3_{size}_pretrain_lvd1689m-{digits}.pth",
        licence=LICENCE,
        gate="a form at ai.meta.com/resources/models-and-libraries/dinov3-downloads, which sends "
        "signed addresses by mail",
        sha256=digits,
        modality="natural",
        source="facebookresearch/dinov3, dinov3/hub/backbones.py, commit 6876159",
    )


def _on_the_hub(size: str) -> PublishedFile:
    return PublishedFile(
        name=f"dinov3-{size}-hf",
        where=f"hf:facebook/dinov3-{size}-pretrain-lvd1689m/model.safetensors",
        licence=LICENCE,
        gate="a form on the hub",
        sha256="",
        modality="natural",
        source="facebookresearch/dinov3, README.md, commit 6876159",
    )


DINOV3 = Family(
    name="dinov3",
    about="DINOv3 ViT-S to 7B of natural images, rotary positions, 4 storage tokens",
    licence=LICENCE,
    modality="natural",
    training_sets=("lvd_1689m", "imagenet"),
    reference="Siméoni et al., arXiv 2508.10104",
    layout_source="facebookresearch/dinov3, dinov3/models/vision_transformer.py and "
    "dinov3/hub/backbones.py, commit 6876159; transformers 5, models/dinov3_vit",
    input_px=INPUT_PX,
    confirmed="transformers' DINOv3ViTModel, to 1e-4 on random weights",
    recognises=_recognises,
    load=load_dinov3,
    files=(
        _on_the_hub("vits16"),
        _on_the_hub("vitb16"),
        _on_the_hub("vitl16"),
        _published("vits16", "08c60483"),
        _published("vitb16", "73cec8be"),
        _published("vitl16", "8aa4cbdd"),
    ),
)

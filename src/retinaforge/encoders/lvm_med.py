"""LVM-Med, trained on 1.3 million medical images of 55 sets: its ResNet-50 and its ViT-B.

The ViT is SAM's image encoder without absolute positions. Its authors classify with the mean of
the last block's patches, before SAM's neck, at 224 px; that mean is the embedding here.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import Encoder, TokenEncoder, imagenet, quarter_depths
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.resnet import is_lvm_med, map_encoder, resnet_of
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.resnet import resnet_shape
from retinaforge.nets.sam_vit import SamShape, SamVit

INPUT_PX = 224
LICENCE = "CC BY-NC-ND 2.0, academic research only (its README)"
TRAINING_DATA = (
    "1.3 million images of 55 medical sets, of eyes APTOS 2019, EyePACS and OCT of Heidelberg's "
    "camera among them; its README warns that sets without a split of their own were used to about "
    "20 %, and lists these files: do not test on them"
)
TO_NETWORK = (
    f"antialiased bilinear resize to {INPUT_PX} px, ImageNet mean and standard deviation, as its "
    "classification code has them (for diabetic retinopathy it also crops 480 px)"
)


def load_lvm_med(checkpoint: Checkpoint) -> Encoder:
    """Load LVM-Med's ResNet-50 or ViT-B; the arrays tell which.

    Raises:
        Refusal: if the file is neither.
    """
    if resnet_shape(checkpoint.weights) is not None:
        network, report = resnet_of(checkpoint)
        card = _card(checkpoint, "resnet-50", f"{network.shape.name}, torchvision's layout", report)
        return map_encoder(card, network, imagenet())
    return _load_vit(checkpoint)


def _load_vit(checkpoint: Checkpoint) -> TokenEncoder:
    shape = sam_shape(checkpoint.weights)
    if shape is None or shape.positions:
        raise Refusal(
            "LVM-Med's ResNet-50 (torchvision's layout) or ViT-B (SAM's image encoder without "
            "pos_embed)",
            f"keys such as {', '.join(sorted(checkpoint.weights)[:3]) or 'none'}",
            "name lvmmed_resnet.torch or lvmmed_vit.pth",
        )
    network = SamVit(shape)
    report = load_keys(network, checkpoint.weights, ignore={})
    words = (
        f"ViT in SAM's layout, width {shape.width}, {network.depth} blocks, windows of "
        f"{max(shape.windows)} patches, relative positions of {shape.grid} x {shape.grid} patches "
        "interpolated to the image's; the neck is loaded and not used"
    )
    card = _card(checkpoint, "vit", words, report.in_words())
    return TokenEncoder(
        card, network, preprocess=imagenet(), blocks=quarter_depths(network.depth),
        input_px=INPUT_PX,
    )  # fmt: skip


def sam_shape(weights: Mapping[str, Tensor]) -> SamShape | None:
    """Infer the sizes of SAM's image encoder from its arrays; None for another layout.

    Tables of distances tell a block's reach: the longest are those of the whole image.
    """
    tables = [key for key in weights if key.endswith(".attn.rel_pos_h")]
    patch, hidden = weights.get("patch_embed.proj.weight"), weights.get("blocks.0.mlp.lin1.weight")
    neck = weights.get("neck.0.weight")
    if not tables or patch is None or hidden is None or neck is None:
        return None
    sides = {int(key.split(".")[1]): (len(weights[key]) + 1) // 2 for key in tables}
    grid = max(sides.values())
    return SamShape(
        width=len(patch),
        heads=len(patch) // weights[tables[0]].shape[1],
        hidden=len(hidden),
        windows=tuple(0 if sides[n] == grid else sides[n] for n in sorted(sides)),
        grid=grid,
        patch_px=patch.shape[-1],
        positions="pos_embed" in weights,
        neck=len(neck),
        pooled="patches",
    )


def _card(checkpoint: Checkpoint, name: str, network: str, report: str) -> EncoderCard:
    return EncoderCard(
        name=f"lvm-med {name}",
        network=network,
        licence=LICENCE,
        fingerprint_sha256=checkpoint.sha256,
        training_data=TRAINING_DATA,
        domain="medical images",
        preprocessing=TO_NETWORK,
        key_report=report,
        reference=LVM_MED.reference,
        family="lvm-med",
        modality=LVM_MED.modality,
    )


def _recognises(checkpoint: Checkpoint) -> bool:
    weights = checkpoint.weights
    if "blocks.0.attn.rel_pos_h" in weights:
        return "pos_embed" not in weights and "neck.0.weight" in weights
    # Its ResNet has torchvision's keys: the name alone tells it from ImageNet's.
    return is_lvm_med(checkpoint) and resnet_shape(weights) is not None


def _published(name: str, number: str) -> PublishedFile:
    return PublishedFile(
        name=name,
        where=f"https://drive.google.com/file/d/{number}/view",
        licence=LICENCE,
        gate="Google Drive: open the address in a browser and download there",
        sha256="",
        modality="several medical",
        source="duyhominhnguyen/LVM-Med, README.md, commit ad6f68b",
    )


LVM_MED = Family(
    name="lvm-med",
    about="ResNet-50 and ViT-B (SAM's layout) of 1.3 million medical images",
    licence=LICENCE,
    modality="several medical",
    training_sets=("aptos2019", "eyepacs", "kermany_oct"),
    reference="Nguyen et al., LVM-Med, NeurIPS 2023",
    layout_source="duyhominhnguyen/LVM-Med, segment_anything/our_vit.py, model/"
    "unet_vit_classification.py and segmentation_models_pytorch_example/encoders/resnet.py, which "
    "load both files strictly, commit ad6f68b",
    input_px=INPUT_PX,
    confirmed="its authors' code (ViT, also transformers' SamVisionModel) and torchvision 0.28.0 "
    "(ResNet), to 1e-4 on random weights",
    recognises=_recognises,
    load=load_lvm_med,
    files=(
        _published("lvm-med-resnet50", "1p31IGo97g3ng9bOaq3eL8JaljfoCcBx0"),
        _published("lvm-med-vit", "1DOM3uyK8SGE5XRF1L6K6K_BWPfpPePRD"),
    ),
)

"""OCTCube, a ViT of OCT volumes, used with single slices; MAE-ST's layout, which it extends."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import TokenEncoder, quarter_depths
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.preprocess import Preprocess, imagenet
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.vit3d import Vit3d, Vit3dShape

HEAD_WIDTH = 64
LICENCE = "BSD-2-Clause (its repository; the weights name no other)"
LEFT_ASIDE = {
    "decoder_": "the decoder of its training",
    "mask_token": "stood for hidden patches in training",
    "head.": "a classification head, not part of the encoder",
}
FLASH = re.compile(r"^blocks\.\d+\.mixer\.")
APART = re.compile(r"^(blocks\.\d+\.attn)\.([qkv])\.(weight|bias)$")
WANTED = ("pos_embed_spatial", "pos_embed_temporal", "pos_embed_class", "blocks.0.mlp.fc1.weight")


def load_octcube(checkpoint: Checkpoint) -> TokenEncoder:
    """Load OCTCube as trained or fine-tuned, or another encoder of MAE-ST's layout.

    Raises:
        Refusal: if the file has another layout.
    """
    flash = any(map(FLASH.match, checkpoint.weights))
    weights = joined(checkpoint.weights)
    shape = vit3d_shape(checkpoint.weights, flash=flash)
    network = Vit3d(shape)
    report = load_keys(network, weights, ignore=LEFT_ASIDE)
    side = shape.grid * shape.patch_px
    card = EncoderCard(
        name=f"octcube ViT, width {shape.width}, {shape.depth} blocks",
        network=_in_words(shape),
        licence=LICENCE,
        fingerprint_sha256=checkpoint.sha256,
        training_data="26,685 OCT volumes (1.62 million slices), not published, and single OCT "
        "slices of Kermany et al.; the file is taken at its word",
        domain="retina",
        preprocessing=_preprocessing(shape, side),
        key_report=report.in_words(),
        reference=OCTCUBE.reference,
        family="octcube",
        modality="OCT",
    )
    to_network = imagenet("bicubic") if shape.pictures else Preprocess([0.5] * 3, [0.5] * 3)
    return TokenEncoder(
        card, network, preprocess=to_network, blocks=quarter_depths(shape.depth), input_px=side
    )


def vit3d_shape(weights: Mapping[str, Tensor], *, flash: bool) -> Vit3dShape:
    """Infer sizes from arrays (heads of 64 channels).

    Raises:
        Refusal: if places in the picture and along the depth are not embedded apart.
    """
    missing = [key for key in WANTED if key not in weights]
    patch = weights.get("patch_embed.proj.weight", torch.empty(0))
    if missing or patch.ndim != 5:
        raise Refusal(
            "a ViT of volumes with pos_embed_spatial and pos_embed_temporal and patches of "
            "width x channels x slices x side x side",
            f"a file without {', '.join(missing)}"
            if missing
            else f"patches of {patch.ndim - 2} dimensions",
            "name OCTCube.pth, or the encoder that fits the file",
        )
    width, channels, slices, side, _ = patch.shape
    blocks = {int(key.split(".")[1]) for key in weights if key.startswith("blocks.")}
    return Vit3dShape(
        width=width,
        depth=1 + max(blocks),
        heads=max(1, width // HEAD_WIDTH),
        hidden=len(weights["blocks.0.mlp.fc1.weight"]),
        patch_px=side,
        slices=slices,
        channels=channels,
        grid=math.isqrt(weights["pos_embed_spatial"].shape[1]),
        depths=weights["pos_embed_temporal"].shape[1],
        pictures="high_res_patch_embed.proj.weight" in weights,
        last_mlp_alone=flash,
    )


def joined(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return arrays as `Vit3d` has them, from either layout of the blocks.

    Queries, keys and values are one; a patch's slices are channels, as for one slice they may be.
    """
    out: dict[str, Tensor] = {}
    for key, value in weights.items():
        if key.endswith("patch_embed.proj.weight") and value.ndim == 5:
            out[key] = value.flatten(1, 2)
            continue
        apart = APART.match(key)
        if not apart:
            renamed = key.replace(".mixer.Wqkv.", ".attn.qkv.")
            out[renamed.replace(".mixer.out_proj.", ".attn.proj.")] = value
        elif apart[2] == "q":
            three = [weights.get(f"{apart[1]}.{part}.{apart[3]}") for part in "qkv"]
            found = [part for part in three if part is not None]
            out[f"{apart[1]}.qkv.{apart[3]}"] = torch.cat(found)
    return out


def _in_words(shape: Vit3dShape) -> str:
    said = (
        f"ViT of volumes, width {shape.width}, {shape.depth} blocks, {shape.heads} heads, patches "
        f"of {shape.slices} slices x {shape.patch_px} px; one slice makes one patch of depth"
    )
    where = (
        ", embedded by the layer for single pictures, without a place along the depth"
        if shape.pictures
        else f", in the middle of {shape.depths} places along the depth"
    )
    last = "; after the last block its MLP's output alone goes on, as its code has it"
    return said + where + (last if shape.last_mlp_alone else "")


def _preprocessing(shape: Vit3dShape, side: int) -> str:
    if shape.pictures:
        return (
            f"antialiased bicubic resize to {side} px, ImageNet mean and standard deviation; red, "
            "green and blue are three slices, as its training takes single pictures"
        )
    return f"antialiased bilinear resize to {side} px, values in [0, 1], repeated as slices"


def _recognises(checkpoint: Checkpoint) -> bool:
    patch = checkpoint.weights.get("patch_embed.proj.weight")
    apart = {"pos_embed_spatial", "pos_embed_temporal"} <= checkpoint.weights.keys()
    return apart and patch is not None and patch.ndim == 5


OCTCUBE = Family(
    name="octcube",
    about="ViT-L of OCT volumes with single slices (OCTCube; MAE-ST's layout)",
    licence=LICENCE,
    modality="OCT",
    training_sets=("kermany_oct",),
    reference="Liu et al., OCTCube-M, arXiv 2408.11227",
    layout_source="ZucksLiu/OCTCubeM, Pre-training/models_mae_joint_res_flash_attn.py, OCTCube/"
    "models_vit_st_flash_attn.py and models_vit_st.py, commit a49ed8b; Dao-AILab/flash-attention, "
    "flash_attn/modules/block.py, commit 3889ba1",
    confirmed="its authors' code, with flash-attn's blocks (for GPUs alone) in plain PyTorch, to "
    "1e-4 on random weights; not confirmed: which of its layouts the published file has",
    recognises=_recognises,
    load=load_octcube,
    files=(
        PublishedFile(
            name="octcube",
            where="https://drive.google.com/file/d/1NLodgy0UGeBHAj0DzFMFmsAtVGq9NHUo/view",
            licence=LICENCE,
            gate="Google Drive: open the address in a browser and download there (also at "
            "huggingface.co/zucksliu/OCTCubeM)",
            sha256="",
            modality="OCT",
            source="ZucksLiu/OCTCubeM, README.md, commit a49ed8b",
        ),
    ),
)

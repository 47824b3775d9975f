"""DINOv2 with and without registers, S to g, in Meta's layout and in that of Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.dinov2_layout import from_hugging_face, from_meta
from retinaforge.encoders.encoder import TokenEncoder, imagenet
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.provenance import identity
from retinaforge.encoders.vit_marks import (
    is_dinov2_teacher,
    is_facebook_dinov2,
    is_hugging_face_dinov2,
    require,
)
from retinaforge.encoders.vits import HEAD, IMAGENET_WORDS, MASK_TOKEN, load_vit, vit_shape
from retinaforge.nets.positions import Resizing

LICENCE = "Apache-2.0"
CELLS = 16  # of a side at 224 px, for which Meta publishes its figures
LEFT_ASIDE = {
    "dino_head.": "DINO's head, not part of the encoder",
    "ibot_head.": "iBOT's head, not part of the encoder",
    "classifier.": "a classification head, not part of the encoder",
    **MASK_TOKEN,
    **HEAD,
}


def load_dinov2(checkpoint: Checkpoint) -> TokenEncoder:
    """Load a backbone of DINOv2 (Meta's file, a training checkpoint's teacher, or Hugging Face's).

    Positions are fitted to another grid as the code that belongs to the layout does it.

    Raises:
        Refusal: with what the file seems to be, where it bears another family's marks.
    """
    marks = (is_facebook_dinov2, is_hugging_face_dinov2, is_dinov2_teacher)
    require(checkpoint, "dinov2", "DINOv2 in Meta's or Hugging Face's layout", *marks)
    weights, positions = _read(checkpoint)
    config = checkpoint.said.get("config", {})
    shape = replace(vit_shape(weights, config), positions=positions)
    return load_vit(
        checkpoint, weights, shape, ignore=LEFT_ASIDE, preprocess=imagenet("bicubic"),
        normalised=f"{IMAGENET_WORDS}; published code evaluates the central 224 of 256 px",
        name="dinov2" + " with registers" * bool(shape.registers), licence=LICENCE,
        reference=DINOV2.reference, domain="natural images", modality="natural",
        training_data="LVD-142M, natural images of the web, curated; what public retinal images "
        "it holds is not known",
        training_sets=DINOV2.training_sets,
        certainty=f"{DINOV2.confirmed}; {identity(checkpoint, DINOV2.files)}",
        input_px=min(shape.input_px, CELLS * shape.patch_px),
    )  # fmt: skip


def _read(checkpoint: Checkpoint) -> tuple[Mapping[str, Tensor], Resizing]:
    """Return the arrays under our names, and how their code fits positions to another grid."""
    if is_hugging_face_dinov2(checkpoint):
        weights = from_hugging_face(checkpoint.weights)
        return weights, "antialiased" if "register_tokens" in weights else "plain"
    weights = from_meta(checkpoint.weights)
    return weights, "antialiased" if "register_tokens" in weights else "offset"


def _published(size: str, registers: str) -> PublishedFile:
    file = f"dinov2_vit{size}14{registers}_pretrain.pth"
    return PublishedFile(
        name=f"dinov2-{size}{'-registers' * bool(registers)}",
        where=f"https://dl.fbaipublicfiles.com/dinov2/dinov2_vit{size}14/{file}",
        licence=LICENCE,
        gate="none",
        sha256="",
        modality="natural",
        source="facebookresearch/dinov2, README.md and hubconf.py, commit b8931f7",
    )


DINOV2 = Family(
    name="dinov2",
    about="DINOv2, ViT-S, B, L or g with patches of 14 px, with four registers or none",
    licence=LICENCE,
    modality="natural",
    training_sets=("lvd_142m", "imagenet21k"),
    reference="Oquab et al., TMLR 2024; with registers Darcet et al., ICLR 2024",
    layout_source="facebookresearch/dinov2, dinov2/models/vision_transformer.py, layers/ and "
    "hub/backbones.py, commit b8931f7; transformers 5.23, models/dinov2 and "
    "dinov2_with_registers, and the names of its version 4",
    input_px=224,
    confirmed="values of transformers 5.23's Dinov2Model and Dinov2WithRegistersModel and of timm "
    "1.0.31 (SwiGLU too), narrow and shallow, to 1e-4 (tested); "
    "beside Meta's own class, run once, without a difference",
    recognises=lambda found: (
        is_facebook_dinov2(found)
        or is_hugging_face_dinov2(found)
        or (is_dinov2_teacher(found) and "retfound" not in found.path.name.lower())
    ),
    load=load_dinov2,
    files=tuple(_published(size, reg) for size in "sblg" for reg in ("", "_reg4")),
)

"""RETFound: masked autoencoders and DINOv2 teachers trained on retinal images.

Two ways of turning a pretrained file into a vector are published: fine-tuning code takes the mean
of the patches through a norm that is trained (fc_norm), the feature notebook the same with that
norm untrained (here pool=mean). Without either, MAE's class token through its own norm is taken.
"""

from __future__ import annotations

from dataclasses import replace

from retinaforge.core import Refusal
from retinaforge.encoders.card import Modality
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.dinov2_layout import from_meta
from retinaforge.encoders.encoder import TokenEncoder, imagenet
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.provenance import Seen, identity, kind_seen
from retinaforge.encoders.vit_marks import (
    is_dinov2_teacher,
    is_retfound,
    is_tuned_dinov2,
    require,
)
from retinaforge.encoders.vits import HEAD, IMAGENET_WORDS, MASK_TOKEN, load_vit, vit_shape
from retinaforge.nets.vit_blocks import Pooling, VitShape

LICENCE = "CC BY-NC 4.0 (RETFound's published weights)"
REFERENCE = "Zhou et al., Nature 622, 2023"
DINOV2_REFERENCE = "Zhou et al., Research Square rs-6080254, 2025; Oquab et al., TMLR 2024 (DINOv2)"
SOURCE = "rmaphoh/RETFound, README.md and LICENSE, commit ae9a9ec"
MEASURED = (
    "SHA-256 measured by LIU-Rong-Tao/ophthalmic-foundation-model-benchmark, "
    "catalog/download_manifest.csv, commit a408d44; not published by the authors"
)
NORMALISED = (
    f"{IMAGENET_WORDS}; published code evaluates the central 224 of 256 px, its feature notebook "
    "standardises each image by itself"
)
DECODER = {"decoder_": "MAE's decoder, not part of the encoder", **MASK_TOKEN, **HEAD}
HEADS = {
    "dino_head.": "DINO's head, not part of the encoder",
    "ibot_head.": "iBOT's head, not part of the encoder",
    **MASK_TOKEN,
    **HEAD,
}
SETS: dict[str, tuple[str, ...]] = {"cfp": ("eyepacs",), "oct": ("kermany_oct",)}
DATA = {
    "cfp": "904,170 colour photographs: 90 % of Moorfields (MEH-MIDAS), 10 % of Kaggle EyePACS",
    "oct": "736,442 OCT scans: 85 % of Moorfields (MEH-MIDAS), 15 % of Kermany et al. 2018",
}


def load_retfound(checkpoint: Checkpoint) -> TokenEncoder:
    """Load any ViT in RETFound's published layout; the file is taken at its word.

    Raises:
        Refusal: with what the file seems to be, where it bears another family's marks; if it has
            learnt from another kind of images than modality= says.
    """
    require(checkpoint, "retfound", "a masked autoencoder in RETFound's layout", is_retfound)
    shape = vit_shape(checkpoint.weights)
    tuned = shape.final_norm == "fc_norm" or "head.weight" in checkpoint.weights
    seen = kind_seen(checkpoint, MAE_FILES)
    return load_vit(
        checkpoint, checkpoint.weights, replace(shape, pooling=mae_pooling(checkpoint, shape)),
        ignore=DECODER, preprocess=imagenet("bicubic"), normalised=NORMALISED,
        name="retfound", licence=LICENCE, reference=REFERENCE, modality=seen.modality,
        training_data=_said(DATA[seen.kind], seen, tuned=tuned), training_sets=SETS[seen.kind],
        certainty=f"{RETFOUND.confirmed}; {identity(checkpoint, MAE_FILES)}",
    )  # fmt: skip


def load_retfound_dinov2(checkpoint: Checkpoint) -> TokenEncoder:
    """Load the teacher of a DINOv2 training checkpoint, as RETFound-DINOv2 is published.

    Raises:
        Refusal: with what the file seems to be, where it bears another family's marks.
    """
    wanted = "a teacher checkpoint of DINOv2 in RETFound-DINOv2's layout"
    require(checkpoint, "retfound-dinov2", wanted, is_dinov2_teacher, is_tuned_dinov2)
    weights = from_meta(checkpoint.weights)
    shape = vit_shape(weights)
    seen = kind_seen(checkpoint, DINOV2_FILES, allowed=("cfp",))
    data = "colour photographs of Moorfields (..._meh) or of Shanghai (..._shanghai)"
    return load_vit(
        checkpoint, weights, shape, ignore=HEADS, preprocess=imagenet("bicubic"),
        normalised=NORMALISED, name="retfound-dinov2", licence=LICENCE, reference=DINOV2_REFERENCE,
        modality=seen.modality, training_data=_said(data, seen, tuned="head.weight" in weights),
        certainty=f"{RETFOUND_DINOV2.confirmed}; {identity(checkpoint, DINOV2_FILES)}",
        input_px=min(shape.input_px, 16 * shape.patch_px),
    )  # fmt: skip


def mae_pooling(checkpoint: Checkpoint, shape: VitShape) -> Pooling | None:
    """Return what pool= asks for: the class token, or the mean of the patches."""
    asked = checkpoint.options.get("pool", "")
    if asked == "mean" and shape.final_norm == "norm":
        return "plain mean"
    if asked in ("", "mean") or (asked == "class" and shape.final_norm == "norm"):
        return None
    raise Refusal(
        "pool=class or pool=mean, and pool=mean where the last norm is fc_norm",
        f"pool={asked} for {checkpoint.path} with {shape.final_norm}",
        "leave pool= out for what the file was made for",
    )


def _said(data: str, seen: Seen, *, tuned: bool) -> str:
    further = "; fine-tuned since, on what the file does not say" if tuned else ""
    return f"{data} (which kind of images: {seen.how}){further}"


def _on_the_hub(name: str, file: str, modality: Modality, sha256: str = "") -> PublishedFile:
    return PublishedFile(
        name=name,
        where=f"hf:YukunZhou/{file}/{file}.pth",
        licence="CC BY-NC 4.0",
        gate="an account of the hub, a form and the authors' consent",
        sha256=sha256,
        modality=modality,
        source=f"{SOURCE}; {MEASURED}" if sha256 else SOURCE,
    )


MAE_FILES = (
    _on_the_hub(
        "retfound-cfp", "RETFound_mae_natureCFP", "colour fundus",
        "e1e4f66a1b792eeb6e2efaf158f33be35c8255f36b3d17ed67cd5129da246485",
    ),
    _on_the_hub(
        "retfound-oct", "RETFound_mae_natureOCT", "OCT",
        "e9ff7864f40334885062953cb3894739d9fff52aaeb22c8b4f47d92270068d18",
    ),
    _on_the_hub("retfound-meh", "RETFound_mae_meh", "colour fundus"),
    _on_the_hub("retfound-shanghai", "RETFound_mae_shanghai", "colour fundus"),
)  # fmt: skip
DINOV2_FILES = (
    _on_the_hub("retfound-dinov2-meh", "RETFound_dinov2_meh", "colour fundus"),
    _on_the_hub("retfound-dinov2-shanghai", "RETFound_dinov2_shanghai", "colour fundus"),
)
RETFOUND = Family(
    name="retfound",
    about="ViT-L/16 trained as a masked autoencoder on retinal images, pretrained or fine-tuned",
    licence="CC BY-NC 4.0",
    modality="colour fundus",
    training_sets=SETS["cfp"],
    reference=REFERENCE,
    layout_source="rmaphoh/RETFound, models_vit.py and main_finetune.py, commit ae9a9ec; the "
    "decoder's keys from facebookresearch/mae, models_mae.py, as UrFound and PRETI carry it",
    input_px=224,
    confirmed="values of timm 1.0.31's VisionTransformer, whose subclass RETFound's is, to 1e-4 "
    "(tested); beside RETFound's own class, run once, to 2e-6; any masked autoencoder has this "
    "layout",
    recognises=is_retfound,
    load=load_retfound,
    files=MAE_FILES,
    options=("pool",),
)
RETFOUND_DINOV2 = Family(
    name="retfound-dinov2",
    about="ViT-L/14, the teacher of a DINOv2 training on colour photographs; 224 px",
    licence="CC BY-NC 4.0",
    modality="colour fundus",
    training_sets=(),
    reference=DINOV2_REFERENCE,
    layout_source="rmaphoh/RETFound, main_finetune.py, commit ae9a9ec; keys as its issue 46 lists "
    "them; heads and chunks from facebookresearch/dinov2, commit b8931f7",
    input_px=224,
    confirmed="values of timm 1.0.31's vit_large_patch14_dinov2, narrow and shallow, to 1e-4",
    recognises=lambda found: (
        is_tuned_dinov2(found)
        or (is_dinov2_teacher(found) and "retfound" in found.path.name.lower())
    ),
    load=load_retfound_dinov2,
    files=DINOV2_FILES,
)

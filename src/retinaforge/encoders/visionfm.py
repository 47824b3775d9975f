"""VisionFM: eight ViT-B/16 of iBOT, one for each kind of ophthalmic image.

Each kind has its own mean and standard deviation. Its decoders take the class tokens of the last
four blocks, each through the last norm, side by side.
"""

from __future__ import annotations

from dataclasses import replace

from retinaforge.encoders.card import Modality
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import TokenEncoder, standardise
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.provenance import IN_WORDS, MODALITY, identity, kind_seen
from retinaforge.encoders.vit_marks import is_visionfm, require
from retinaforge.encoders.vits import HEAD, MASK_TOKEN, load_vit, vit_shape

Triple = tuple[float, float, float]
STATISTICS: dict[str, tuple[Triple, Triple]] = {
    "cfp": (
        (0.423737496137619, 0.2609460651874542, 0.128403902053833),
        (0.29482534527778625, 0.20167365670204163, 0.13668020069599152),
    ),
    "oct": (
        (0.21091926, 0.21091926, 0.21091919), (0.17598894, 0.17598891, 0.17598893),
    ),
    "ffa": ((0.2020487, 0.20205145, 0.20201068), (0.17406046, 0.17404206, 0.17401208)),
    "slitlamp": ((0.5556667, 0.40288574, 0.38857886), (0.26516676, 0.23311588, 0.23903583)),
    "ultrasound": ((0.05989236, 0.05978666, 0.056694973), (0.154277, 0.15504874, 0.14464583)),
    "external": ((0.4936253, 0.36324808, 0.25956994), (0.32001, 0.27109432, 0.21991591)),
    "mri": ((0.17368862, 0.17368862, 0.17368862), (0.16198656, 0.16198656, 0.16198656)),
    "ubm": ((0.096110865, 0.096110865, 0.096110865), (0.20977867, 0.20977867, 0.20977867)),
}  # fmt: skip
KINDS = tuple(STATISTICS)
LICENCE = "CC BY-NC 4.0"
LEFT_ASIDE = {
    **HEAD,
    **MASK_TOKEN,
    "head.": "iBOT's head, not part of the encoder",
    "masked_embed": "stands for hidden patches, not part of the encoder",
}


def load_visionfm(checkpoint: Checkpoint) -> TokenEncoder:
    """Load the teacher of one of VisionFM's eight files.

    Raises:
        Refusal: with what the file seems to be, where it bears another family's marks; if it has
            learnt from another kind of images than modality= says.
    """
    require(checkpoint, "visionfm", "a teacher checkpoint of iBOT, as VisionFM's", is_visionfm)
    seen = kind_seen(checkpoint, VISIONFM.files, allowed=KINDS)
    shape = replace(vit_shape(checkpoint.weights), pooling="last classes")
    mean, std = STATISTICS[seen.kind]
    return load_vit(
        checkpoint, checkpoint.weights, shape, ignore=LEFT_ASIDE,
        preprocess=standardise(mean, std, resampling="bicubic"),
        normalised=f"VisionFM's mean and standard deviation of {IN_WORDS[seen.kind]}",
        name=f"visionfm {seen.kind}", licence=LICENCE, reference=VISIONFM.reference,
        modality=seen.modality,
        training_data=f"{IN_WORDS[seen.kind]} of VisionFM's 3.4 million ophthalmic images, public "
        f"and of hospitals, not listed with the code (which kind of images: {seen.how})",
        certainty=f"{VISIONFM.confirmed}; {identity(checkpoint, VISIONFM.files)}",
    )  # fmt: skip


def _published(kind: str, file: str, drive: str) -> PublishedFile:
    modality: Modality = MODALITY.get(kind, "other eye images")
    return PublishedFile(
        name=f"visionfm-{kind}",
        where=f"https://drive.google.com/file/d/{drive}/view",
        licence=LICENCE,
        gate=f"none; a page of Google Drive to click through ({file})",
        sha256="",
        modality=modality,
        source="ABILab-CUHK/VisionFM, README.md and LICENSE, commit 25c4695",
    )


VISIONFM = Family(
    name="visionfm",
    about="ViT-B/16 of iBOT on one of eight kinds of ophthalmic image; 224 px",
    licence=LICENCE,
    modality="colour fundus",
    training_sets=(),
    reference="Qiu et al., NEJM AI 1(12), 2024",
    layout_source="ABILab-CUHK/VisionFM, models/vision_transformer.py, models/head.py, utils.py "
    "(load_pretrained_weights, get_stats), main_pretrain.py, commit 25c4695",
    input_px=224,
    confirmed="values of timm 1.0.31's VisionTransformer, which does the same, to 1e-4 (tested); "
    "beside VisionFM's own class, run once, to 2e-6",
    recognises=is_visionfm,
    load=load_visionfm,
    files=(
        _published("cfp", "VFM_Fundus_weights.pth", "13uWm0a02dCWyARUcrCdHZIcEgRfBmVA4"),
        _published("oct", "VFM_OCT_weights.pth", "1o6E-ine2QLx2pxap-c77u-SU0FjxwypA"),
        _published("ffa", "VFM_FFA_weights.pth", "128izBUNV00Ojb9w9Dq3GhBvhWqzU-mla"),
        _published("ultrasound", "VFM_UltraSound_weights.pth", "1IlD0snowxdEVvxmiIBZGR0D9uOcrCT2D"),
        _published("external", "VFM_External_weights.pth", "16zGHTD4ZcGAYW382kKHBw3TU6D1OtvTD"),
        _published("slitlamp", "VFM_SiltLamp_weights.pth", "1pemWDkGoZYlqLQ6ooFINktyk8xnv9wY_"),
        _published("mri", "VFM_MRI_weights.pth", "1fcfylnOWhfnZHBAKT9pQPufyS5ZYCXu0"),
        _published("ubm", "VFM_UBM_weights.pth", "1q2fVOgFBnWNu1BsXaza1A-OIcCiifNUQ"),
    ),
)

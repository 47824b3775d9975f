"""Uni4Eye++: one masked autoencoder for images of two and of three dimensions; here of two."""

from __future__ import annotations

from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import Preprocess, TokenEncoder
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.provenance import identity
from retinaforge.encoders.retfound import DECODER
from retinaforge.encoders.vit_marks import is_uni4eye, require
from retinaforge.encoders.vits import load_vit, vit_shape

OURS = {
    "patch_embed.proj2.weight": "patch_embed.proj.weight",
    "patch_embed.proj2.bias": "patch_embed.proj.bias",
    "pos_embed2": "pos_embed",
}
LEFT_ASIDE = {
    **DECODER,
    "patch_embed.proj3.": "projects cubes of volumes, which are not loaded",
    "pos_embed3": "positions in volumes, which are not loaded",
    "controller.": "makes the decoder's last layer, not part of the encoder",
    "mlp.": "is never used in the published code",
}
LICENCE = "none stated (no LICENSE in Davidczy/Uni4Eye_pp)"


def load_uni4eye(checkpoint: Checkpoint) -> TokenEncoder:
    """Load the branch for plane images.

    Its training reads images with OpenCV and does not turn the channels, so blue comes first; the
    values are in [0, 1], not standardised.

    Raises:
        Refusal: with what the file seems to be, where it bears another family's marks.
    """
    require(checkpoint, "uni4eye", "Uni4Eye++, with patch_embed.proj2 and pos_embed2", is_uni4eye)
    weights = {OURS.get(key, key): value for key, value in checkpoint.weights.items()}
    return load_vit(
        checkpoint, weights, vit_shape(weights), ignore=LEFT_ASIDE,
        preprocess=Preprocess([0.5] * 3, [0.5] * 3, bgr=True),
        normalised="blue first, values in [0, 1], as its training reads them; trained on random "
        "crops",
        name="uni4eye", licence=LICENCE, reference=UNI4EYE.reference, modality="several retinal",
        training_data="ophthalmic images and volumes of several kinds; its lists of files are not "
        "published with the code",
        certainty=f"{UNI4EYE.confirmed}; {identity(checkpoint, UNI4EYE.files)}",
    )  # fmt: skip


UNI4EYE = Family(
    name="uni4eye",
    about="ViT-L/16, masked autoencoder for plane images and volumes; its plane branch, 224 px",
    licence=LICENCE,
    modality="several retinal",
    training_sets=(),
    reference="Cai et al., IEEE TMI 2024 (Uni4Eye++); MICCAI 2022 (Uni4Eye)",
    layout_source="Davidczy/Uni4Eye_pp, models_mymae23D.py, PatchEmbed23D.py, octa500.py, "
    "main_pretrain_partial23D.py, commit 4e984a8",
    input_px=224,
    confirmed="values of timm 1.0.31's VisionTransformer, which does the same on plane images, to "
    "1e-4 (tested); beside its own class, run once, to 2e-6; not confirmed: Uni4Eye of 2022, whose "
    "code could not be read, and which vector its fine-tuning takes (here the class token)",
    recognises=is_uni4eye,
    load=load_uni4eye,
    files=(
        PublishedFile(
            name="uni4eye-pp",
            where="https://drive.google.com/file/d/12Cw-OpyBcFbs2zcT368cG6DJPVKVRMEa/view",
            licence=LICENCE,
            gate="none; a page of Google Drive to click through",
            sha256="",
            modality="several retinal",
            source="Davidczy/Uni4Eye_pp, README.md, commit 4e984a8",
        ),
    ),
)

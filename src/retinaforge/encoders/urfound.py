"""UrFound: a masked autoencoder of colour photographs and OCT scans with text beside it."""

from __future__ import annotations

from dataclasses import replace

from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import TokenEncoder, imagenet
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.provenance import identity
from retinaforge.encoders.retfound import DECODER, MEASURED, mae_pooling
from retinaforge.encoders.vit_marks import is_urfound, require
from retinaforge.encoders.vits import IMAGENET_WORDS, load_vit, vit_shape

LEFT_ASIDE = {
    **DECODER,
    "bert_encoder.": "the text half, not part of the encoder",
    "bert_mlp.": "joins image and text while training, not part of the encoder",
}
LICENCE = "MIT (the code's; for the weights none is stated)"
SETS = (
    "kermany_oct", "eyepacs", "rfmid", "deepeyenet", "lag", "odir", "paraguay", "stare", "aria",
    "agar300", "fund_oct", "drions_db", "drishti_gs1", "e_ophtha", "g1020", "hrf", "origa", "roc",
    "ddr", "sustech_sysu", "jichi", "chaksu", "dr1_dr2", "scardat", "acrima", "deepdrid",
)  # fmt: skip


def load_urfound(checkpoint: Checkpoint) -> TokenEncoder:
    """Load UrFound's image half.

    Raises:
        Refusal: with what the file seems to be, where it bears another family's marks.
    """
    require(checkpoint, "urfound", "UrFound, a masked autoencoder with bert_encoder", is_urfound)
    shape = vit_shape(checkpoint.weights)
    return load_vit(
        checkpoint, checkpoint.weights, replace(shape, pooling=mae_pooling(checkpoint, shape)),
        ignore=LEFT_ASIDE, preprocess=imagenet("bicubic"),
        normalised=f"{IMAGENET_WORDS}; published code evaluates the central 224 of 256 px",
        name="urfound", licence=LICENCE, reference=URFOUND.reference, modality="several retinal",
        training_data="180,000 images of 26 public sets, colour photographs and OCT scans (the "
        "list of util/dataset.py; its test and train halves of DeepDRiD both)",
        training_sets=SETS,
        certainty=f"{URFOUND.confirmed}; {identity(checkpoint, URFOUND.files)}",
    )  # fmt: skip


URFOUND = Family(
    name="urfound",
    about="ViT-B/16, masked autoencoder of photographs and OCT scans, with masked text; 224 px",
    licence=LICENCE,
    modality="several retinal",
    training_sets=SETS,
    reference="Yu et al., MICCAI 2024, arXiv 2408.05618",
    layout_source="yukkai/UrFound, util/model_urfound.py, util/dataset.py, finetune/models_vit.py, "
    "commit 9e1c01f; with Adam's moments it takes the bytes of the published file",
    input_px=224,
    confirmed="values of timm 1.0.31's VisionTransformer, whose subclass its fine-tuning takes, to "
    "1e-4 (tested)",
    recognises=is_urfound,
    load=load_urfound,
    files=(
        PublishedFile(
            name="urfound",
            where="hf:yyyyk/UrFound/urfound_mm.pth",
            licence=LICENCE,
            gate="none",
            sha256="8a26bf1a64d449d30fe6fc5faabea48431aa6c15a743d324b8e16271109942e3",
            modality="several retinal",
            source="LIU-Rong-Tao/ophthalmic-foundation-model-benchmark, "
            f"catalog/download_manifest.csv, commit a408d44; its README names no file; {MEASURED}",
        ),
    ),
    options=("pool",),
)

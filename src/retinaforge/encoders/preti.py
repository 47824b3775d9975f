"""PRETI: a masked autoencoder of fundus pairs with two learnt tokens, for age and for sex.

The two tokens stand between class and patches without a position; age and sex are read off them
while it trains, they are not put in, so an encoder needs neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import TokenEncoder, imagenet
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.provenance import identity
from retinaforge.encoders.retfound import DECODER, MEASURED
from retinaforge.encoders.vit_marks import is_preti, require
from retinaforge.encoders.vits import IMAGENET_WORDS, load_vit, vit_shape

TOKENS = ("age_embedding", "gender_embedding")
LEFT_ASIDE = {
    **DECODER,
    "gender_classifier.": "tells sex from its token while training, not part of the encoder",
    "age_regressor.": "tells age from its token while training, not part of the encoder",
    "perceptual_loss_fn.": "a VGG16 of the training's loss",
}
LICENCE = "none stated (no LICENSE in MICV-yonsei/PRETI)"


def load_preti(checkpoint: Checkpoint) -> TokenEncoder:
    """Load PRETI's encoder as its training sees the unmasked image.

    Raises:
        Refusal: with what the file seems to be, where it bears another family's marks.
    """
    require(checkpoint, "preti", "PRETI, a masked autoencoder with age_embedding", is_preti)
    weights = _joined(checkpoint.weights)
    shape = replace(vit_shape(weights), positions="offset")
    return load_vit(
        checkpoint, weights, shape, ignore=LEFT_ASIDE, preprocess=imagenet(),
        normalised=f"{IMAGENET_WORDS}; trained on random crops of photographs cut by AutoMorph",
        name="preti", licence=LICENCE, reference=PRETI.reference,
        training_data="in-house fundus photographs (Yonsei University and Mediwhale), left and "
        "right eye of a person, with age and sex; from ImageNet weights of timm's ViT-B/16",
        certainty=f"{PRETI.confirmed}; {identity(checkpoint, PRETI.files)}",
    )  # fmt: skip


def _joined(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the arrays with both learnt tokens as registers, age before sex."""
    found = dict(weights)
    tokens = [found.pop(key) for key in TOKENS if key in found]
    return found | ({"register_tokens": torch.cat(tokens, dim=1)} if tokens else {})


PRETI = Family(
    name="preti",
    about="ViT-B/16, siamese masked autoencoder with learnt tokens for age and sex; 224 px",
    licence=LICENCE,
    modality="colour fundus",
    training_sets=(),
    reference="Lee et al., MICCAI 2025, arXiv 2505.12233",
    layout_source="MICV-yonsei/PRETI, models/PRETI_model.py (forward_encoder_no_masking), train.py "
    "and data/PRETI_dataset.py, commit 2ac2b0f; positions on another grid as in its "
    "downstreams/propagation/src/models_mae.py; with Adam's moments it takes the bytes of the "
    "published file",
    input_px=224,
    confirmed="values of timm 1.0.31's VisionTransformer with two registers, which does the same, "
    "to 1e-4 (tested); beside PRETI's own class, run once, to 2e-6; not confirmed: which vector "
    "its evaluation takes, whose code is not published (here the class token)",
    recognises=is_preti,
    load=load_preti,
    files=(
        PublishedFile(
            name="preti-vitb",
            where="https://drive.google.com/file/d/1mEFm3bxSPPOm4bLPC9Ey64oeq-6F0S0G/view",
            licence=LICENCE,
            gate="none; a page of Google Drive to click through (checkpoint-119.pth)",
            sha256="c6f7ca533c6d609a691a7f0ac3234bee78fe1116da714d9929308eaeaf409395",
            modality="colour fundus",
            source=f"MICV-yonsei/PRETI, README.md, commit 2ac2b0f; {MEASURED}",
        ),
    ),
)

"""RETFound-Green: ViT-S/14 with four registers at 392 px, in timm's layout of DINOv2."""

from __future__ import annotations

from dataclasses import replace

from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.dinov2_layout import from_meta
from retinaforge.encoders.encoder import TokenEncoder, standardise
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.provenance import identity
from retinaforge.encoders.retfound import MEASURED
from retinaforge.encoders.vit_marks import is_green, require
from retinaforge.encoders.vits import HEAD, load_vit, vit_shape

LICENCE = "custom non-commercial research licence (RETFound_Green's LICENSE)"
HALVES = (0.5, 0.5, 0.5)


def load_retfound_green(checkpoint: Checkpoint) -> TokenEncoder:
    """Load timm's vit_small_patch14_reg4_dinov2 as RETFound-Green uses it.

    The embedding is the mean of the patches after the last norm, class and registers left out;
    building timm's model with global_pool="avg" would drop that norm.

    Raises:
        Refusal: with what the file seems to be, where it bears another family's marks.
    """
    wanted = "RETFound-Green, timm's DINOv2 with registers at 392 px"
    require(checkpoint, "retfound-green", wanted, is_green)
    weights = from_meta(checkpoint.weights)
    shape = replace(vit_shape(weights), positions="antialiased", pooling="mean of normed")
    return load_vit(
        checkpoint, weights, shape, ignore=HEAD, preprocess=standardise(HALVES, HALVES),
        normalised="0.5 as mean and standard deviation; trained on images cut to the field of view "
        "with a margin of 2.5 %, then padded to a square",
        name="retfound-green", licence=LICENCE, reference=RETFOUND_GREEN.reference,
        training_data="75,000 colour photographs of AIROGS, DDR and ODIR, from DINOv2's weights",
        training_sets=RETFOUND_GREEN.training_sets,
        certainty=f"{RETFOUND_GREEN.confirmed}; {identity(checkpoint, RETFOUND_GREEN.files)}",
    )  # fmt: skip


RETFOUND_GREEN = Family(
    name="retfound-green",
    about="ViT-S/14 with four registers, by token reconstruction from DINOv2; 392 px",
    licence=LICENCE,
    modality="colour fundus",
    training_sets=("airogs", "ddr", "odir"),
    reference="Engelmann and Bernabeu, Nature Communications 16, 6862, 2025",
    layout_source="justinengelmann/RETFound_Green, README.md and "
    "Training_and_eval_code/data.py, commit 767c77e: timm's vit_small_patch14_reg4_dinov2",
    input_px=392,
    confirmed="values of timm 1.0.31's DINOv2 with registers, narrow and shallow, to 1e-4",
    recognises=is_green,
    load=load_retfound_green,
    files=(
        PublishedFile(
            name="retfound-green",
            where="https://github.com/justinengelmann/RETFound_Green/releases/download/v0.1/"
            "retfoundgreen_statedict.pth",
            licence=LICENCE,
            gate="none",
            sha256="431de5dbc1bebbb32f60e2c0bcf8daa4f8bcbf06f7cb1e1dc97ec589713942e1",
            modality="colour fundus",
            source=f"justinengelmann/RETFound_Green, README.md, commit 767c77e; {MEASURED}",
        ),
    ),
)

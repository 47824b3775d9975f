"""Frozen feature networks behind one contract, and the one place where their names are known."""

from __future__ import annotations

from pathlib import Path

from retinaforge.encoders.biomedclip import BIOMEDCLIP
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint
from retinaforge.encoders.clip import CLIP, ClipEncoder
from retinaforge.encoders.convolutional import ALEXNET, SQUEEZENET, VGG16
from retinaforge.encoders.dinov2 import DINOV2
from retinaforge.encoders.dinov3 import DINOV3
from retinaforge.encoders.encoder import Encoder, MapEncoder, TokenEncoder
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.flair import FLAIR
from retinaforge.encoders.fundus import OURS
from retinaforge.encoders.inception import INCEPTION, InceptionEncoder
from retinaforge.encoders.loading import load_spec
from retinaforge.encoders.lvm_med import LVM_MED
from retinaforge.encoders.medimageinsight import MEDIMAGEINSIGHT
from retinaforge.encoders.octcube import OCTCUBE
from retinaforge.encoders.onnx_any import ONNX
from retinaforge.encoders.preti import PRETI
from retinaforge.encoders.resnet import RADIMAGENET, RESNET
from retinaforge.encoders.retfound import RETFOUND, RETFOUND_DINOV2
from retinaforge.encoders.retfound_green import RETFOUND_GREEN
from retinaforge.encoders.retina_text import RETINA_TEXT
from retinaforge.encoders.segmenter import SEGMENTER
from retinaforge.encoders.timm_any import TIMM
from retinaforge.encoders.transformer import random_vit
from retinaforge.encoders.uni4eye import UNI4EYE
from retinaforge.encoders.urfound import URFOUND
from retinaforge.encoders.visionfm import VISIONFM
from retinaforge.encoders.weights import KeyReport, read_weights

# Adding a family: its module, its maker in tests/encoders/makers.py, its test, one line here.
FAMILIES: tuple[Family, ...] = (
    RETFOUND,
    RETFOUND_DINOV2,
    RETFOUND_GREEN,
    PRETI,
    URFOUND,
    VISIONFM,
    UNI4EYE,
    DINOV2,
    CLIP,
    BIOMEDCLIP,
    FLAIR,
    MEDIMAGEINSIGHT,
    ONNX,
    INCEPTION,
    SQUEEZENET,
    VGG16,
    ALEXNET,
    RESNET,
    RADIMAGENET,
    DINOV3,
    LVM_MED,
    OCTCUBE,
    TIMM,
    SEGMENTER,
    OURS,
    RETINA_TEXT,
)

# Encoders that come with the package: their name, their family, their file in retinaforge/weights.
SHIPPED: tuple[tuple[str, str, str], ...] = (
    ("fundus", "ours", "encoder-v1.safetensors"),
    ("segmenter", "segmenter", "vessels-v3.safetensors"),
)


def load(spec: str | Path) -> Encoder:
    """Return the frozen encoder that a line of text names; nothing is fetched.

    Args:
        spec: "FAMILY:FILE" with a name of `FAMILIES`, a FILE alone (its family is recognised), a
            name of `SHIPPED`, or "random-vit-small" / "random-vit-tiny" with "@SEED" after it.
            Options follow after commas: "px=256" (another input side), "precision=auto" or "bf16",
            "chunk=16" (images at a time), "modality=oct" (weights of that modality are meant),
            "heads=FILE" (LPIPS's linear heads), and those that a family has of its own.

    Raises:
        Refusal: what was expected, what the file seems to be, and how to load that.
    """
    return load_spec(str(spec), FAMILIES, SHIPPED)


__all__ = [
    "FAMILIES",
    "SHIPPED",
    "Checkpoint",
    "ClipEncoder",
    "Encoder",
    "EncoderCard",
    "Family",
    "InceptionEncoder",
    "KeyReport",
    "MapEncoder",
    "PublishedFile",
    "TokenEncoder",
    "load",
    "random_vit",
    "read_checkpoint",
    "read_weights",
]

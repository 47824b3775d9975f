"""BiomedCLIP: open_clip around timm's ViT-B/16 and a PubMedBERT."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders.bert import load_bert, needed, under
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint
from retinaforge.encoders.clip import ClipEncoder
from retinaforge.encoders.clip_said import MEAN, STD, read_json
from retinaforge.encoders.encoder import quarter_depths, standardise
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.provenance import identity
from retinaforge.encoders.text import TextTower
from retinaforge.encoders.tokenise import tokeniser
from retinaforge.encoders.vits import vit_shape
from retinaforge.encoders.weights import load_keys, unfilled
from retinaforge.nets.bert_text import BertText
from retinaforge.nets.clip_trunk import TrunkTower

CONTEXT = 256
LEFT_ASIDE = {
    "text.": "the text tower, read when words come",
    "logit_scale": "the temperature of training",
}


class BiomedClipEncoder(ClipEncoder):
    """BiomedCLIP: vectors of length 1 of images and texts, in one space."""

    prompt = "this is a photo of {}"


def load_biomedclip(checkpoint: Checkpoint) -> BiomedClipEncoder:
    """Load a CLIP of open_clip's whose image tower is a ViT of timm's.

    Raises:
        Refusal: if the image tower is another of timm's networks.
    """
    trunk = under(checkpoint.weights, "visual.trunk.")
    head = checkpoint.weights.get("visual.head.proj.weight")
    if "cls_token" not in trunk or head is None:
        raise Refusal(
            "open_clip's layout around a ViT with a class token and a linear head",
            f"a trunk with keys such as {', '.join(sorted(trunk)[:3]) or 'none'}",
            "name open_clip_pytorch_model.bin of BiomedCLIP",
        )
    network = unfilled(lambda: TrunkTower(vit_shape(trunk), len(head)))
    visual = {key.removeprefix("visual."): value for key, value in checkpoint.weights.items()}
    report = load_keys(network, visual, ignore=LEFT_ASIDE)
    shape = network.trunk.shape
    mean, std = _normalisation(checkpoint)
    card = EncoderCard(
        name="biomedclip",
        network=f"ViT, width {shape.width}, {shape.depth} blocks, patches of {shape.patch_px} px, "
        f"projected to {len(head)}; open_clip's layout around timm's",
        licence=BIOMEDCLIP.licence,
        fingerprint_sha256=checkpoint.sha256,
        training_data="PMC-15M, 15 million figures and captions of PubMed Central articles; which "
        "public sets' photographs were printed there is not known",
        domain="medical images",
        preprocessing=f"antialiased bicubic resize to {shape.input_px} px, CLIP's mean and "
        "standard deviation; vectors scaled to length 1",
        key_report=report.in_words(),
        reference=BIOMEDCLIP.reference,
        certainty=f"{BIOMEDCLIP.confirmed}; {identity(checkpoint, BIOMEDCLIP.files)}",
    )
    encoder = BiomedClipEncoder(
        card,
        network,
        preprocess=standardise(mean, std, resampling="bicubic"),
        blocks=quarter_depths(shape.depth),
        input_px=shape.input_px,
    )
    if any(key.startswith("text.") for key in checkpoint.weights):
        path, options = checkpoint.path, checkpoint.options
        encoder.make_text = lambda: biomedclip_text(path, options)
    return encoder


def biomedclip_text(path: Path, options: Mapping[str, str]) -> TextTower:
    """Read the text tower of a file with its tokeniser (vocab.txt beside it, or tokenizer=DIR)."""
    checkpoint = read_checkpoint(path, options)
    words, positions = (
        needed(checkpoint.weights, f"text.transformer.embeddings.{name}_embeddings.weight")
        for name in ("word", "position")
    )
    context = min(CONTEXT, len(positions))
    tokenise = tokeniser(checkpoint, "bert", context=context, vocabulary=len(words))
    return TextTower(text_network(checkpoint.weights), tokenise)


def text_network(weights: Mapping[str, Tensor]) -> BertText:
    """Return the BERT with its projection: two linear maps with a GELU between, without biases."""
    first, second = (needed(weights, f"text.proj.{place}.weight") for place in (0, 2))
    projection = nn.Sequential(
        nn.Linear(first.shape[1], len(first), bias=False),
        nn.GELU(),
        nn.Linear(second.shape[1], len(second), bias=False),
    )
    load_keys(projection, under(weights, "text.proj."), ignore={})
    return BertText(load_bert(under(weights, "text.transformer.")), projection)


def _normalisation(checkpoint: Checkpoint) -> tuple[tuple[float, ...], tuple[float, ...]]:
    said = read_json(checkpoint.path.parent / "open_clip_config.json").get("preprocess_cfg", {})
    return tuple(said.get("mean", MEAN)), tuple(said.get("std", STD))


BIOMEDCLIP = Family(
    name="biomedclip",
    about="BiomedCLIP: ViT-B/16 image tower of timm's in open_clip's layout, PubMedBERT text tower",
    licence="MIT (microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224)",
    modality="several medical",
    training_sets=("pmc_15m",),
    reference="Zhang et al., NEJM AI 2025 (arXiv 2303.00915)",
    layout_source="mlfoundations/open_clip, src/open_clip/timm_model.py and hf_model.py at "
    "89fb801; the published open_clip_config.json (microsoft/BiomedCLIP-PubMedBERT_256-"
    "vit_base_patch16_224 on the hub)",
    input_px=224,
    confirmed="open_clip 3.3.0 around timm 1.0.31 (both towers), to 1e-4 on random weights",
    recognises=lambda checkpoint: (
        {"visual.trunk.cls_token", "visual.head.proj.weight"} <= checkpoint.weights.keys()
    ),
    load=load_biomedclip,
    files=(
        PublishedFile(
            name="biomedclip",
            where="hf:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224/"
            "open_clip_pytorch_model.bin",
            licence="MIT",
            gate="none",
            sha256="52cc993c5c5ff962bd0c60931874bc001e7e9b41666a385530f4a036294576be",
            modality="several medical",
            source="the file's page on the hub",
        ),
    ),
    options=("tokenizer",),
)

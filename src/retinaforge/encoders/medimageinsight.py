"""MedImageInsight from its published file (a DaViT and a text transformer), ONNX, or an address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from retinaforge.encoders.bert import needed
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint
from retinaforge.encoders.encoder import Encoder, Field, Images, MapEncoder, imagenet
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.medimageinsight_endpoint import OPTIONS, WIDTH, at_address
from retinaforge.encoders.medimageinsight_layout import STAGES, davit_shape, of_today, text_half
from retinaforge.encoders.onnx_any import from_onnx
from retinaforge.encoders.provenance import identity
from retinaforge.encoders.text import ImageText, TextTower
from retinaforge.encoders.tokenise import tokeniser
from retinaforge.encoders.weights import load_keys, unfilled
from retinaforge.nets.clip_text import ClipText
from retinaforge.nets.davit import DavitTower

INPUT_PX = 480
TEXT_HALF = {
    "lang_": "the text tower, read when words come",
    "logit_scale": "the temperature of training",
}


class MedImageInsightEncoder(ImageText, MapEncoder):
    """MedImageInsight: one vector of length 1 an image or a text, in one space."""

    prompt = "fundus photography eye retina {}"

    def embedding(
        self, images: Images, *, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the projected mean of the last map, of length 1."""
        if not isinstance(self.network, DavitTower):
            raise TypeError(f"MedImageInsightEncoder holds a {type(self.network).__name__}")
        return normalize(self.network.project(super().embedding(images, fov=fov)), dim=1)


def load_medimageinsight(checkpoint: Checkpoint) -> MedImageInsightEncoder:
    """Load the published file; the text tower is read when `text` is first called.

    Raises:
        Refusal: if the file has another layout.
    """
    weights = checkpoint.renamed(of_today).weights
    shape = davit_shape(weights)
    projection = needed(weights, "image_projection")
    network = unfilled(lambda: DavitTower(shape, projection.shape[1]))
    report = load_keys(network, weights, ignore=TEXT_HALF)
    card = EncoderCard(
        name="medimageinsight",
        network=f"DaViT, widths {shape.widths}, depths {shape.depths}, windows of {shape.window}, "
        f"vectors of {projection.shape[1]}",
        licence=MEDIMAGEINSIGHT.licence,
        fingerprint_sha256=checkpoint.sha256,
        training_data="X-ray, CT, MRI, dermoscopy, OCT, fundus photographs, ultrasound, "
        "histopathology, mammograms with words; which of the public fundus sets is not confirmed",
        domain="medical images",
        preprocessing=f"antialiased bicubic resize to {INPUT_PX} px, ImageNet mean and standard "
        "deviation; vectors scaled to length 1",
        key_report=report.in_words(),
        reference=MEDIMAGEINSIGHT.reference,
        modality="several medical",
        certainty=f"{MEDIMAGEINSIGHT.confirmed}; {identity(checkpoint, MEDIMAGEINSIGHT.files)}",
    )
    encoder = MedImageInsightEncoder(
        card, network, preprocess=imagenet("bicubic"), blocks=STAGES, input_px=INPUT_PX
    )
    if "lang_projection" in weights:
        path, options = checkpoint.path, checkpoint.options
        encoder.make_text = lambda: medimageinsight_text(path, options)
    return encoder


def medimageinsight_text(path: Path, options: Mapping[str, str]) -> TextTower:
    """Read the text tower of a file with its tokeniser (clip_tokenizer_4.16.2 beside it)."""
    checkpoint = read_checkpoint(path, options)
    shape, weights = text_half(checkpoint.renamed(of_today).weights)
    tokenise = tokeniser(checkpoint, "clip", context=shape.context, vocabulary=shape.vocabulary)
    network = unfilled(lambda: ClipText(shape))
    load_keys(network, weights, ignore={})
    return TextTower(network, tokenise)


def opens(target: str, options: Mapping[str, str]) -> Encoder | None:
    """Open an address or an ONNX graph; None for a weight file."""
    if target.startswith(("http://", "https://")):
        return at_address(target, options)
    if target.lower().endswith(".onnx"):
        return from_onnx(
            target, {"normalise": "imagenet", **options}, family="medimageinsight",
            domain="medical images", modality="several medical", width=WIDTH,
            resampling="bicubic",
        )  # fmt: skip
    return None


MEDIMAGEINSIGHT = Family(
    name="medimageinsight",
    about="MedImageInsight: DaViT at 480 px and a text transformer, from its file, ONNX, or an "
    "address that you name (images then leave this machine)",
    licence="MIT (lion-ai/MedImageInsights on the hub, from Microsoft's release)",
    modality="several medical",
    training_sets=(),
    reference="Codella et al., arXiv 2410.06542",
    layout_source="visual-layer/MedImageInsight, MedImageInsight/ImageEncoder/davit_v1.py, "
    "LangEncoder/transformer.py, UniCLModel.py, 2024.09.27/config.yaml, commit 5deb6c3; "
    "microsoft/healthcareai-examples, agentic/medimageinsight/mcp-server, commit 45a4895",
    input_px=INPUT_PX,
    confirmed="transformers 5.23 (Florence-2's DaViT), and the text tower as published on "
    "PyTorch's attention, to 1e-4 on random weights; not confirmed: the published file was not at "
    "hand",
    recognises=lambda checkpoint: (
        {"image_projection", "lang_projection"} <= checkpoint.weights.keys()
        or {"vision_projection", "visual.convs.0.proj.weight"} <= checkpoint.weights.keys()
    ),
    load=load_medimageinsight,
    files=(
        PublishedFile(
            name="medimageinsight",
            where="hf:lion-ai/MedImageInsights/2024.09.27/vision_model/medimageinsigt-v1.0.0.pt",
            licence="MIT",
            gate="none",
            sha256="5eeda63bf616a61664bc95b2c09d3b3d7125209e635678bd3f5f324e9bdb1414",
            modality="several medical",
            source="the repository's Git LFS pointer (AlphaHinex/MedImageInsights at adbf56f)",
        ),
    ),
    options=("tokenizer", *OPTIONS),
    opens=opens,
)

"""FLAIR: a foundation model of fundus photographs and expert words (ResNet-50, BERT)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from retinaforge.core import Refusal
from retinaforge.encoders.bert import load_bert, needed, under
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint
from retinaforge.encoders.encoder import Field, Images, MapEncoder, Preprocess
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.provenance import identity
from retinaforge.encoders.resnet import uncounted
from retinaforge.encoders.text import ImageText, TextTower
from retinaforge.encoders.tokenise import tokeniser
from retinaforge.encoders.weights import load_keys, unfilled
from retinaforge.nets.bert_text import BertText
from retinaforge.nets.flair import FlairTower
from retinaforge.nets.resnet import STAGES, resnet_shape

INPUT_PX = 512
CONTEXT = 77
POOLED_LAYERS = (1, 2, -1)
BLACK = -1.0
LEFT_ASIDE = {
    "text_model.": "the text tower, read when words come",
    "logit_scale": "the temperature of training",
}
# jusiro/FLAIR, main_pretrain.py at d6652d5 lists what the published training took. MESSIDOR-2,
# FIVES, REFUGE, ACRIMA, DeepDRiD and MMAC are in its table for transfer alone.
SETS = (
    "eyepacs", "idrid", "rfmid", "jsiec", "deepeyenet", "lag", "odir", "papila", "paraguay",
    "stare", "aria", "agar300", "aptos2019", "fund_oct", "diaretdb1", "drions_db", "drishti_gs1",
    "e_ophtha", "g1020", "hrf", "origa", "roc", "brset", "ddr", "airogs", "sustech_sysu", "jichi",
    "chaksu", "dr1_dr2", "cataract", "scardat",
)  # fmt: skip


class FlairEncoder(ImageText, MapEncoder):
    """FLAIR: one vector of length 1 an image or a text, in one space."""

    prompt = "A fundus photograph of {}"

    def sized(self, images: Images, side_px: int | None) -> Images:
        """Resize the longer side and fill the square black at the right and below, as published."""
        if side_px is None or images.shape[-2:] == (side_px, side_px):
            return images
        longest = max(images.shape[-2:])
        rows, columns = (int(length / (longest / side_px)) for length in images.shape[-2:])
        canvas = interpolate(images, (rows, columns), mode="bilinear", antialias=True)
        return pad(canvas, (0, side_px - columns, 0, side_px - rows), value=BLACK)

    def embedding(
        self, images: Images, *, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the projected mean of the last map, of length 1."""
        if not isinstance(self.network, FlairTower):
            raise TypeError(f"FlairEncoder holds a {type(self.network).__name__}")
        return self.network.project(super().embedding(images, fov=fov))


def load_flair(checkpoint: Checkpoint) -> FlairEncoder:
    """Load FLAIR's image tower; the text tower is read when `text` is first called.

    Raises:
        Refusal: if the file is another's, or FLAIR with another image tower than a ResNet.
    """
    arrays = uncounted(checkpoint).weights
    vision = under(arrays, "vision_model.")
    shape = resnet_shape(under(vision, "model."))
    head = vision.get("projection_head_vision.projection.weight")
    if shape is None or head is None:
        raise Refusal(
            "FLAIR's vision_model.model.* of a ResNet and its projection_head_vision",
            f"keys such as {', '.join(sorted(checkpoint.weights)[:3]) or 'none'}",
            "name flair_resnet.pth or model.safetensors of jusiro2/FLAIR",
        )
    network = unfilled(lambda: FlairTower(shape, len(head)))
    others = {key: value for key, value in arrays.items() if not key.startswith("vision_model.")}
    report = load_keys(network, vision | others, ignore=LEFT_ASIDE)
    card = EncoderCard(
        name="flair",
        network=f"{shape.name}, its mean over positions projected to {len(head)}",
        licence=FLAIR.licence,
        fingerprint_sha256=checkpoint.sha256,
        training_data="photographs of 31 public sets with words of their labels and of experts "
        "(the published code's list; 7 more of the paper's 38 sets are tests)",
        domain="retina",
        preprocessing=f"antialiased bilinear resize of the longer side to {INPUT_PX} px on a black "
        "canvas, values from 0 to 1, no mean subtracted; vectors scaled to length 1",
        key_report=report.in_words(),
        reference=FLAIR.reference,
        modality="colour fundus",
        certainty=f"{FLAIR.confirmed}; {identity(checkpoint, FLAIR.files)}",
    )
    to_network = Preprocess([0.5] * 3, [0.5] * 3)
    encoder = FlairEncoder(card, network, preprocess=to_network, blocks=STAGES, input_px=INPUT_PX)
    if any(key.startswith("text_model.") for key in checkpoint.weights):
        path, options = checkpoint.path, checkpoint.options
        encoder.make_text = lambda: flair_text(path, options)
    return encoder


def flair_text(path: Path, options: Mapping[str, str]) -> TextTower:
    """Read the text tower of a file with its tokeniser (that of Bio_ClinicalBERT)."""
    checkpoint = read_checkpoint(path, options)
    words = needed(checkpoint.weights, "text_model.model.embeddings.word_embeddings.weight")
    tokenise = tokeniser(checkpoint, "bert", context=CONTEXT, vocabulary=len(words))
    return TextTower(text_network(checkpoint.weights), tokenise)


def text_network(weights: Mapping[str, Tensor]) -> BertText:
    """Return the BERT whose first, second and last layers' states are averaged over the words.

    The published code averages what fills up a batch of texts too, so its vector of a text depends
    on the longest beside it; this is its vector of the text alone.
    """
    head = needed(weights, "text_model.projection_head_text.projection.weight")
    projection = nn.Linear(head.shape[1], len(head), bias=False)
    load_keys(projection, {"weight": head}, ignore={})
    bert = load_bert(under(weights, "text_model.model."))
    return BertText(bert, projection, layers=POOLED_LAYERS, unit=True)


FLAIR = Family(
    name="flair",
    about="FLAIR: ResNet-50 image tower at 512 px, Bio_ClinicalBERT text tower, one space of 512",
    licence="Apache-2.0 (code and weights, jusiro/FLAIR)",
    modality="colour fundus",
    training_sets=SETS,
    reference="Silva-Rodriguez et al., Medical Image Analysis 99, 2025 (arXiv 2308.07898)",
    layout_source="jusiro/FLAIR, flair/modeling/model.py, main_pretrain.py, commit d6652d5",
    input_px=INPUT_PX,
    confirmed="torchvision 0.28.0 (a shallower ResNet with FLAIR's canvas and projection) and "
    "transformers 5.23 (text tower), to 1e-4 on random weights",
    recognises=lambda checkpoint: (
        "vision_model.projection_head_vision.projection.weight" in checkpoint.weights
    ),
    load=load_flair,
    files=(
        PublishedFile(
            name="flair",
            where="hf:jusiro2/FLAIR/model.safetensors",
            licence="Apache-2.0",
            gate="none",
            sha256="",
            modality="colour fundus",
            source="jusiro/FLAIR, README.md (`from_pretrained`) at d6652d5; the file's name is "
            "the one that huggingface_hub's mixin writes",
        ),
    ),
    options=("tokenizer",),
)

"""CLIP from a file that the user names: OpenAI's, open_clip's or Hugging Face's key layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint
from retinaforge.encoders.clip_files import FILES, LAYOUT_SOURCE
from retinaforge.encoders.clip_layout import Layout, in_hugging_faces_names, layout_of
from retinaforge.encoders.clip_said import Said, what_is_said
from retinaforge.encoders.clip_shapes import clip_shape, text_shape
from retinaforge.encoders.encoder import Field, Images, TokenEncoder, quarter_depths, standardise
from retinaforge.encoders.family import Family
from retinaforge.encoders.text import ImageText, TextTower
from retinaforge.encoders.tokenise import tokeniser
from retinaforge.encoders.weights import load_keys, unfilled
from retinaforge.nets.clip import ClipShape, ClipTower
from retinaforge.nets.clip_text import ClipText

NO_WEIGHTS = "a number of training, no weights"
BESIDES = dict.fromkeys(
    ("logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size"), NO_WEIGHTS
)
TEXT_HALF = {"text_model.": "CLIP's text half", "text_projection.": "CLIP's text half"}
IMAGE_HALF = {"vision_model.": "CLIP's image half", "visual_projection.": "CLIP's image half"}
POSITIONS = {
    f"{tower}_model.embeddings.position_ids": "0, 1, 2, ..., no weights"
    for tower in ("vision", "text")
}


class ClipEncoder(ImageText, TokenEncoder):
    """CLIP: one vector of length 1 an image or a text, in one space."""

    prompt = "a photo of {}"

    def embedding(
        self, images: Images, *, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the projected class token, scaled to length 1."""
        return normalize(super().embedding(images, fov=fov), dim=1)


@dataclass(frozen=True)
class Read:
    """A CLIP file under Hugging Face's names, and what is said beside its arrays."""

    layout: Layout
    weights: Mapping[str, Tensor]
    said: Said


def read(checkpoint: Checkpoint) -> Read:
    """Bring a file of any of the three layouts to one."""
    layout = layout_of(checkpoint.weights)
    named = in_hugging_faces_names(checkpoint.weights)
    return Read(layout, named, what_is_said(checkpoint, layout))


def load_clip(checkpoint: Checkpoint) -> ClipEncoder:
    """Load CLIP; sizes come from the arrays, the rest from the configuration beside the file.

    Where there is none, the layout's own default is taken, and the card says so. The text tower is
    read when `text` is first called.

    Raises:
        Refusal: if the file has another layout.
    """
    found = read(checkpoint)
    shape = clip_shape(found.weights, found.said)
    network = unfilled(lambda: ClipTower(shape))
    report = load_keys(network, found.weights, ignore=TEXT_HALF | POSITIONS | BESIDES)
    said = found.said
    card = EncoderCard(
        name=f"clip ViT, width {shape.width}, {shape.patch_px} px patches at {shape.input_px} px",
        network=_in_words(shape, found),
        licence=CLIP.licence,
        fingerprint_sha256=checkpoint.sha256,
        training_data="WebImageText, 400 million pairs, for OpenAI's weights; it is not published, "
        "so what of public data it holds is not known",
        domain="natural images",
        preprocessing=f"antialiased {said.resampling} resize to {shape.input_px} px, mean "
        f"{_short(said.mean)}, standard deviation {_short(said.std)}; vectors scaled to length 1",
        key_report=report.in_words(),
        reference="Radford et al., ICML 2021; for CMMD Jayasumana et al., CVPR 2024",
    )
    encoder = ClipEncoder(
        card,
        network,
        preprocess=standardise(said.mean, said.std, resampling=said.resampling),
        blocks=quarter_depths(shape.depth),
        input_px=shape.input_px,
    )
    if "text_projection.weight" in found.weights:
        path, options = checkpoint.path, checkpoint.options
        encoder.make_text = lambda: clip_text(path, options)
    return encoder


def clip_text(path: Path, options: Mapping[str, str]) -> TextTower:
    """Read the text tower of a file with its tokeniser."""
    checkpoint = read_checkpoint(path, options)
    found = read(checkpoint)
    shape = text_shape(found.weights, found.said)
    tokenise = tokeniser(
        checkpoint, "clip", context=shape.context, vocabulary=shape.vocabulary
    )  # fmt: skip
    network = unfilled(lambda: ClipText(shape))
    load_keys(network, found.weights, ignore=IMAGE_HALF | POSITIONS | BESIDES)
    return TextTower(network, tokenise)


def _short(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


def _in_words(shape: ClipShape, found: Read) -> str:
    return (
        f"CLIP image tower, width {shape.width}, {shape.depth} blocks, patches of {shape.patch_px} "
        f"px, vectors of {shape.projected}; {shape.heads} heads, {shape.activation} "
        f"({found.said.source}); {found.layout} key layout"
    )


def looks_like_clip(checkpoint: Checkpoint) -> bool:
    """Return whether a file is CLIP in one of the three layouts, whatever its image tower."""
    keys = checkpoint.weights.keys()
    return (
        {"vision_model.embeddings.patch_embedding.weight", "visual_projection.weight"} <= keys
        or {"visual.conv1.weight", "visual.ln_post.weight"} <= keys
        or {"visual.conv1.weight", "visual.layer1.0.conv1.weight"} <= keys
    )


CLIP = Family(
    name="clip",
    about="CLIP with a vision transformer, image and text tower, of OpenAI's, open_clip's or "
    "Hugging Face's key layout",
    licence="MIT for OpenAI's weights; of other files as their publisher says",
    modality="natural",
    training_sets=(),
    reference="Radford et al., ICML 2021",
    layout_source=LAYOUT_SOURCE,
    confirmed="transformers 5.23 (both towers) and open_clip 3.3.0 (both towers), to 1e-4 on "
    "random weights",
    recognises=looks_like_clip,
    load=load_clip,
    files=FILES,
    options=("tokenizer", "activation"),
)

"""CLIP from a file that the user names: OpenAI's, open_clip's or Hugging Face's key layout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint
from retinaforge.encoders.clip_files import FILES, LAYOUT_SOURCE
from retinaforge.encoders.clip_layout import Layout, in_hugging_faces_names, layout_of
from retinaforge.encoders.clip_said import Said, what_is_said
from retinaforge.encoders.encoder import Images, TokenEncoder, quarter_depths, standardise
from retinaforge.encoders.family import Family
from retinaforge.encoders.text import ImageText, TextTower, tokeniser
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.clip import ClipShape, ClipTower
from retinaforge.nets.clip_text import ClipText, TextShape

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

    def embedding(self, images: Images) -> Float[Tensor, "batch channels"]:
        """Return the projected class token, scaled to length 1."""
        return normalize(super().embedding(images), dim=1)


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
    network = ClipTower(shape)
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
    network = ClipText(shape)
    load_keys(network, found.weights, ignore=IMAGE_HALF | POSITIONS | BESIDES)
    return TextTower(network, tokenise)


def clip_shape(weights: Mapping[str, Tensor], said: Said) -> ClipShape:
    """Infer an image tower's sizes from the arrays' shapes; heads and activation from `said`.

    Raises:
        Refusal: if the arrays are not those of a `CLIPVisionModelWithProjection`.
    """
    patch, positions, hidden, projection = _needed(
        weights,
        "vision_model.embeddings.patch_embedding.weight",
        "vision_model.embeddings.position_embedding.weight",
        "vision_model.encoder.layers.0.mlp.fc1.weight",
        "visual_projection.weight",
    )
    width, side = patch.shape[0], patch.shape[-1]
    return ClipShape(
        width=width,
        depth=_depth(weights, "vision_model.encoder.layers."),
        heads=said.image_heads(width),
        patch_px=side,
        input_px=math.isqrt(len(positions) - 1) * side,
        hidden=len(hidden),
        projected=len(projection),
        activation=said.activation,
        epsilon=float(said.image.get("layer_norm_eps", 1e-5)),
    )


def text_shape(weights: Mapping[str, Tensor], said: Said) -> TextShape:
    """Infer a text tower's sizes from the arrays' shapes; heads, activation, end from `said`."""
    tokens, positions, hidden, projection = _needed(
        weights,
        "text_model.embeddings.token_embedding.weight",
        "text_model.embeddings.position_embedding.weight",
        "text_model.encoder.layers.0.mlp.fc1.weight",
        "text_projection.weight",
    )
    end = said.text.get("eos_token_id")
    return TextShape(
        width=tokens.shape[1],
        depth=_depth(weights, "text_model.encoder.layers."),
        heads=said.text_heads(tokens.shape[1]),
        hidden=len(hidden),
        projected=len(projection),
        vocabulary=len(tokens),
        context=len(positions),
        activation=said.text_activation(),
        epsilon=float(said.text.get("layer_norm_eps", 1e-5)),
        # 2 stands in old configurations by mistake; transformers reads the highest id there too.
        end=None if end in (None, 2) else int(end),
    )


def _needed(weights: Mapping[str, Tensor], *names: str) -> list[Tensor]:
    missing = [name for name in names if name not in weights]
    if missing:
        raise Refusal(
            f"CLIP as OpenAI, open_clip or Hugging Face save it, with {', '.join(missing)}",
            f"keys such as {', '.join(sorted(weights)[:3]) or 'none'}",
            "name model.safetensors of a CLIPVisionModelWithProjection or CLIPModel, or "
            "open_clip_model.safetensors of a ViT",
        )
    return [weights[name] for name in names]


def _depth(weights: Mapping[str, Tensor], before: str) -> int:
    numbers = [key.removeprefix(before).partition(".")[0] for key in weights if before in key]
    return 1 + max(int(number) for number in numbers if number.isdigit())


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

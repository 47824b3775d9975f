"""Our own image-text encoders, as `retinaforge train text-image` writes them.

A folder: model.safetensors (both towers, what they are in its header), tokenizer.json, card.json.
Its cosines say how well an image and a caption agree, in the words that its captions had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint
from retinaforge.encoders.encoder import Field, Images, Preprocess, TokenEncoder
from retinaforge.encoders.family import Family
from retinaforge.encoders.text import ImageText, TextTower
from retinaforge.encoders.tokenise import Tokenise
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.twin_tower import EyeTower, TwinShape, WordTower

FORMAT = "retinaforge-image-text"
TOKENIZER, WEIGHTS = "tokenizer.json", "model.safetensors"
SIZES = {field.name for field in fields(TwinShape)}
WORDS = {"text.": "the text tower, read when words come", "scale": "the temperature of training"}
EYES = {"image.": "the image tower", "scale": "the temperature of training"}


class RetinaTextEncoder(ImageText, TokenEncoder):
    """An encoder of eyes and words: one vector of length 1 each, in one space."""

    prompt = "{}"

    def embedding(
        self, images: Images, *, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the projected class token, scaled to length 1."""
        return normalize(super().embedding(images, fov=fov), dim=1)


def load_retina_text(checkpoint: Checkpoint) -> RetinaTextEncoder:
    """Load a folder of `retinaforge train text-image`; the card is what its header says.

    Raises:
        Refusal: if the header is another's, or keys do not fit.
    """
    said, shape = _header(checkpoint)
    network = EyeTower(shape)
    report = load_keys(network, _under("image.", _single(checkpoint.weights)), ignore=WORDS)
    card = EncoderCard(
        name=said.get("name", "retina-text"),
        network=f"{len(shape.channels)} stages of convolutions, {shape.depth} layers of width "
        f"{shape.width}, vectors of {shape.projected}; words: {shape.text_depth} layers of width "
        f"{shape.text_width}, {shape.vocabulary} tokens",
        licence=said.get("licence", "not stated"),
        fingerprint_sha256=checkpoint.sha256,
        training_data=said.get("training_data", "not stated"),
        domain="retina",
        preprocessing=f"antialiased bilinear resize to {shape.input_px} px, values from -1 to 1; "
        "vectors scaled to length 1",
        key_report=report.in_words(),
        reference=RETINA_TEXT.reference,
        modality="colour fundus",
        input_px=shape.input_px,
        training_sets=tuple(json.loads(said.get("training_sets", "[]"))),
    )
    encoder = RetinaTextEncoder(
        card,
        network,
        preprocess=Preprocess([1.0] * 3, [0.0] * 3),
        blocks=tuple(range(1, shape.depth + 1)),
        input_px=shape.input_px,
    )
    path, options = checkpoint.path, checkpoint.options
    encoder.make_text = lambda: retina_words(path, options)
    return encoder


def retina_words(path: Path, options: Mapping[str, str]) -> TextTower:
    """Read the text tower of a folder with its tokeniser."""
    checkpoint = read_checkpoint(path, options)
    _, shape = _header(checkpoint)
    network = WordTower(shape.words)
    load_keys(network, _under("text.", _single(checkpoint.weights)), ignore=EYES)
    folder = Path(options["tokenizer"]).expanduser() if "tokenizer" in options else path.parent
    return TextTower(network, read_tokeniser(folder / TOKENIZER, shape))


def read_tokeniser(path: Path, shape: TwinShape) -> Tokenise:
    """Return the tokeniser of a folder; what is beyond the context is cut, its end token kept.

    Raises:
        Refusal: without the file, without the package tokenizers, or for another's tokens.
    """
    if not path.is_file():
        raise Refusal(f"{path.name} beside the weights", f"{path.parent} without it",
                      "name the folder that `retinaforge train text-image` wrote")  # fmt: skip
    found = tokenizers().Tokenizer.from_file(str(path))
    if found.get_vocab_size() != shape.vocabulary:
        raise Refusal(
            f"the tokeniser of {shape.vocabulary} tokens that the towers were trained with",
            f"one of {found.get_vocab_size()}",
            "name the folder that `retinaforge train text-image` wrote",
        )
    found.enable_truncation(shape.context)
    found.enable_padding()
    return lambda texts: encoded(found, texts)


def encoded(tokeniser: Any, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Return token ids (n, t), padded at the right, and which of them are real (n, t)."""
    rows = tokeniser.encode_batch(texts)
    ids = torch.tensor([row.ids for row in rows], dtype=torch.long)
    return ids, torch.tensor([row.attention_mask for row in rows], dtype=torch.bool)


def tokenizers() -> Any:
    """Return the package tokenizers.

    Raises:
        Refusal: "expected the package tokenizers ...; got an environment without it".
    """
    try:
        import tokenizers as library
    except ImportError as error:
        raise Refusal(
            "the package tokenizers, which reads text for encoders",
            "an environment without it",
            "pip install 'retinaforge[generate]'; images need no text tower",
        ) from error
    return library


def _header(checkpoint: Checkpoint) -> tuple[Mapping[str, str], TwinShape]:
    said: Mapping[str, str] = checkpoint.said.get("metadata", {})
    sizes: dict[str, Any] = json.loads(said.get("shape", "{}"))
    if said.get("format") != FORMAT or not {"vocabulary", "end"} <= sizes.keys() <= SIZES:
        raise Refusal(
            f"a folder of `retinaforge train text-image` (format {FORMAT!r} in its header)",
            f"{checkpoint.path} (format {said.get('format', 'not stated')!r})",
            "name it by its own family, for example clip:FILE",
        )
    channels = tuple(sizes.pop("channels", TwinShape.channels))
    return said, TwinShape(**sizes, channels=channels)


def _single(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return numbers in float32; counts of batches stay whole."""
    return {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}


def _under(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in weights.items()}


RETINA_TEXT = Family(
    name="retina-text",
    about="small image and text towers trained by `retinaforge train text-image` on captioned "
    "phantoms and photographs",
    licence="as the file's header says",
    modality="colour fundus",
    training_sets=(),
    reference="this package, after Radford et al., ICML 2021 (arXiv 2103.00020), targets shared as "
    "in Silva-Rodriguez et al., 2025 (arXiv 2308.07898)",
    layout_source="this package, retinaforge.nets.twin_tower",
    confirmed="it is our own code",
    recognises=lambda checkpoint: checkpoint.said.get("metadata", {}).get("format") == FORMAT,
    load=load_retina_text,
    options=("tokenizer",),
)

__all__ = ["FORMAT", "RETINA_TEXT", "RetinaTextEncoder", "encoded", "read_tokeniser", "tokenizers"]

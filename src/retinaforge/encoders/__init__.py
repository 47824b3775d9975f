"""Frozen feature networks behind one contract, and the one place where their names are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.clip import ClipEncoder, load_clip
from retinaforge.encoders.convolutional import (
    attach_heads,
    load_alexnet,
    load_squeezenet,
    load_vgg16,
)
from retinaforge.encoders.encoder import Encoder, MapEncoder, TokenEncoder
from retinaforge.encoders.inception import InceptionEncoder, load_inception
from retinaforge.encoders.segmenter import load_segmenter
from retinaforge.encoders.transformer import RANDOM_SHAPES, load_retfound, random_vit
from retinaforge.encoders.weights import KeyReport, read_weights

# Adding an encoder from a file: its loader, its test, one line here.
FROM_FILE: tuple[tuple[str, Callable[[Path], Encoder]], ...] = (
    ("squeezenet", load_squeezenet),
    ("vgg16", load_vgg16),
    ("alexnet", load_alexnet),
    ("retfound", load_retfound),
    ("segmenter", load_segmenter),
    ("inception", load_inception),
    ("clip", load_clip),
)
RANDOM = tuple(f"random-vit-{size}" for size in RANDOM_SHAPES)
KNOWN = ", ".join([*(f"{name}:FILE" for name, _ in FROM_FILE), *(f"{r}[@SEED]" for r in RANDOM)])


def load_encoder(spec: str) -> Encoder:
    """Return the frozen encoder that a line of text names.

    Args:
        spec: "NAME:FILE" with a name of `FROM_FILE` (after the file, ",heads=FILE" names LPIPS's
            linear heads for it), or "random-vit-small" / "random-vit-tiny" with "@SEED" after it.

    Raises:
        Refusal: "expected one of squeezenet:FILE, ..." for any other text.
    """
    name, colon, file = spec.partition(":")
    loaders = dict(FROM_FILE)
    if colon and name in loaders:
        path, _, heads = file.partition(",heads=")
        encoder = loaders[name](Path(path).expanduser())
        return _with_heads(encoder, heads) if heads else encoder
    base, _, seed = spec.partition("@")
    if base in RANDOM and (seed or "0").isdigit():
        return random_vit(base.removeprefix("random-vit-"), int(seed or 0))
    raise Refusal(f"one of {KNOWN}", repr(spec), "name the encoder so")


def _with_heads(encoder: Encoder, heads: str) -> Encoder:
    if isinstance(encoder, MapEncoder):
        return attach_heads(encoder, Path(heads).expanduser())
    raise Refusal("heads for a convolutional network", encoder.card.name, "leave heads= out")


__all__ = [
    "FROM_FILE",
    "ClipEncoder",
    "Encoder",
    "EncoderCard",
    "InceptionEncoder",
    "KeyReport",
    "MapEncoder",
    "TokenEncoder",
    "load_encoder",
    "random_vit",
    "read_weights",
]

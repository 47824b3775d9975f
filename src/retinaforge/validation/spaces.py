"""Feature spaces that need nothing from outside: our vessel network's, and colours.

Neither is a foundation model. The vessel network takes local mean and colour cast away before its
first layer, so it sees structure and hardly any colour; the colour space sees nothing else. What
each notices is measured by the sanity panel, on the user's own images.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from retinaforge.encoders import Encoder, EncoderCard, InceptionEncoder, load_encoder
from retinaforge.encoders.segmenter import load_segmenter
from retinaforge.vessels import shipped_weights

Pixels = UInt8[np.ndarray, "size size 3"]
Mask = Bool[np.ndarray, "size size"]
Vector = Float[np.ndarray, "features"]
Classes = Float[np.ndarray, "classes"]

STRUCTURE, COLOUR = "structure", "colour"
PERCENTILES = (5, 25, 50, 75, 95)
RINGS = (0.0, 0.35, 0.7, 1.0)
"""Edges of the rings about the field's centre whose mean colours are taken, in its radius."""

# Rows: luminance (BT.601), red against green, yellow against blue; Hasler and Süsstrunk 2003.
OPPONENT = np.array([[0.299, 0.587, 0.114], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])


@lru_cache(maxsize=1)
def _structure() -> Encoder:
    return load_segmenter(shipped_weights())


@lru_cache(maxsize=8)
def encoder_named(spec: str) -> Encoder:
    """Load an encoder that the user names, once a process."""
    return load_encoder(spec)


def structure_card() -> EncoderCard:
    """Return the card of the network behind the structure space."""
    return _structure().card


def structure_features(pixels: Pixels) -> Vector:
    """Return the mean over positions of the vessel network's deepest stage, 128 numbers."""
    return embed(_structure(), pixels)


def embed(encoder: Encoder, pixels: Pixels) -> Vector:
    """Return an encoder's vector of one image."""
    with torch.inference_mode():
        return encoder.embedding(_batch(pixels))[0].double().numpy()


def embed_named(spec: str, pixels: Pixels) -> dict[str, Vector | Classes]:
    """Return the vector of an encoder that the user names, and its class probabilities if any."""
    encoder = encoder_named(spec)
    if not isinstance(encoder, InceptionEncoder):
        return {spec: embed(encoder, pixels)}
    with torch.inference_mode():
        vectors, classes = encoder.embed_and_classify(_batch(pixels))
    return {spec: vectors[0].double().numpy(), classes_of(spec): classes[0].numpy()}


def classes_of(spec: str) -> str:
    """Return the name under which an encoder's class probabilities are kept."""
    return f"{spec} classes"


def _batch(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0).permute(2, 0, 1)[None]


def colour_features(pixels: Pixels, inside: Mask) -> Vector:
    """Return how colours are spread inside the field of view.

    Of each opponent channel: mean, standard deviation, percentiles, and the mean of three rings.

    Args:
        pixels: RGB.
        inside: the field of view.

    Returns:
        30 numbers in grey levels.
    """
    opponent = pixels[inside].astype(np.float64) @ OPPONENT.T
    ring = _ring_of(inside)
    numbers = [opponent.mean(axis=0), opponent.std(axis=0)]
    numbers += list(np.percentile(opponent, PERCENTILES, axis=0))
    for k in range(len(RINGS) - 1):
        there = opponent[ring == k]
        numbers.append(there.mean(axis=0) if len(there) else opponent.mean(axis=0))
    return np.concatenate(numbers)


def _ring_of(inside: Mask) -> np.ndarray:
    rows, columns = np.nonzero(inside)
    middle = (np.array(inside.shape) - 1) / 2
    away = np.hypot(rows - middle[0], columns - middle[1]) / (max(inside.shape) / 2)
    return np.digitize(away, RINGS[1:-1])


def spaces_of(encoders: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of all feature spaces of a run."""
    return (STRUCTURE, COLOUR, *encoders)

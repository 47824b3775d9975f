"""Feature spaces that need nothing from outside: our vessel network's, and colours.

Neither is a foundation model. The vessel network takes local mean and colour cast away before its
first layer, so it sees structure and hardly any colour; the colour space sees nothing else. What
each notices is measured by the sanity panel, on the user's own images.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, UInt8

from retinaforge.encoders import Encoder, EncoderCard, InceptionEncoder
from retinaforge.encoders import load as load_encoder
from retinaforge.encoders.segmenter import load_segmenter
from retinaforge.images.colours import colour_features
from retinaforge.vessels import shipped_weights

Pixels = UInt8[np.ndarray, "size size 3"]
Vector = Float[np.ndarray, "features"]
Classes = Float[np.ndarray, "classes"]

STRUCTURE, COLOUR = "structure", "colour"


@lru_cache(maxsize=8)
def encoder_named(spec: str) -> Encoder:
    """Load an encoder that the user names, once a process."""
    return load_encoder(spec)


@lru_cache(maxsize=1)
def structure_card() -> EncoderCard:
    """Return the card of the network behind the structure space.

    The vector is the mean over the field of view of the vessel network's deepest stage, 128
    numbers, in the very look that finds the vessels (`vessels.network.NetworkLook`).
    """
    said = "field of view brought to the width at which vessels are looked for; local mean and "
    return replace(
        load_segmenter(shipped_weights()).card,
        preprocessing=f"{said}contrast inside it removed in the network; mean over the field",
    )


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


def spaces_of(encoders: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of all feature spaces of a run."""
    return (STRUCTURE, COLOUR, *encoders)


__all__ = [
    "COLOUR", "STRUCTURE", "classes_of", "colour_features", "embed", "embed_named",
    "encoder_named", "spaces_of", "structure_card",
]  # fmt: skip

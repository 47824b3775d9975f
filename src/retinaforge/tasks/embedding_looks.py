"""Looks: what turns squares of photographs into rows, an encoder or simple colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from retinaforge.encoders import Encoder, MapEncoder, TokenEncoder
from retinaforge.images.colours import colour_features

VECTORS, TOKENS = "vectors", "tokens"
FREE_PX = 384
"""Side at which a network sees a photograph if it takes any size."""

COLOUR_PX = 256
MAP_SIDE = 14
"""Of a map, positions a side that are kept as tokens: as many as a ViT/16 has at 224 px."""

LARGEST_HALF = float(np.finfo(np.float16).max)
Rows = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Look:
    """One way of looking at photographs.

    Attributes:
        name: in words, unique in a run.
        fingerprint: all that its numbers depend on but the side and the photograph.
        size_px: side of the square that it is handed.
        kinds: the arrays that it returns.
        compute: takes RGB (n, side, side, 3) uint8 and inside (n, side, side) bool, returns
            `vectors` float32 (n, channels) and perhaps `tokens` float16 (n, positions, channels).
    """

    name: str
    fingerprint: str
    size_px: int
    kinds: tuple[str, ...]
    compute: Callable[[np.ndarray, np.ndarray], Rows]


def encoder_look(
    encoder: Encoder, *, size_px: int | None = None, tokens: bool = False, name: str = ""
) -> Look:
    """Return an encoder's look.

    Args:
        encoder: frozen.
        size_px: side of the square; None for the encoder's own, or `FREE_PX` where it has none.
        tokens: also the last block's patch tokens; of a map its positions, averaged down to 14 a
            side at most.
        name: what results call it; empty for its card's name.
    """

    def compute(pixels: np.ndarray, inside: np.ndarray) -> Rows:
        images = torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0).permute(0, 3, 1, 2)
        with torch.inference_mode():
            if not tokens:
                return {VECTORS: _plain(encoder.embedding(images.to(device_of(encoder))))}
            vectors, patches = vectors_and_tokens(encoder, images.to(device_of(encoder)))
        half = _plain(patches).clip(-LARGEST_HALF, LARGEST_HALF).astype(np.float16)
        return {VECTORS: _plain(vectors), TOKENS: half}

    side = size_px or encoder.input_px or FREE_PX
    # Behaviour first: an encoder may decide on its precision with the first image it sees.
    facts = (encoder.card.fingerprint_sha256, behaviour(encoder, side), _precision(encoder))
    kinds = (VECTORS, TOKENS) if tokens else (VECTORS,)
    return Look(name or encoder.card.name, " | ".join(facts), side, kinds, compute)


def behaviour(encoder: Encoder, size_px: int) -> str:
    """Return what an encoder says of one drawn image, in a few rounded numbers.

    The same weights embed differently by how they are pooled, normalised or cut; a card's words
    need not say so, but what is cached must not mix them.
    """
    y, x = np.mgrid[:size_px, :size_px] / size_px * 2 - 1
    waves = np.stack([np.sin(9 * x + 4 * y), np.cos(7 * x * y), np.sin(5 * np.hypot(x, y))], -1)
    pixels = ((waves * 0.45 + 0.5) * 255 * (np.hypot(x, y) < 0.95)[..., None]).astype(np.uint8)
    images = torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0).permute(2, 0, 1)[None]
    with torch.inference_mode():
        vector = _plain(encoder.embedding(images.to(device_of(encoder))))[0].astype(np.float64)
    axes = np.random.default_rng(0).normal(size=(8, len(vector))) / np.sqrt(len(vector))
    size = max(float(np.linalg.norm(vector)), 1e-12)
    return f"{tuple(encoder.blocks[-1:])} {np.round(axes @ vector / size * 10, 2) + 0.0} {size:.2g}"


def colour_look() -> Look:
    """Return the look that sees colours and nothing else: 30 numbers, no network."""

    def compute(pixels: np.ndarray, inside: np.ndarray) -> Rows:
        rows = [colour_features(p, i) for p, i in zip(pixels, inside, strict=True)]
        return {VECTORS: np.stack(rows).astype(np.float32)}

    return Look("colours", "colour features 1", COLOUR_PX, (VECTORS,), compute)


def vectors_and_tokens(encoder: Encoder, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return embedding (n, channels) and last tokens (n, positions, channels), in one pass if able.

    An encoder whose embedding is its kind's own needs one pass; any other is run twice.
    """
    if isinstance(encoder, TokenEncoder) and type(encoder).embedding is TokenEncoder.embedding:
        seen = encoder.outputs(images, (encoder.network.depth,))
        return seen.embedding, seen.tokens[0]
    last = encoder.features(images, encoder.blocks[-1:])[0]
    tokens = _positions(last) if last.ndim == 4 else last
    if isinstance(encoder, MapEncoder) and type(encoder).embedding is MapEncoder.embedding:
        return last.mean((2, 3)), tokens
    return encoder.embedding(images), tokens


def _positions(maps: torch.Tensor) -> torch.Tensor:
    """Return a map's positions as tokens, averaged down to `MAP_SIDE` a side at most."""
    rows, columns = (min(side, MAP_SIDE) for side in maps.shape[-2:])
    return torch.nn.functional.adaptive_avg_pool2d(maps, (rows, columns)).flatten(2).mT


def device_of(encoder: Encoder) -> torch.device:
    """Return where an encoder's weights lie."""
    return next((p.device for p in encoder.parameters()), torch.device("cpu"))


def _precision(encoder: Encoder) -> str:
    kind = next((p.dtype for p in encoder.parameters()), torch.float32)
    return f"{kind} {getattr(encoder, 'precision', '')}".strip()


def _plain(values: torch.Tensor) -> np.ndarray:
    return values.float().cpu().numpy()

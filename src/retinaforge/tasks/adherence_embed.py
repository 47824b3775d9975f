"""Images and their captions as vectors of one space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from retinaforge.core import Record, Refusal, RetinaForgeError
from retinaforge.encoders import Encoder
from retinaforge.tasks.contrast_squares import OnCount, square_of
from retinaforge.tasks.embedding import embed_arrays, embed_folder
from retinaforge.tasks.embedding_looks import FREE_PX
from retinaforge.tasks.pairs import Pair

AT_ONCE = 32


@dataclass(frozen=True)
class Embeddings:
    """Images and their captions in one space.

    Attributes:
        pairs: those whose image could be read.
        images, texts: vectors of length 1, (n, channels).
        left_out: (name, reason) of the others.
    """

    pairs: tuple[Pair, ...]
    images: Float[np.ndarray, "n size"]
    texts: Float[np.ndarray, "n size"]
    left_out: tuple[tuple[str, str], ...]


def require_words(encoder: Encoder) -> Encoder:
    """Return an encoder that knows words.

    Raises:
        Refusal: for one of images alone, or without its text tower or tokeniser.
    """
    encoder.text(["optic disc"])
    return encoder


def embed_pairs(
    encoder: Encoder,
    pairs: Sequence[Pair],
    cache: Path | None = None,
    *,
    on_progress: OnCount | None = None,
) -> Embeddings:
    """Return the vectors of images and captions; pairs without words are left out and named.

    Raises:
        Refusal: if the encoder knows no words, or not a single image can be read.
    """
    require_words(encoder)
    silent = tuple((pair.name, "no caption") for pair in pairs if not pair.text.strip())
    named = {f"{place:07d}": pair for place, pair in enumerate(pairs) if pair.text.strip()}
    vectors, left_out = _looked_at(encoder, named, cache, on_progress)
    kept = tuple(named[name] for name in named if name in vectors)
    if not kept:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out[:3]) or "no caption"
        raise Refusal("at least one readable captioned image", reasons, "check the folder")
    images = unit(np.stack([vectors[name] for name in named if name in vectors]))
    texts = texts_of(encoder, [pair.text for pair in kept])
    return Embeddings(kept, images, texts, (*silent, *left_out))


def _looked_at(
    encoder: Encoder, named: Mapping[str, Pair], cache: Path | None, on_progress: OnCount | None
) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Return each image's vector by name, and why some have none.

    Photographs take the way of every encoder here, kept in `cache`; what was drawn or sampled is
    taken whole (`contrast_squares`).
    """
    drawn = {name: pair for name, pair in named.items() if pair.synthetic}
    records = [
        Record(path=pair.path, name=name, dataset="pairs", patient=pair.patient or pair.name)
        for name, pair in named.items()
        if not pair.synthetic
    ]
    found, left_out, done = {}, [], 0
    side = encoder.input_px or FREE_PX
    for names in chunked(list(drawn), AT_ONCE):
        squares = {}
        for name in names:
            try:
                squares[name] = square_of(drawn[name], side)
            except (RetinaForgeError, OSError) as error:
                left_out.append((drawn[name].name, str(error)))
        if squares:
            rows = embed_arrays(encoder, np.stack(list(squares.values())), batch=AT_ONCE)
            found.update(zip(squares, rows, strict=True))
        done += len(names)
        if on_progress:
            on_progress(done, len(named))
    if records:
        rest = embed_folder(encoder, records, cache, on_progress=_shifted(on_progress, done))
        found.update(zip([r.name for r in rest.records], np.asarray(rest.vectors), strict=True))
        left_out += [(named[name].name, why) for name, why in rest.left_out]
    return found, left_out


def chunked(items: list[str], most: int) -> list[list[str]]:
    """Cut a list into runs of `most`."""
    return [items[k : k + most] for k in range(0, len(items), most)]


def _shifted(on_progress: OnCount | None, done: int) -> OnCount | None:
    if on_progress is None:
        return None
    return lambda here, all_here: on_progress(done + here, done + all_here)


def texts_of(encoder: Encoder, texts: Sequence[str]) -> Float[np.ndarray, "n size"]:
    """Return vectors of length 1; the same words are read once."""
    different = list(dict.fromkeys(texts))
    places = {text: place for place, text in enumerate(different)}
    # Of like length together: what is filled up is computed too.
    order = sorted(range(len(different)), key=lambda place: len(different[place]))
    vectors = encoder.text([different[place] for place in order]).cpu().numpy()
    back = np.empty(len(order), int)
    back[order] = np.arange(len(order))
    return vectors[back][[places[text] for text in texts]]


def unit(vectors: Float[np.ndarray, "n size"]) -> Float[np.ndarray, "n size"]:
    """Return vectors scaled to length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)

"""How well images agree with their captions, by an encoder of images and words.

A score is worth what the encoder sees: set it against shuffled captions, and against
`benchmarks/results/adherence-sight.json`, which tells by fact what ours sees. Each part of a
caption (disc, macula, vessels, lesions, ...) is scored by its own sentences too, so that a wrong
sentence on the disc lowers the disc's score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from retinaforge.captions.claims import GROUPS
from retinaforge.captions.facts import FACT
from retinaforge.captions.parse import read_claims
from retinaforge.core import Refusal
from retinaforge.core.artefacts import environment
from retinaforge.encoders import Encoder
from retinaforge.tasks.adherence_cards import ADHERENCE_CARD, too_few
from retinaforge.tasks.adherence_embed import Embeddings, embed_pairs, texts_of
from retinaforge.tasks.adherence_scores import agreement_of, retrieval
from retinaforge.tasks.contrast_squares import OnCount
from retinaforge.tasks.contrast_words import sentences_of
from retinaforge.tasks.pairs import Pair

FEWEST = ADHERENCE_CARD.smallest_n
"""Images whose captions speak of a part, below which that part has no number."""


def parts_of(text: str) -> Mapping[str, str]:
    """Return a caption's sentences by the part of the eye that they speak of most.

    Parts are topics of the catalogue: eye, quality, ground, disc, vessels, macula, fibres, lesions,
    verdict, person. Sentences that claim nothing belong to none.
    """
    found: dict[str, list[str]] = {}
    for sentence in sentences_of(text):
        names = [claim.fact for claim in read_claims(sentence).claims]
        topics = Counter("lesions" if name in GROUPS else FACT[name].topic for name in names)
        if topics:
            found.setdefault(topics.most_common(1)[0][0], []).append(sentence)
    return {part: " ".join(sentences) for part, sentences in found.items()}


def adherence_of(
    encoder: Encoder,
    pairs: Sequence[Pair],
    cache: Path | None = None,
    *,
    seed: int = 0,
    on_progress: OnCount | None = None,
) -> dict[str, Any]:
    """Return the adherence of a set as plain data.

    Args:
        encoder: of images and words.
        pairs: images with the words that they were asked for.
        cache: keeps the images' vectors.
        seed: of shuffles and draws.
        on_progress: called with (images done, images).

    Raises:
        Refusal: if the encoder knows no words, or fewer than two images can be read.
    """
    found = embed_pairs(encoder, pairs, cache, on_progress=on_progress)
    if len(found.pairs) < 2:
        raise Refusal("two captioned images", f"{len(found.pairs)}", "name a larger folder")
    captions, groups = [pair.text for pair in found.pairs], groups_of(found.pairs)
    whole = agreement_of(found.images, found.texts, captions, groups, seed=seed)
    rows = [
        {"file_name": pair.name, "adherence": round(float(score), 6)}
        for pair, score in zip(found.pairs, whole.scores, strict=True)
    ]
    return {
        "format": 1,
        "card": ADHERENCE_CARD.as_dict(),
        "encoder": encoder.card.as_dict(),
        "warning": too_few(len(found.pairs), ADHERENCE_CARD, "images"),
        "whole": whole.as_dict(),
        "retrieval": dict(retrieval(found.images, found.texts, captions)),
        "parts": _parts(encoder, found, groups, seed),
        "images": rows,
        "left_out": [{"name": name, "reason": reason} for name, reason in found.left_out],
        "seed": seed,
        "environment": environment(),
    }


def groups_of(pairs: Sequence[Pair]) -> list[str]:
    """Return whose eye it is, or of which caption where nobody has an eye (samples)."""
    return [pair.patient or pair.text for pair in pairs]


def _parts(encoder: Encoder, found: Embeddings, groups: Sequence[str], seed: int) -> dict[str, Any]:
    said = [parts_of(pair.text) for pair in found.pairs]
    told: dict[str, Any] = {}
    for part in sorted({part for parts in said for part in parts}):
        places = [place for place, parts in enumerate(said) if part in parts]
        if len(places) < FEWEST:
            told[part] = {"n": len(places), "reason": f"fewer than {FEWEST} captions speak of it"}
            continue
        texts = [said[place][part] for place in places]
        result = agreement_of(
            found.images[places], texts_of(encoder, texts), texts,
            [groups[place] for place in places], seed=seed,
        )  # fmt: skip
        told[part] = result.as_dict()
    return told


def part_scores(
    encoder: Encoder, image: Float[np.ndarray, "size"], text: str
) -> Mapping[str, float]:
    """Return the cosine of one image with each part of its caption.

    Args:
        encoder: of images and words.
        image: its vector, of length 1.
        text: the caption.
    """
    parts = parts_of(text)
    vectors = texts_of(encoder, list(parts.values()))
    return dict(zip(parts, (vectors @ image).tolist(), strict=True))

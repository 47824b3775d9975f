"""Step 2 of RetinaLogos: keep the pairs whose image, caption and other captions agree.

Every pair's scores lie in files, and so do two arms to compare with: all pairs that could be
scored, and as many drawn at random as were kept. Purification is only worth its name if a generator
trained on `kept.jsonl` beats one trained on `random.jsonl`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from retinaforge.captions.lint import lint
from retinaforge.core import Refusal, rng_for
from retinaforge.core.artefacts import environment, write_json
from retinaforge.encoders import Encoder
from retinaforge.tasks.adherence_cards import PURIFY_CARD, too_few
from retinaforge.tasks.adherence_embed import Embeddings, embed_pairs
from retinaforge.tasks.contrast_squares import OnCount
from retinaforge.tasks.pairs import Pair, row_of, write_rows
from retinaforge.tasks.purify_facts import composition, lost
from retinaforge.tasks.purify_scores import Rule, Scored, by_cosine, by_facts, joined

KEPT, ALL, RANDOM = "kept.jsonl", "unfiltered.jsonl", "random.jsonl"
SCORES, SUMMARY = "scores.jsonl", "purify.json"
NONE_ADMITTED = (
    "loosen the rules (--least-side, --most-characters; in a recipe purify.least_side_px, "
    "purify.characters), or mend the captions"
)
TextText = Literal["facts", "cosine"]


@dataclass(frozen=True)
class Purified:
    """What a purification came to.

    Attributes:
        pairs: those that could be scored, in order.
        scored: their scores.
        kept: places of those that stay, best first.
        threshold: the least score among them.
        left_out: (name, reason) of pairs that could not be scored.
    """

    pairs: tuple[Pair, ...]
    scored: tuple[Scored, ...]
    kept: tuple[int, ...]
    threshold: float
    left_out: tuple[tuple[str, str], ...]

    @property
    def names(self) -> list[str]:
        """Return the names of the pairs that stay, in the order of the set."""
        return [self.pairs[place].name for place in sorted(self.kept)]


def purify(
    pairs: Sequence[Pair],
    encoder: Encoder,
    rule: Rule = Rule(),  # noqa: B008 (frozen)
    *,
    text_text: TextText = "facts",
    cache: Path | None = None,
    on_progress: OnCount | None = None,
) -> Purified:
    """Score pairs and keep the best share of those that no rule shuts out.

    Args:
        pairs: images with their captions.
        encoder: of images and words.
        rule: how scores are joined, what is kept and what is shut out.
        text_text: captions are compared by the "facts" that both speak of, or by the "cosine" of
            the encoder's vectors.
        cache: keeps the photographs' vectors.
        on_progress: called with (images done, images).

    Raises:
        Refusal: if the encoder knows no words, no image can be read, or nothing is kept.
    """
    if not 0 < rule.keep <= 1:
        raise Refusal("a share to keep above 0 and at most 1", f"{rule.keep:g}", "keep 0.5")
    found = embed_pairs(encoder, pairs, cache, on_progress=on_progress)
    scored = scores_of(found, encoder, rule, text_text)
    order = sorted(
        (place for place, one in enumerate(scored) if not math.isnan(one.score)),
        key=lambda place: (-scored[place].score, place),
    )
    if not order:
        reasons = Counter(reason for one in scored for reason in one.shut_out)
        raise Refusal(
            "pairs that the rules admit",
            "; ".join(f"{count} with {reason}" for reason, count in reasons.most_common(3)),
            NONE_ADMITTED,
        )
    kept = tuple(order[: max(1, round(rule.keep * len(order)))])
    least = scored[kept[-1]].score
    return Purified(found.pairs, tuple(scored), kept, least, found.left_out)


def scores_of(found: Embeddings, encoder: Encoder, rule: Rule, text_text: TextText) -> list[Scored]:
    """Return the scores of every pair; those shut out have none joined."""
    looks = (found.images * found.texts).sum(1).astype(float)
    words = by_facts(found.pairs) if text_text == "facts" else by_cosine(encoder, found.pairs)
    scored = [
        Scored(float(look), word, reason=reason, shut_out=tuple(broken(pair, rule)))
        for look, (word, reason), pair in zip(looks, words, found.pairs, strict=True)
    ]
    admitted = np.array([not one.shut_out for one in scored])
    whole = np.full(len(scored), math.nan)
    texts = np.array([one.text_text for one in scored])
    if admitted.any():
        whole[admitted] = joined(looks[admitted], texts[admitted], rule.text_weight)
    return [replace(one, score=float(x)) for one, x in zip(scored, whole, strict=True)]


def broken(pair: Pair, rule: Rule) -> list[str]:
    """Return the rules that a pair breaks, in words that are the same for all such pairs."""
    fewest, most = rule.characters
    with Image.open(pair.path) as image:
        short = min(image.size)
    found = []
    if short < rule.least_side_px:
        found.append(f"a short side below {rule.least_side_px} px")
    if not fewest <= len(pair.text) <= most:
        found.append(f"a caption not of {fewest} to {most} characters")
    if rule.lint and pair.record.facts:
        errors = {f.code for f in lint(pair.text, pair.record) if f.severity == "error"}
        found += [f"lint: {code}" for code in sorted(errors)]
    return found


def write_purified(
    found: Purified, folder: Path, rule: Rule, about: dict[str, Any], *, seed: int = 0
) -> dict[str, Any]:
    """Write scores, the three arms and the summary; each is whole or absent.

    Args:
        found: from `purify`.
        folder: where to.
        rule: that was followed.
        about: goes into the summary (encoder, text_text).
        seed: of the random arm.

    Returns:
        The summary, as in purify.json.
    """
    kept, count = set(found.kept), len(found.kept)
    admitted = [place for place, one in enumerate(found.scored) if not math.isnan(one.score)]
    drawn = rng_for(seed, "random arm").choice(admitted, count, replace=False)
    rows = [
        {"file_name": pair.name, **one.as_row(), "kept": place in kept}
        for place, (pair, one) in enumerate(zip(found.pairs, found.scored, strict=True))
    ]
    write_rows(folder / SCORES, rows)
    arms = {KEPT: sorted(kept), ALL: range(len(rows)), RANDOM: sorted(map(int, drawn))}
    for name, places in arms.items():
        write_rows(folder / name, [_row(found, place, rows) for place in places])
    records = [found.pairs[place].record for place in admitted]
    moved = composition(records, [found.pairs[place].record for place in sorted(kept)])
    summary = {
        "format": 1, **about, "card": PURIFY_CARD.as_dict(),
        "warning": too_few(len(admitted), PURIFY_CARD, "admitted pairs"),
        "rule": asdict(rule) | {"characters": list(rule.characters)},
        "pairs": len(found.pairs) + len(found.left_out), "scored": len(rows),
        "admitted": len(admitted), "kept": count, "threshold": found.threshold,
        "without_text_text": _reasons(one.reason for one in found.scored),
        "shut_out": _reasons(why for one in found.scored for why in one.shut_out),
        "length": _length(found, rule),
        "left_out": [{"name": name, "reason": reason} for name, reason in found.left_out],
        "lost": lost(moved), "composition": moved, "seed": seed,
        "files": {"kept": KEPT, "unfiltered": ALL, "random": RANDOM, "scores": SCORES},
        "environment": environment(),
    }  # fmt: skip
    write_json(folder / SUMMARY, summary)
    return summary


def _length(found: Purified, rule: Rule) -> dict[str, int]:
    """Return how many captions are shorter or longer than the rule, and what would admit all."""
    (fewest, most), counts = rule.characters, [len(pair.text) for pair in found.pairs]
    return {
        "too_short": sum(count < fewest for count in counts), "shortest": min(counts),
        "too_long": sum(count > most for count in counts), "longest": max(counts),
    }  # fmt: skip


def _reasons(reasons: Any) -> dict[str, int]:
    return dict(Counter(reason for reason in reasons if reason).most_common())


def _row(found: Purified, place: int, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    numbers = {key: rows[place][key] for key in ("image_text", "text_text", "score")}
    return {**row_of(found.pairs[place], reference=True), **numbers}

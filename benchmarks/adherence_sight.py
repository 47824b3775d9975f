"""Which words does the adherence score see? On held-out phantoms, fact by fact.

    python benchmarks/adherence_sight.py --pairs PAIRS --encoder retina-text:TOWERS/model --write

Each fact is turned round in a caption (right to left, exudates to none, ...): the share of images
whose true caption scores above its untrue twin, for the whole caption and for one sentence alone,
with Wilson's interval; 50 % sees nothing. Beside it the same captions with an image of the other
side: a score that sees the fact falls below 50 % there, one that likes a word stays. Then retrieval
among 500 held-out pairs, the parts of a caption with a wrong sentence on the disc, and how many
planted mismatches purification removes. Held-out patients only (the split "test").
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from retinaforge.core import rng_for
from retinaforge.core.artefacts import environment, write_json
from retinaforge.encoders import Encoder, load
from retinaforge.tasks.adherence import parts_of
from retinaforge.tasks.adherence_embed import Embeddings, embed_pairs, texts_of
from retinaforge.tasks.adherence_scores import agreement_of, retrieval
from retinaforge.tasks.contrast_flip import FLIPS, Flip, Twins, twins
from retinaforge.tasks.pairs import Pair, read_pairs
from retinaforge.tasks.purify import TextText, purify
from retinaforge.tasks.purify_scores import Rule

RESULT = Path(__file__).parent / "results" / "adherence-sight.json"
PLANTED = 0.2


def share(hits: Sequence[bool]) -> dict[str, Any]:
    """Return a share with Wilson's interval."""
    k, n = int(np.sum(hits)), len(hits)
    low, high = proportion_confint(k, n, method="wilson") if n else (None, None)
    return {"share": k / n if n else None, "interval": [low, high] if n else None, "n": n}


def sight(encoder: Encoder, found: Embeddings, flip: Flip, most: int) -> dict[str, Any]:
    """Return how often an image prefers the true caption to its twin."""
    made = twins([pair.record for pair in found.pairs], flip, most=most)
    if not made:
        return {"fact": flip.name, "n": 0, "reason": "one side has no held-out eye"}
    places = np.array([one.image for one in made])
    other = np.roll(places, len(made) // 2)  # the other half of the list is the other side
    told = {"fact": flip.name, "sides": sorted({one.side for one in made})}
    for name, (true, untrue) in {
        "caption": ("true", "untrue"), "sentence": ("true_sentence", "untrue_sentence"),
    }.items():  # fmt: skip
        right, wrong = (_vectors(encoder, made, field) for field in (true, untrue))
        gap = ((right - wrong) * found.images[places]).sum(1)
        elsewhere = ((right - wrong) * found.images[other]).sum(1)
        told[name] = share(gap > 0) | {
            "by_side": {side: share([g > 0 for g, one in zip(gap, made, strict=True)
                                     if one.side == side]) for side in told["sides"]},
            "with_other_side": share(elsewhere > 0),
        }  # fmt: skip
    return told


def _vectors(encoder: Encoder, made: Sequence[Twins], field: str) -> np.ndarray:
    return texts_of(encoder, [getattr(one, field) for one in made])


def wrong_disc(encoder: Encoder, found: Embeddings, most: int) -> dict[str, Any]:
    """Put another eye's sentences on the disc, cup of the other size, into whole captions."""
    cup = next(flip for flip in FLIPS if flip.fact == "cup_to_disc")
    pairs = found.pairs
    sides = [cup.side(f) if (f := p.record.facts.get("cup_to_disc")) else "" for p in pairs]
    said = [parts_of(pair.text) for pair in pairs]
    donors = {s: [i for i, side in enumerate(sides) if side == s and "disc" in said[i]]
              for s in ("small", "large")}  # fmt: skip
    rng, rows = rng_for(0, "wrong disc"), []
    for image, side in enumerate(sides):
        others = donors.get({"small": "large", "large": "small"}.get(side, ""), [])
        if "disc" in said[image] and others and len(rows) < most:
            rows.append((image, int(rng.choice(others))))
    images = found.images[[image for image, _ in rows]]
    drops: dict[str, list[float]] = {}
    parts = sorted({part for image, _ in rows for part in said[image]})
    for part in parts:
        here = [k for k, (image, _) in enumerate(rows) if part in said[image]]
        before = texts_of(encoder, [said[rows[k][0]][part] for k in here])
        source = 1 if part == "disc" else 0
        after = texts_of(encoder, [said[rows[k][source]][part] for k in here])
        drops[part] = (((before - after) * images[here]).sum(1)).tolist()
    whole = [pairs[image].text for image, _ in rows]
    swapped = [_swapped(pairs[a].text, said[a]["disc"], said[b]["disc"]) for a, b in rows]
    fall = ((texts_of(encoder, whole) - texts_of(encoder, swapped)) * images).sum(1)
    return {
        "disc_score_falls": share([d > 0 for d in drops["disc"]]),
        "whole_score_falls": share(fall > 0),
        "largest_change_of_other_parts": max(
            (abs(d) for part, found in drops.items() if part != "disc" for d in found), default=0.0
        ),
    }  # fmt: skip


def _swapped(text: str, own: str, other: str) -> str:
    from retinaforge.tasks.contrast_words import sentences_of

    mine = set(sentences_of(own))
    kept = [sentence for sentence in sentences_of(text) if sentence not in mine]
    return " ".join([*kept, other])


def planted(encoder: Encoder, pairs: Sequence[Pair], text_text: TextText) -> dict[str, Any]:
    """Give a fifth of the pairs another eye's caption; how many does the best half still hold?"""
    rng = rng_for(0, "planted")
    chosen = np.sort(rng.choice(len(pairs), round(PLANTED * len(pairs)), replace=False))
    mixed = list(pairs)
    for place, other in zip(chosen, np.roll(chosen, 1), strict=True):
        own = pairs[place].texts[1:]
        mixed[place] = replace(
            pairs[place], text=pairs[other].text, texts=(pairs[other].text, *own)
        )
    told: dict[str, Any] = {"pairs": len(pairs), "planted": len(chosen), "text_text": text_text}
    for name, weight in (("image_text_alone", 0.0), ("unimedvl", 0.5)):
        for keep in (0.5, 0.8):
            # Captions of phantoms run to 210 words, beyond the rule's 1,024 characters.
            rule = Rule(keep, weight, characters=(10, 4096))
            kept = purify(mixed, encoder, rule, text_text=text_text).kept
            inside = len(set(kept) & set(chosen.tolist()))
            told[f"{name}, keep {keep:g}"] = {
                "planted_removed": share([True] * (len(chosen) - inside) + [False] * inside),
                "planted_share_before": PLANTED, "planted_share_kept": inside / len(kept),
            }  # fmt: skip
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--images", type=int, default=1000, help="held-out images at most")
    parser.add_argument("--most", type=int, default=200, help="captions a fact at most")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--write", action="store_true", help="write the result file")
    asked = parser.parse_args()
    began, encoder = time.process_time(), load(asked.encoder)
    pairs = [pair for pair in read_pairs(asked.pairs) if pair.split == asked.split][: asked.images]
    found = embed_pairs(encoder, pairs)
    captions = [pair.text for pair in found.pairs]
    groups = [pair.patient for pair in found.pairs]
    result = {
        "format": 1, "encoder": encoder.card.as_dict(), "split": asked.split,
        "images": len(found.pairs), "patients": len(set(groups)),
        "retrieval": dict(retrieval(found.images, found.texts, captions)),
        "matched_against_shuffled":
            agreement_of(found.images, found.texts, captions, groups).as_dict(),
        "facts": [sight(encoder, found, flip, asked.most) for flip in FLIPS],
        "wrong_disc": wrong_disc(encoder, found, asked.most),
        "purify": planted(encoder, found.pairs, "facts"),
        "cpu_seconds": round(time.process_time() - began, 1), "environment": environment(),
    }  # fmt: skip
    print("\n".join(table(result)))
    if asked.write:
        print(write_json(asked.out, result))


def table(result: dict[str, Any]) -> list[str]:
    """Return the result as lines of Markdown."""
    lines = [
        "| fact | n | whole caption | one sentence | the sentence, an eye of the other side |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in result["facts"]:
        if row.get("reason"):
            lines.append(f"| {row['fact']} | 0 | {row['reason']} | | |")
            continue
        shares = [row["caption"], row["sentence"], row["sentence"]["with_other_side"]]
        lines.append(f"| {row['fact']} | {row['caption']['n']} | "
                     + " | ".join(_percent(one) for one in shares) + " |")  # fmt: skip
    found, area = result["retrieval"], result["matched_against_shuffled"]["auroc"]
    disc, purified = result["wrong_disc"], result["purify"]
    return [
        *lines, "",
        f"retrieval among {found['among']}: median rank {found['median_rank']:g}, R@1 "
        f"{found['recall_at_1']:.1%}, R@10 {found['recall_at_10']:.1%}; AUROC {area['value']:.3f}",
        f"wrong disc: its score falls {_percent(disc['disc_score_falls'])}, the whole caption's "
        f"{_percent(disc['whole_score_falls'])}; others change by "
        f"{disc['largest_change_of_other_parts']:.1g}",
        *(f"{name}: planted removed {_percent(row['planted_removed'])}, kept set holds "
          f"{row['planted_share_kept']:.1%} of them"
          for name, row in purified.items() if isinstance(row, dict)),
    ]  # fmt: skip


def _percent(one: dict[str, Any]) -> str:
    if one["share"] is None:
        return "-"
    low, high = one["interval"]
    return f"{one['share']:.0%} ({low:.0%} to {high:.0%})"


if __name__ == "__main__":
    main()

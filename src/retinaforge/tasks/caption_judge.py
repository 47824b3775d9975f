"""Judge a captioner: its facts against records, LMOD's failure tags, its words against references.

    told = judge(read_pairs(Path("said")), read_pairs(Path("pairs")))

Facts and tags need the record of the eye and no reference text; likeness of words needs references
and says nothing of truth. A model that was shown the record is judged on how faithfully it repeats;
to judge its eyes, let it write with `--prompt fundus-blind-v1`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from retinaforge.captions.claims import FactScores, fact_scores
from retinaforge.captions.parse import read_claims
from retinaforge.core import Refusal
from retinaforge.core.artefacts import environment, write_json
from retinaforge.tasks.caption_judge_tags import TAGS, failure_tags
from retinaforge.tasks.caption_judge_text import bleu, meteor, rouge_l, words_of
from retinaforge.tasks.pairs import Pair

NO_REFERENCE = "no reference has a text"


def judge(said: Sequence[Pair], truth: Sequence[Pair]) -> dict[str, Any]:
    """Return what captions are worth.

    Args:
        said: images with the captions to judge; the first caption of each.
        truth: the same images with their records, and their texts as references.

    Returns:
        captions and images; tags with the share of captions and its 95 % Wilson interval; facts
        (precision, recall, F1 over all claims and facts); text (BLEU, ROUGE-L, METEOR); a row an
        image.

    Raises:
        Refusal: if no image of `said` is among `truth`.
    """
    known = {pair.name: pair for pair in truth}
    both = [(pair, known[pair.name]) for pair in said if pair.name in known]
    if both and not any(pair.record.facts for _, pair in both):
        raise Refusal(
            "references with records", "images of which nothing is known", "name pairs with facts"
        )
    if not both:
        raise Refusal(
            "captions of images that --against holds",
            f"none of {len(said)} among {len(truth)}",
            "name two folders of pairs of the same images",
        )
    rows = [_row(pair, true) for pair, true in both]
    scores = sum((row.pop("scores") for row in rows), start=FactScores(0, 0, 0, 0, 0))
    return {
        "captions": len(both),
        "not_among_truth": len(said) - len(both),
        "without_caption": len(known) - len({pair.name for pair, _ in both}),
        "writers": sorted({pair.writer for pair, _ in both}),
        "tags": {tag: _share(sum(tag in row["tags"] for row in rows), len(rows)) for tag in TAGS}
        | {"none": _share(sum(not row["tags"] for row in rows), len(rows))},
        "facts": _facts(scores),
        "text": _text(both),
        "rows": rows,
        "environment": environment(),
    }


def write_judged(path: Path, told: Mapping[str, Any]) -> Path:
    """Write what `judge` returned."""
    return write_json(path, told)


def _row(pair: Pair, true: Pair) -> dict[str, Any]:
    scores = fact_scores(read_claims(pair.text).claims, true.record)
    tags = {tag: list(words) for tag, words in failure_tags(pair.text, true.record).items()}
    return {
        "image": pair.name,
        "tags": tags,
        "right": scores.right,
        "wrong": scores.wrong,
        "unknown": scores.unknown,
        "scores": scores,
    }


def _facts(scores: FactScores) -> dict[str, Any]:
    precision, recall = scores.precision, scores.recall
    both = precision + recall
    f1 = 2 * precision * recall / both if both else 0.0 if both == 0 else math.nan
    return {
        **scores._asdict(),
        "precision": _number(precision),
        "recall": _number(recall),
        "f1": _number(f1),
        "meaning": "precision: claims that the record bears out, of all claims; recall: facts of "
        "the record that may be stated unasked and are told",
    }


def _text(both: Sequence[tuple[Pair, Pair]]) -> dict[str, Any]:
    """Return likeness of words over the pairs whose reference has a text."""
    kept = [
        (words_of(pair.text), references)
        for pair, true in both
        if (references := [w for text in (true.texts or (true.text,)) if (w := words_of(text))])
    ]
    if not kept:
        return {"bleu": None, "rouge_l": None, "meteor": None, "n": 0, "reason": NO_REFERENCE}
    return {
        "bleu": _number(bleu([e for e, _ in kept], [refs for _, refs in kept])),
        "rouge_l": _number(fmean(rouge_l(e, refs) for e, refs in kept)),
        "meteor": _number(fmean(meteor(e, refs) for e, refs in kept)),
        "n": len(kept),
        "meaning": "BLEU-4 of the corpus without smoothing; ROUGE-L F1 and METEOR (exact matches "
        "only) as means over captions, the best of the paraphrases each",
    }


def _share(part: int, whole: int) -> dict[str, Any]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(part, whole, method="wilson")
    return {"captions": part, "share": part / whole, "low": float(low), "high": float(high)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value

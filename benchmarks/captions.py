"""Captions by the grammar: how fast, how varied, how long; and what the parser reads back.

Random records (`tests/captions/caption_cases.py`) and 30 captions written by hand
(`tests/captions/free_captions.py`). CPU seconds of one process.

Run: OMP_NUM_THREADS=1 python benchmarks/captions.py [--out benchmarks/results/captions.json]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.captions.claims import FactScores, fact_scores
from retinaforge.captions.lint import LintRules, lint
from retinaforge.captions.parse import read_claims
from retinaforge.captions.record import EyeRecord
from retinaforge.captions.template import STYLES, Caption, Style, write_caption_with_sources
from retinaforge.core.artefacts import environment, write_json

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "captions"))

from caption_cases import random_record  # noqa: E402
from free_captions import READ_BEFORE, UNSEEN, Said, record_of  # noqa: E402

NONE = FactScores(0, 0, 0, 0, 0)


def rate(work: Callable[[Any], Any], items: Sequence[Any]) -> float:
    """Return items a CPU second."""
    start = time.process_time()
    for each in items:
        work(each)
    return round(len(items) / (time.process_time() - start), 1)


def own(style: Style, number: int) -> dict[str, Any]:
    """Return speed, length, variety and read-back of one style's captions."""
    rng = np.random.default_rng(number)
    records = [random_record(rng) for _ in range(number)]
    made: list[Caption] = []
    speed = rate(
        lambda each: made.append(
            write_caption_with_sources(each, rng=rng, style=style, diagnosis=True, person=True)
        ),
        records,
    )
    scores, findings = NONE, 0
    for record, caption in zip(records, made, strict=True):
        stated = EyeRecord("a.png", {name: record.facts[name] for name in caption.facts()})
        claims = read_claims(caption.text).claims
        scores += fact_scores(claims, stated, facts=caption.facts())
        findings += len(lint(caption.text, record, LintRules(diagnosis=True, words=(0, 999))))
    read_claims.cache_clear()
    words = [len(each.text.split()) for each in made]
    return {
        "records": number,
        "captions_per_s": speed,
        "read_per_s": rate(lambda each: read_claims(each.text), made[:300]),
        "different_captions": len({each.text for each in made}),
        "different_sentences": len({line.text for each in made for line in each.sentences}),
        "words_median": float(np.median(words)),
        "words_range": [min(words), max(words)],
        "too_few_facts": sum(bool(each.note) for each in made),
        "lint_findings": findings,
        **shares(scores),
    }


def free(captions: Sequence[tuple[str, Said]]) -> dict[str, Any]:
    """Return precision and recall on captions written by hand."""
    total = NONE
    for text, said in captions:
        total += fact_scores(read_claims(text).claims, record_of(said), facts=tuple(said))
    return {"captions": len(captions), **shares(total)}


def shares(scores: FactScores) -> dict[str, Any]:
    """Return the counts and the two shares."""
    return {**scores._asdict(), "precision": scores.precision, "recall": scores.recall}


def main() -> None:
    """Measure and write the results."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/captions.json")
    asked.add_argument("--records", type=int, default=1000)
    options = asked.parse_args()
    results = {
        "environment": environment(),
        "own": {style: own(style, options.records) for style in STYLES},
        "free": {"read_before": free(READ_BEFORE), "unseen": free(UNSEEN)},
    }
    write_json(options.out, results)
    print(options.out)


if __name__ == "__main__":
    main()

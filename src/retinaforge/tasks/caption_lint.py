"""Every caption of a set against its record: findings by code, facts told, numbers off, tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from retinaforge.captions.claims import fact_scores
from retinaforge.captions.lint import LintRules, NumberChecked, UnknownTokens, lint, numbers
from retinaforge.captions.lint_codes import CODES, Finding
from retinaforge.captions.parse import read_claims
from retinaforge.core.artefacts import environment
from retinaforge.tasks.pairs import Pair

WORST = 5
NEEDS_RECORD = frozenset(("unsupported", "count-unchecked", "disc-side"))
Row = dict[str, Any]


def lint_pairs(
    pairs: Sequence[Pair],
    rules: LintRules,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Row, list[Row]]:
    """Return the sums over all captions, paraphrases too, and a row for each with a finding.

    Args:
        pairs: captioned images with their records.
        rules: what a caption is held to.
        on_progress: called with (images done, images).
    """
    rows: list[Row] = []
    checked: list[tuple[str, NumberChecked]] = []
    facts: Counter[str] = Counter()
    tokens: list[int] = []
    strange: Counter[str] = Counter()
    captions = 0
    for done, pair in enumerate(pairs, 1):
        for text in _captions(pair):
            captions += 1
            if pair.record.facts:
                facts.update(_facts(text, pair))
                checked += [(pair.name, each) for each in numbers(text, pair.record, rules)]
            if rules.tokens is not None:
                tokens.append(rules.tokens(text))
            if rules.unknown is not None:
                strange.update(_strange(text, rules.unknown))
            if found := _findings(text, pair, rules):
                rows.append(
                    {"image": pair.name, "text": text, "findings": [f._asdict() for f in found]}
                )
        if on_progress:
            on_progress(done, len(pairs))
    told = {
        "captions": captions, "images": len(pairs), "with_findings": len(rows),
        "without_record": sum(not pair.record.facts for pair in pairs),
        "missing_images": [pair.name for pair in pairs if not pair.path.is_file()],
        "codes": _codes(rows), "facts": _shares(facts), "numbers": _numbers(checked),
        "tokens": _tokens(tokens, rules.most_tokens, strange), "environment": environment(),
    }  # fmt: skip
    return told, rows


def has_error(row: Row) -> bool:
    """Say whether a caption has a finding that is an error, not a warning."""
    return any(each["severity"] == "error" for each in row["findings"])


def _captions(pair: Pair) -> tuple[str, ...]:
    return pair.texts if pair.text in pair.texts else (pair.text, *pair.texts)


def _findings(text: str, pair: Pair, rules: LintRules) -> list[Finding]:
    """Return what is wrong; of an image of which nothing is known, only what needs no record."""
    found = lint(text, pair.record, rules)
    return found if pair.record.facts else [f for f in found if f.code not in NEEDS_RECORD]


def _facts(text: str, pair: Pair) -> dict[str, int]:
    scores = fact_scores(read_claims(text).claims, pair.record)
    return {name: getattr(scores, name) for name in ("right", "wrong", "unknown", "told", "untold")}


def _codes(rows: Sequence[Row]) -> dict[str, Row]:
    """Return, for each code that occurs, its severity, its captions and its findings."""
    findings = Counter(each["code"] for row in rows for each in row["findings"])
    captions = Counter(code for row in rows for code in {f["code"] for f in row["findings"]})
    return {
        code.name: {
            "severity": code.severity, "captions": captions[code.name],
            "findings": findings[code.name], "meaning": code.meaning,
        }
        for code in CODES
        if findings[code.name]
    }  # fmt: skip


def _shares(facts: Counter[str]) -> Row:
    """Return counts with precision (claims borne out) and recall (facts told); None for none."""
    claims = facts["right"] + facts["wrong"] + facts["unknown"]
    known = facts["told"] + facts["untold"]
    return {
        **facts,
        "precision": facts["right"] / claims if claims else None,
        "recall": facts["told"] / known if known else None,
    }


def _numbers(checked: Sequence[tuple[str, NumberChecked]]) -> Row:
    """Return how many numbers were said, how many are off, and the worst in tolerances' order."""
    wrong = [(image, each) for image, each in checked if not each.right]
    known = [(i, n) for i, n in wrong if np.isfinite(n.error)]
    worst = sorted(known, key=lambda item: -abs(item[1].error) / max(abs(item[1].measured), 1e-9))
    return {
        "said": len(checked), "wrong": len(wrong), "unmeasured": len(wrong) - len(known),
        "worst": [{"image": image, **each._asdict()} for image, each in worst[:WORST]],
    }  # fmt: skip


def _strange(text: str, unknown: Callable[[str], UnknownTokens]) -> Row:
    found = unknown(text)
    return {"tokens": found.tokens, "unknown": found.unknown, "captions": int(found.unknown > 0)}


def _tokens(counts: Sequence[int], most: int, strange: Counter[str]) -> Row | None:
    """Return the lengths in tokens of the text encoder; None where none was named."""
    if not counts:
        return None
    return {
        "most_read": most, "truncated": int(np.sum(np.asarray(counts) > most)),
        "median": float(np.median(counts)), "longest": int(max(counts)),
        "with_unknown": strange["captions"],
        "unknown_share": strange["unknown"] / strange["tokens"] if strange["tokens"] else 0.0,
    }  # fmt: skip

"""Which statements of one caption exclude each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from retinaforge.captions.claims import GROUPS, Claim
from retinaforge.captions.facts_catalogue import FACT
from retinaforge.captions.lint_codes import Finding, finding


def contradictions(claims: Sequence[Claim]) -> Iterator[Finding]:
    """Yield a finding for each pair of plain claims that cannot both be true."""
    plain = [claim for claim in claims if not claim.hedged]
    for first, second in combinations(plain, 2):
        if _about_the_same(first, second) and _exclude(first, second):
            said = f'"{_said(second)}" after "{_said(first)}"'
            yield finding("contradicts-itself", said, second.span, _said(first), _said(second))


def _said(claim: Claim) -> str:
    return f"no {claim.words}" if claim.negated else claim.words


def _about_the_same(first: Claim, second: Claim) -> bool:
    """The same fact, or a group and one of its facts."""
    if first.fact == second.fact:
        return True
    group, other = (first, second) if first.fact in GROUPS else (second, first)
    return other.fact in GROUPS.get(group.fact, ()) and group.negated and not other.negated


def _exclude(first: Claim, second: Claim) -> bool:
    if first.fact != second.fact:
        return True
    if first.is_count and _apart(first, second):
        return False
    if first.negated and second.negated:
        return False
    if first.negated != second.negated:
        return first.is_count or first.value == second.value or _denied(first, second)
    if first.is_count or FACT[first.fact].kind in ("number", "grade"):
        return first.high < second.low or second.high < first.low
    return first.value != second.value and FACT[first.fact].kind != "text"


def _denied(first: Claim, second: Claim) -> bool:
    """Say whether a grade is among those denied: "no retinopathy", then a moderate one."""
    denied, other = (first, second) if first.negated else (second, first)
    return denied.low <= other.low and other.high <= denied.high


def _apart(first: Claim, second: Claim) -> bool:
    """Two here and three there, or none here and some elsewhere, do not exclude each other."""
    if first.negated != second.negated:
        denied = first if first.negated else second
        other = second if first.negated else first
        return bool(denied.places) and not set(denied.places) & set(other.places)
    return first.places != second.places

"""Which claims cannot hold together, within one text or between drafts, and which agree."""

from __future__ import annotations

from collections.abc import Sequence

from retinaforge.captions.claims import GROUPS, Claim
from retinaforge.captions.facts_catalogue import FACT
from retinaforge.captions.lint_pairs import contradictions


def clash(a: Claim, b: Claim) -> bool:
    """Say whether two plain claims cannot both hold; a hedged one clashes with nothing."""
    return any(True for _ in contradictions((a, b)))


def supports(a: Claim, b: Claim) -> bool:
    """Say whether `b` says what `a` says: the same fact, the same way, nothing against it."""
    return a.fact == b.fact and denies(a) == denies(b) and not clash(a, b)


def denies(claim: Claim) -> bool:
    """Say whether a claim says that something is not there: "no drusen", "0 drusen"."""
    if claim.fact not in GROUPS and FACT[claim.fact].kind == "flag":
        return bool(claim.value) == claim.negated
    return claim.negated or claim.high == 0


def against(claim: Claim, drafts: Sequence[Sequence[Claim]]) -> int:
    """Return how many drafts hold a claim that clashes with this one."""
    return sum(any(clash(claim, other) for other in draft) for draft in drafts)


def votes_for(claim: Claim, drafts: Sequence[Sequence[Claim]]) -> int:
    """Return how many drafts say what this claim says."""
    return sum(any(supports(claim, other) for other in draft) for draft in drafts)

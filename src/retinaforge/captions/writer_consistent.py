"""Several drafts of one caption; what most of them say is kept.

After Fundus-R1, which samples several traces of reasoning from a general model and keeps those that
agree with each other and with the public label. Here a draft is dropped that contradicts itself,
the record, or the majority; of the rest the one is kept whose claims the others share most. What a
draft claims is read by `captions.parse`, so what the parser does not know has no vote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from retinaforge.captions.answers_clash import against, votes_for
from retinaforge.captions.claims import Claim, agrees
from retinaforge.captions.lint_pairs import contradictions
from retinaforge.captions.parse import read_claims
from retinaforge.captions.record import EyeRecord
from retinaforge.captions.writer import (
    ANSWERED,
    REFUSED,
    CaptionAnswer,
    CaptionRequest,
    Writer,
    joined,
)

Claimed = Sequence[Claim]


@dataclass(frozen=True)
class Choice:
    """Which draft is kept, and why others are not.

    Attributes:
        kept: its place among the drafts; None where all were dropped.
        itself, record, outvoted: drafts that contradict themselves, the record, the majority.
        agreement: mean share of drafts behind the claims of the kept one, 0 to 1.
    """

    kept: int | None
    itself: int = 0
    record: int = 0
    outvoted: int = 0
    agreement: float = 0.0

    def words(self, samples: int) -> str:
        """Return the choice as a note."""
        return (
            f"{samples} drafts: {self.itself} contradict themselves, {self.record} the record, "
            f"{self.outvoted} the majority; agreement {self.agreement:.2f}"
        )


def choose(drafts: Sequence[Claimed], record: EyeRecord) -> Choice:
    """Return which of some drafts to keep.

    A claim has the votes of the drafts that say the same; a draft is outvoted where more drafts
    contradict one of its claims than say it. Of the others the one with the largest
    sum over its claims of (votes - contradictions) / drafts - 1/2 is kept, the earliest of equals:
    claims of the majority count for it, claims of its own count against it.

    Args:
        drafts: the claims of each.
        record: what is known of the eye.
    """
    itself = [any(True for _ in contradictions(draft)) for draft in drafts]
    wrong = [any(_wrong(claim, record) for claim in draft) for draft in drafts]
    sound = [n for n in range(len(drafts)) if not itself[n] and not wrong[n]]
    voters = [drafts[n] for n in sound]
    good = [n for n in sound if not _outvoted(drafts[n], voters)]
    counts = sum(itself), sum(w and not i for w, i in zip(wrong, itself, strict=True))
    if not good:
        return Choice(None, *counts, len(sound) - len(good))
    kept = max(good, key=lambda n: (_score(drafts[n], voters), -n))
    shares = [votes_for(claim, voters) / len(voters) for claim in drafts[kept]]
    agreement = sum(shares) / len(shares) if shares else 1.0
    return Choice(kept, *counts, len(sound) - len(good), agreement)


def _wrong(claim: Claim, record: EyeRecord) -> bool:
    return not claim.hedged and agrees(claim, record) is False


def _outvoted(draft: Claimed, voters: Sequence[Claimed]) -> bool:
    return any(against(claim, voters) > votes_for(claim, voters) for claim in draft)


def _score(draft: Claimed, voters: Sequence[Claimed]) -> float:
    return sum(
        (votes_for(claim, voters) - against(claim, voters)) / len(voters) - 0.5 for claim in draft
    )


class SelfConsistentWriter:
    """Asks another writer several times and keeps what most drafts say.

    Args:
        inner: writes the drafts; with a temperature above 0, or they are all the same.
        samples: drafts a caption, at least 2; 3 or more for a majority.
    """

    def __init__(self, inner: Writer, samples: int) -> None:
        self.inner, self.samples = inner, samples
        self.name, self.version = inner.name, f"{inner.version}, best of {samples}"
        self.looks, self.leaves, self.threads = inner.looks, inner.leaves, inner.threads

    def write(self, request: CaptionRequest) -> CaptionAnswer:
        """Return the draft that is kept, with the tokens and the cost of all; else a refusal."""
        heard = [
            # Far apart, since an endpoint takes the next seed for a second try of its own.
            self.inner.write(replace(request, seed=(request.seed + 1009 * n) % 2**63))
            for n in range(self.samples)
        ]
        drafts = [answer for answer in heard if answer.status == ANSWERED]
        if not drafts:
            return joined(heard[0], heard)
        choice = choose([read_claims(each.text).claims for each in drafts], request.record)
        note = choice.words(len(drafts))
        if choice.kept is None:
            none = replace(drafts[0], text="", fields={}, status=REFUSED, reason=note)
            return joined(none, heard)
        kept = drafts[choice.kept]
        return joined(replace(kept, notes=(*kept.notes, note)), heard)

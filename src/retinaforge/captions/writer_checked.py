"""A writer whose captions are checked against the record; a wrong one may be asked for again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from retinaforge.captions.record import EyeRecord
from retinaforge.captions.writer import (
    ANSWERED,
    CaptionAnswer,
    CaptionRequest,
    Writer,
    joined,
)

Check = Callable[[str, EyeRecord], list[str]]
"""From a caption and what is known of the eye to what is wrong with it, a sentence each."""


class CheckedWriter:
    """Marks what is wrong with captions, and sends them back with it.

    Of several rounds the caption with the fewest findings is kept, the earliest of equals; its
    findings stand in the answer, so that no lie goes on unmarked.

    Args:
        inner: writes.
        check: finds what is wrong.
        rounds: how often a caption is asked for at most; 1 only marks.
        label: what `check` is; a change makes answers of an earlier run be asked for again.
    """

    def __init__(self, inner: Writer, check: Check, rounds: int = 1, label: str = "lint") -> None:
        self.inner, self.check, self.rounds = inner, check, rounds
        self.name, self.version = inner.name, f"{inner.version}, {label}, {rounds} rounds"
        self.looks, self.leaves, self.threads = inner.looks, inner.leaves, inner.threads

    def write(self, request: CaptionRequest) -> CaptionAnswer:
        """Return the best of the rounds, with the tokens and the cost of all."""
        heard: list[CaptionAnswer] = []
        for _ in range(self.rounds):
            answer = self.inner.write(request)
            if answer.status != ANSWERED:
                heard.append(answer)
                break
            findings = tuple(self.check(answer.text, request.record))
            heard.append(replace(answer, findings=findings))
            if not findings:
                break
            request = replace(
                request, draft=answer.text, findings=findings, seed=(request.seed + 1) % 2**63
            )
        return joined(min(heard, key=_badness), heard)


def _badness(answer: CaptionAnswer) -> tuple[bool, int]:
    return answer.status != ANSWERED, len(answer.findings)

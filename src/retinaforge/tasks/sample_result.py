"""What a run of sampling tells: while it runs, and when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from retinaforge.generators.text_unknown import Unknown
from retinaforge.tasks.sample_conditions import TROUBLE
from retinaforge.tasks.sample_draw import SamplePlan
from retinaforge.tasks.sample_painter import Painter
from retinaforge.tasks.sample_requests import BadCaption, Request, texts_of


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        done: images done, parts of images in the present batch included.
        images: in all.
        images_per_s: drawn a second, in this sitting.
        seconds_left: at this speed.
    """

    done: float
    images: int
    images_per_s: float
    seconds_left: float


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class SampleResult:
    """What became of a run.

    Attributes:
        written: images drawn in this sitting.
        kept: images that were there.
        failed: (image, caption's source, reason) of those that could not be drawn.
        bad_captions: rows of the captions' file that held none.
        captions: different captions.
        truncated: captions that are longer than the text encoder reads, with their tokens.
        max_tokens: what it reads.
        unknown: captions with words that the text encoder never learnt, and how many tokens.
        seconds: of this sitting.
        images_per_s: in this sitting; 0 if it drew none.
        notes: what a user should know.
    """

    written: int
    kept: int
    failed: tuple[tuple[str, str, str], ...]
    bad_captions: tuple[BadCaption, ...]
    captions: int
    truncated: tuple[tuple[str, int], ...]
    max_tokens: int
    seconds: float
    images_per_s: float
    notes: tuple[str, ...] = field(default=())
    unknown: tuple[tuple[str, Unknown], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            **asdict(self),
            "failed": [
                dict(zip(("image", "source", "reason"), one, strict=True)) for one in self.failed
            ],
            "bad_captions": [one._asdict() for one in self.bad_captions],
            "truncated": {
                "count": len(self.truncated),
                "captions": [{"text": text, "tokens": n} for text, n in self.truncated[:100]],
            },
            "unknown": {
                "count": len(self.unknown),
                "captions": [
                    {"text": text, "share": found.share, **asdict(found)}
                    for text, found in self.unknown[:100]
                ],
            },
        }


class Counts(Protocol):
    """What is needed of a sitting."""

    written: int
    kept: int
    drawn: int
    batch: int
    started: float
    failed: list[tuple[str, str, str]]


def result_of(
    run: Counts,
    painter: Painter,
    plan: SamplePlan,
    requests: Sequence[Request],
    bad_captions: Sequence[BadCaption],
) -> SampleResult:
    seconds = time.monotonic() - run.started
    texts = texts_of(requests)
    most = painter.text_encoder.max_tokens
    counts = _counts(painter, texts)
    return SampleResult(
        written=run.written,
        kept=run.kept,
        failed=tuple(run.failed),
        bad_captions=tuple(bad_captions),
        captions=len(texts),
        truncated=tuple((t, n) for t, n in zip(texts, counts, strict=True) if n > most),
        max_tokens=most,
        seconds=round(seconds, 3),
        images_per_s=round(run.drawn / seconds, 4) if run.drawn else 0.0,
        notes=_notes(run, painter, plan),
        unknown=tuple(unlearnt(painter, texts)),
    )


def unlearnt(painter: Painter, texts: Sequence[str]) -> list[tuple[str, Unknown]]:
    """Return the captions with words that the text encoder never learnt, most of them first."""
    look = getattr(painter.text_encoder, "unknown", None)  # stand-ins have no tokeniser
    if look is None:
        return []
    found = [(text, one) for text, one in zip(texts, look(texts), strict=True) if one.unknown]
    return sorted(found, key=lambda pair: -pair[1].share)


def _counts(painter: Painter, texts: Sequence[str]) -> list[int]:
    """Return the tokens of each text; 0 where it has none, which was named already."""
    try:
        return list(painter.text_encoder.count(texts)) if texts else []
    except TROUBLE:
        if len(texts) == 1:
            return [0]
        middle = len(texts) // 2
        return _counts(painter, texts[:middle]) + _counts(painter, texts[middle:])


def _notes(run: Counts, painter: Painter, plan: SamplePlan) -> tuple[str, ...]:
    notes = []
    if run.batch < plan.batch:
        notes.append(f"memory took batches of {run.batch}, not {plan.batch}")
    side = min(int(word) for word in plan.size.lower().replace("×", "x").split("x"))
    if painter.trained_px not in (None, side):
        notes.append(f"drawn at {side} px by a generator that learnt at {painter.trained_px} px")
    return tuple(notes)

"""One contract for all that write captions: a grammar, a model behind an address, a model in here.

A writer gets what is known of one eye, and its photograph where it wants to look, and answers with
words or with the reason why there are none. It never raises for one eye: what is wrong with one
request is an answer that failed, what is wrong with every request (a wrong key, a model that is not
there) is a `Refusal` that ends the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from retinaforge.captions.record import EyeRecord

Image = np.ndarray | bytes
ANSWERED, REFUSED, FAILED = "answered", "refused", "failed"


@dataclass(frozen=True)
class CaptionRequest:
    """What a writer is asked.

    Attributes:
        record: what is known of the eye.
        image: the photograph, uint8 (height, width, 3) or an encoded file; None where the writer
            looks at none.
        seed: of this request alone, so that the order of requests changes no caption.
        draft: an earlier answer to the same request that was found wanting; "" on the first round.
        findings: what was wrong with it, a sentence each.
    """

    record: EyeRecord
    image: Image | None = None
    seed: int = 0
    draft: str = ""
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaptionAnswer:
    """What a writer answered.

    Attributes:
        text: the caption, one paragraph; "" unless `status` is "answered".
        fields: structured output beside it (optic_disc, macula, ...); empty where there was none.
        status: "answered"; "refused" (it answered, and not with a caption: empty, an apology, a
            content filter, cut off); "failed" (no answer came: no connection, time-out, HTTP 5xx).
        reason: why there is no caption; "" where there is one.
        tokens_in, tokens_out: as the server counted them, over all attempts that it answered; None
            where it did not say.
        cost: in the currency of the user's prices; NaN where prices or tokens are unknown, never 0
            for unknown.
        seconds: from the first attempt to the answer, pauses included.
        model: as the server named it; the writer's name where there is no server.
        prompt: name and version of the prompt file; "" for a grammar.
        attempts: requests sent.
        structure: "schema" (the server kept to the schema), "parsed" (it did not promise to, the
            answer held JSON all the same), "plain" (no JSON: the whole answer is the caption), ""
            for a grammar.
        notes: what else a reader of the journal should know.
        findings: what a check of the text against the record found wrong; () where it found
            nothing or nobody checked.
    """

    text: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    status: str = ANSWERED
    reason: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float = math.nan
    seconds: float = math.nan
    model: str = ""
    prompt: str = ""
    attempts: int = 1
    structure: str = ""
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Say whether an answer came that is no caption."""
        return self.status == REFUSED

    def as_row(self) -> dict[str, Any]:
        """Return plain data for JSON; what is not a number is None there."""
        row = asdict(self) | {"fields": dict(self.fields)}
        row |= {"notes": list(self.notes), "findings": list(self.findings)}
        return {
            key: None if isinstance(v, float) and math.isnan(v) else v for key, v in row.items()
        }


def answer_from_row(row: Mapping[str, Any]) -> CaptionAnswer:
    """Return the answer that `as_row` wrote down; other keys are passed over."""
    known = {key: row[key] for key in CaptionAnswer.__dataclass_fields__ if key in row}
    numbers = {k: math.nan if known.get(k) is None else known[k] for k in ("cost", "seconds")}
    lists = {key: tuple(known.get(key, ())) for key in ("notes", "findings")}
    return CaptionAnswer(**{**known, **numbers, **lists})


def joined(kept: CaptionAnswer, all_: Sequence[CaptionAnswer]) -> CaptionAnswer:
    """Return one answer of several, with the tokens, cost, time and attempts of all."""
    return replace(
        kept,
        tokens_in=total([each.tokens_in for each in all_]),
        tokens_out=total([each.tokens_out for each in all_]),
        cost=sum(each.cost for each in all_),
        seconds=sum(each.seconds for each in all_),
        attempts=sum(each.attempts for each in all_),
    )


@runtime_checkable
class Writer(Protocol):
    """Anything that writes captions.

    Attributes:
        name: short, goes into the pairs ("template", "gpt-…", "llava-…").
        version: changes whenever the same request may get another answer: hash of prompt and
            settings. Answers of another version are not taken up by a resumed run.
        looks: needs the photograph.
        leaves: the host that photographs and records are sent to; "" where they stay here.
        threads: how many requests may be asked at a time; 1 where the writer is not thread-safe.
    """

    name: str
    version: str
    looks: bool
    leaves: str
    threads: int

    def write(self, request: CaptionRequest) -> CaptionAnswer:
        """Return the answer to one request."""
        ...


def total(values: list[int | None]) -> int | None:
    """Return the sum; None where one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) and values else None

"""What a captioning run counted: answers, refusals, tokens, cost; and its file."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retinaforge.captions.writer import ANSWERED, FAILED, REFUSED, CaptionAnswer, Writer
from retinaforge.core.artefacts import environment, write_json
from retinaforge.tasks.pairs import Pair

if TYPE_CHECKING:
    from retinaforge.tasks.caption_run import Missing, RunOptions

NAME, NOT_ASKED = "captions_run.json", "not asked"


@dataclass
class Sums:
    """Counted while a run goes; answers of an earlier run of the folder count too.

    Attributes:
        statuses: answers by status.
        resumed: answers that were there already.
        retried: captions that took more than one request.
        attempts: requests sent.
        priced, spent: captions whose cost is known, and their cost.
        unpriced: answers whose cost is not known; one that never came is none of them.
        findings: captions with findings.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    structures: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    resumed: int = 0
    retried: int = 0
    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    uncounted: int = 0
    priced: int = 0
    unpriced: int = 0
    spent: float = 0.0
    seconds: float = 0.0
    findings: int = 0

    @property
    def done(self) -> int:
        """Return how many captions were answered, refused or failed."""
        return self.statuses.total()

    def add(self, answer: CaptionAnswer, *, resumed: bool = False) -> None:
        """Count one answer."""
        self.statuses[answer.status] += 1
        self.resumed += resumed
        self.retried += answer.attempts > 1
        self.attempts += answer.attempts
        self.findings += bool(answer.findings)
        self.kinds.update(kind_of(finding) for finding in answer.findings)
        self.notes.update(answer.notes if answer.prompt else ())
        if answer.status == ANSWERED:
            self.models[answer.model] += 1
            self.structures[answer.structure or "none"] += 1
        if answer.tokens_in is None or answer.tokens_out is None:
            self.uncounted += answer.status != FAILED
        else:
            self.tokens_in += answer.tokens_in
            self.tokens_out += answer.tokens_out
        if math.isnan(answer.cost):
            self.unpriced += answer.status != FAILED or answer.tokens_in is not None
        else:
            self.priced += 1
            self.spent += answer.cost
        if not math.isnan(answer.seconds):
            self.seconds += answer.seconds

    @property
    def cost(self) -> float:
        """Return the cost of all answers; NaN if that of one is not known."""
        return math.nan if self.unpriced else self.spent


def kind_of(finding: str) -> str:
    """Return the kind of a finding: what stands before its colon."""
    head, colon, _ = finding.partition(":")
    return head if colon and re.fullmatch(r"[\w -]{1,40}", head) else "other"


def summary(
    writer: Writer, pairs: Sequence[Pair], missing: Sequence[Missing], sums: Sums,
    about: dict[str, Any], options: RunOptions, folder: Path,
) -> dict[str, Any]:  # fmt: skip
    """Return what a run made, and write it to captions_run.json."""
    told = {
        "writer": {"name": writer.name, "version": writer.version, "leaves": writer.leaves}
        | about,
        "options": {"seed": options.seed, "captions_per_image": options.count,
                    "strict": options.strict},
        "images": len(pairs),
        "captions": sum(len(pair.texts) for pair in pairs),
        "counts": {name: sums.statuses[name] for name in (ANSWERED, REFUSED, FAILED)}
        | {"missing": len(missing), "retried": sums.retried, "resumed": sums.resumed,
           "requests": sums.attempts, "with_findings": sums.findings},
        "findings": dict(sums.kinds.most_common()),
        "structure": dict(sums.structures),
        "models": dict(sums.models),
        "notes": dict(sums.notes),
        "tokens": {"in": sums.tokens_in, "out": sums.tokens_out, "uncounted": sums.uncounted},
        "cost": _cost(sums, missing, str(about.get("price", {}).get("currency", ""))),
        "seconds_of_requests": round(sums.seconds, 3),
        "missing": [row._asdict() for row in missing],
        "environment": environment(),
    }  # fmt: skip
    write_json(folder / NAME, told)
    return told


def _cost(sums: Sums, missing: Sequence[Missing], currency: str) -> dict[str, Any]:
    """Return the cost with how much of it is known; None where something is not."""
    return {
        "value": None if sums.unpriced else round(sums.spent, 6),
        "known_part": round(sums.spent, 6) if sums.priced else None,
        "currency": currency,
        "captions_of_unknown_cost": sums.unpriced,
        "stopped_by_budget": any(row.status == NOT_ASKED for row in missing),
    }

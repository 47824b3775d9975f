"""What a training came to, and the file that says it is done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from retinaforge.core import artefacts
from retinaforge.training import checkpoint, journal

RESULT, MODEL = "result.json", "model"


@dataclass(frozen=True)
class TrainResult:
    """What `train` returns.

    Attributes:
        state: "trained", or "found done" where an earlier call had finished.
        model_folder: the averaged weights, diffusers-shaped.
        steps: steps done, skipped ones included.
        seconds: spent in them, over all sittings.
        images_per_s: over all processes.
        skipped: steps that were left out because of a batch or a gradient that was not finite.
        precision: bf16 or fp32.
        losses: means of total and terms over the last lines of the log.
        peak_codebook_use: highest part of the codebook in use within one log window, 0 to 1.
        events: what was unusual, as in events.jsonl.
    """

    state: Literal["trained", "found done"]
    model_folder: Path
    steps: int
    seconds: float
    images_per_s: float
    skipped: int
    precision: str
    losses: dict[str, float | None] = field(default_factory=dict)
    peak_codebook_use: float = 0.0
    events: tuple[dict[str, Any], ...] = ()


def find_done(folder: Path, facts: dict[str, Any]) -> TrainResult | None:
    """Return the result of a finished training, or None.

    Raises:
        Refusal: if it was finished under another configuration.
    """
    path = folder / RESULT
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    checkpoint.compare(content.pop("facts"), facts, folder)
    events = tuple(journal.read(folder / journal.EVENTS))
    return TrainResult("found done", folder / MODEL, **content, events=events)


def write_done(result: TrainResult, facts: dict[str, Any], folder: Path) -> None:
    """Write result.json, the last file of a training."""
    content = asdict(result)
    for name in ("state", "model_folder", "events"):
        del content[name]
    artefacts.write_json(folder / RESULT, journal.plain(content | {"facts": facts}))

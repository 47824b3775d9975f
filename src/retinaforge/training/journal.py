"""The run's log.jsonl (numbers, one line per log_every) and events.jsonl (what was unusual)."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from retinaforge.core import artefacts

LOG, EVENTS = "log.jsonl", "events.jsonl"
narration = logging.getLogger("retinaforge.training")


def plain(value: Any) -> Any:
    """Return the value as JSON knows it: NaN and infinities become None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def append(path: Path, line: dict[str, Any]) -> None:
    """Append one JSON line.

    Raises:
        DiskFull: if the file system took no more.
    """
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(plain(line), allow_nan=False) + "\n")
    except OSError as error:
        raise artefacts.DiskFull(
            f"could not write {path}: {error.strerror or error}; "
            "free some space and run the same command again, it resumes"
        ) from error


def note(folder: Path, step: int, event: str, detail: str) -> None:
    """Write an event down and narrate it."""
    narration.warning("step %d: %s: %s", step, event, detail)
    append(folder / EVENTS, {"step": step, "event": event, "detail": detail})


def read(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal; a line cut off by a kill is left out."""
    lines = []
    if path.exists():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                continue
    return lines


def cut_back(folder: Path, step: int) -> None:
    """Drop what was journalled after `step`, so that a resumption writes no line twice."""
    for path in (folder / LOG, folder / EVENTS):
        kept = [line for line in read(path) if line["step"] <= step]
        if path.exists():
            artefacts.write_text(path, "".join(json.dumps(line) + "\n" for line in kept))

"""The journal of a run: a line an eye, written as soon as it is measured; resuming reads it.

A line is one eye's row with the key of what it was measured from: files by size and time of
change, landmarks, settings. A row whose key is not that of the job any more is measured again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retinaforge.tasks.line_journal import LineJournal
from retinaforge.tasks.vessel_jobs import Job
from retinaforge.tasks.vessel_work import Row, Settings

NAME = "rows.jsonl"


def key_of(job: Job, settings: Settings) -> str:
    """Return what a row depends on, hashed; files by name, size and time of change."""
    files = {
        kind: _stamp(path)
        for kind, path in sorted(
            {**job.masks, **({"photo": job.photo} if job.photo else {})}.items()
        )
    }
    content = [job.name, job.stem, job.cropped, job.lesion_kinds, files, asdict(job.landmarks),
               asdict(settings)]  # fmt: skip
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]


def _stamp(path: Path) -> list[Any]:
    try:
        found = path.stat()
    except OSError:
        return [path.name, None]
    return [path.name, found.st_size, found.st_mtime_ns]


def vessel_journal(folder: Path) -> LineJournal:
    """Return the journal of a folder, a row an eye."""
    return LineJournal(folder / NAME, ("key",))


def rows_of(journal: LineJournal, keys: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of these keys, in their order."""
    for key in keys:
        row = journal.row(key)
        if row is not None:
            yield row

"""Measure the vessels of a folder: masks, maps, overlays, graphs and one table of biomarkers.

    OUT/rows.jsonl             a line an eye, written as it is measured: what resuming reads
    OUT/masks, probabilities, artery_vein, overlays, graphs     files of each eye
    OUT/lesions/KIND                                            where lesions were looked for
    OUT/uncertainty, uncertainty_overlays                       where several judges disagree
    OUT/biomarkers, reasons    .csv and .parquet, in the order of the folder
    OUT/summary.json           what the page shows;  OUT/environment.json   what made it

An eye's files are whole before its line is written, and the tables are made from the lines, so a
run that is killed loses the eyes in hand and nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from retinaforge.core import Landmarks, Refusal
from retinaforge.core.artefacts import environment, write_json
from retinaforge.tasks.crew import work_through
from retinaforge.tasks.landmarks_table import first_known, landmarks_for
from retinaforge.tasks.line_journal import LineJournal
from retinaforge.tasks.vessel_finders import NOBODY, cards_of
from retinaforge.tasks.vessel_jobs import Job
from retinaforge.tasks.vessel_journal import key_of, rows_of, vessel_journal
from retinaforge.tasks.vessel_tables import write_tables
from retinaforge.tasks.vessel_work import Row, Settings, measure_keyed
from retinaforge.vessels.biomarkers import BIOMARKERS

Progress = Callable[[int, int], None]
CLAIM = "settings.json"
KILLED = "its process was killed, as by the system when memory runs out; try fewer --workers"


@dataclass(frozen=True)
class Measured:
    """What came of a folder.

    Attributes:
        summary: content of summary.json.
        failed: (file name, reason) of eyes that could not be measured.
        flagged: (file name, reason) of eyes whose numbers need a look.
        resumed: how many rows an earlier call had measured.
        seconds: of this call.
    """

    summary: dict[str, Any]
    failed: tuple[tuple[str, str], ...]
    flagged: tuple[tuple[str, str], ...]
    resumed: int
    seconds: float


def measure_vessels(
    jobs: list[Job], out: Path, *, settings: Settings, workers: int = 1,
    landmarks: dict[str, Landmarks] | None = None, on_progress: Progress | None = None,
) -> Measured:  # fmt: skip
    """Measure every job; the same call again resumes.

    Args:
        jobs: see `list_jobs`.
        out: made if absent.
        settings: who finds the vessels, what is written.
        workers: processes; they do not change the result.
        landmarks: by file name; they go before what is found otherwise.
        on_progress: called with (done, all).

    Raises:
        Refusal: if `out` holds anything but a run of these settings, or workers is below 1.
        DiskFull: if a file could not be written.
    """
    start = time.monotonic()
    if workers < 1:
        raise Refusal("workers of 1 or more", f"{workers}", "raise them")
    versions = {biomarker.card.column: biomarker.card.version for biomarker in BIOMARKERS}
    made_by = {"retinaforge": metadata.version("retinaforge"), "biomarkers": versions}
    finders = _finders(jobs, settings)
    claim_folder(out, {**made_by, **finders})
    marked = [_with_landmarks(job, landmarks or {}) for job in jobs]
    with vessel_journal(out) as journal:
        keys = [key_of(job, settings) for job in marked]
        left = [(k, j) for k, j in zip(keys, marked, strict=True) if not _whole(journal, k, out)]
        done = resumed = len(jobs) - len(left)
        work = partial(measure_keyed, out=out, settings=settings)
        for (key, job), row in work_through(left, work, workers=workers):
            journal.write({"key": key, **(row or _killed(job))})
            done += 1
            if on_progress is not None:
                on_progress(done, len(jobs))
        summary = write_tables(out, rows_of(journal, keys), several=len(settings.judges) > 1)
        failed, flagged = (_in_state(journal, keys, state) for state in ("failed", "flagged"))
    seconds = time.monotonic() - start
    write_json(out / "environment.json", {
        **environment(), "command": "vessels", "settings": asdict(settings), **finders,
        "photographs": len(jobs), "workers": workers, "seconds": round(seconds, 1),
        "measured_in_this_call": len(left),
    })  # fmt: skip
    return Measured(summary, failed, flagged, resumed, seconds)


def _with_landmarks(job: Job, table: dict[str, Landmarks]) -> Job:
    return replace(job, landmarks=first_known(landmarks_for(table, job.name), job.landmarks))


def _finders(jobs: list[Job], settings: Settings) -> dict[str, Any]:
    """Return the cards of those who are asked to find something in these jobs."""
    drawn = [{"vessel", "artery_vein"} & set(job.masks) for job in jobs]
    seen = any(job.photo is not None for job in jobs)
    return cards_of(
        () if all(drawn) else settings.judges,
        settings.artery_vein if seen else NOBODY,
        settings.anatomy if seen else NOBODY,
        settings.lesions if seen else NOBODY,
        flag_level=settings.flag_level,
    )


def claim_folder(out: Path, settings: dict[str, Any]) -> None:
    """Write down the settings, or refuse to mix two runs or anything else in one folder.

    Raises:
        Refusal: if `out` is a file, or holds something other than a run of these settings.
    """
    if out.exists() and not out.is_dir():
        raise Refusal("a folder to write", f"a file: {out}", "choose another name")
    path = out / CLAIM
    if not path.exists():
        if out.exists() and any(out.iterdir()):
            raise Refusal(
                "a folder that is new, empty, or was begun by this command",
                f"{out} with other files", "choose another folder",
            )  # fmt: skip
        write_json(path, settings)
        return
    begun = json.loads(path.read_text())
    settings = json.loads(json.dumps(settings))
    other = [key for key in {**begun, **settings} if begun.get(key) != settings.get(key)]
    if other:
        raise Refusal(
            f"a folder begun with the same {' and '.join(other)}", f"{out} with others",
            "choose another folder or remove this one",
        )  # fmt: skip
    for torn in out.rglob(".*.tmp"):
        torn.unlink()


def _whole(journal: LineJournal, key: str, out: Path) -> bool:
    """Return whether an eye was measured and its files are there; a failure is tried again."""
    row = journal.row(key)
    return (
        row is not None
        and row["status"] != "failed"
        and all((out / name).exists() for name in row["files"])
    )


def _killed(item: Job) -> Row:
    return {"name": item.name, "stem": item.stem, "status": "failed", "reason": KILLED,
            "values": {}, "reasons": {}, "files": []}  # fmt: skip


def _in_state(journal: LineJournal, keys: list[str], state: str) -> tuple[tuple[str, str], ...]:
    rows = rows_of(journal, keys)
    return tuple((row["name"], row["reason"]) for row in rows if row["status"] == state)

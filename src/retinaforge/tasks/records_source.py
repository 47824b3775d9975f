"""Records of whatever a folder holds: phantoms with their truth, or photographs with tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retinaforge.core import Refusal
from retinaforge.tasks.records_manifest import Gathered, manifest_records
from retinaforge.tasks.records_phantoms import is_phantom_set, phantom_records

if TYPE_CHECKING:
    from retinaforge.tasks.records_measure import Grader, MeasuredRecords, Tool


def gather(
    source: Path,
    *,
    columns: Path | None = None,
    boxes: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Gathered:
    """Gather what is known of each image of a folder.

    Args:
        source: a set of phantoms (a folder with facts/ and images/), a data set, or a folder of
            data sets.
        columns: a map of columns, for data sets.
        boxes: evidence boxes of phantoms' lesions; those of masks of data sets always come.
        on_progress: called with (images done, images).

    Raises:
        Refusal: if there is nothing to read, or phantoms are given a map of columns.
    """
    if not is_phantom_set(source):
        return manifest_records(source, columns=columns, on_progress=on_progress)
    if columns is not None:
        raise Refusal(
            "a data set for --columns", f"phantoms, which need none: {source}", "leave it out"
        )
    found = Gathered()
    found.known += phantom_records(
        source, boxes=boxes, left_out=found.left_out, on_progress=on_progress
    )
    return found


def measured(
    found: Gathered,
    source: Path,
    journal_folder: Path,
    *,
    tools: Sequence[Tool],
    grader: Grader | None,
    columns: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> MeasuredRecords:
    """Add what our tools measure to what `gather` found.

    The masks of a data set are then placed by the landmarks that were measured.

    Args:
        found: from `gather` with the same `source` and `columns`.
        source: see `gather`.
        journal_folder: see `measure_records`.
        tools: see `measure_records`.
        grader: of quality.
        columns: see `gather`.
        on_progress: called with (images done, images).
    """
    # The tools bring torch and three networks, which records alone do not need.
    from retinaforge.tasks.records_measure import measure_records

    known, grade = found.known, grader if "quality" in tools else None
    seen = measure_records(
        known, journal_folder, tools=tools, grader=grade, on_progress=on_progress
    )
    masked = any("mask:" in fact.source for each in known for fact in each.record.facts.values())
    if not masked or not seen.landmarks or is_phantom_set(source):
        return seen
    again = manifest_records(source, columns=columns, landmarks=seen.landmarks)
    return measure_records(again.known, journal_folder, tools=tools, grader=grade)

"""Records of whatever a folder holds: phantoms with their truth, or photographs with tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.tasks.records_manifest import Gathered, manifest_records
from retinaforge.tasks.records_phantoms import is_phantom_set, phantom_records


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
    return Gathered(known=list(phantom_records(source, boxes=boxes, on_progress=on_progress)))

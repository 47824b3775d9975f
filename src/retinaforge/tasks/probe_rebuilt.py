"""Which reconstruction belongs to which photograph, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from retinaforge.core import Record, Refusal
from retinaforge.tasks.probe_target import Round


def name_of(record: Record) -> str:
    """Return what a reconstruction of a record is called: as `retinaforge reconstruct` writes it.

    The file is `synthetic_NAME.png` with NAME the data set and the path, slashes as underscores.
    """
    return f"{record.dataset}-{record.name}".replace("/", "_").rsplit(".", 1)[0]


def reconstructions(
    folder_records: Sequence[Record], originals: Sequence[Record]
) -> dict[str, Record]:
    """Return reconstructions by `name_of` their original, whatever of its name the file keeps.

    A file is matched, without `synthetic_` and suffix, by data set and path, by path, or by the
    bare file name where that is unique among the originals.
    """
    by_name: dict[str, str] = {}
    for wanted in (
        lambda r: name_of(r),
        lambda r: r.name.replace("/", "_").rsplit(".", 1)[0],
        lambda r: r.path.stem,
    ):
        counts = Counter(wanted(record) for record in originals)
        for record in originals:
            if counts[wanted(record)] == 1:
                by_name.setdefault(wanted(record), name_of(record))
    found: dict[str, Record] = {}
    for record in folder_records:
        original = by_name.get(record.path.stem.removeprefix("synthetic_"))
        if original:
            found[original] = record
    return found


def matched(
    records: Sequence[Record], rounds: Sequence[Round], after: Mapping[str, Record]
) -> tuple[dict[int, str], list[Record]]:
    """Return the judging places that have a reconstruction, and the reconstructions.

    Raises:
        Refusal: "expected reconstructions of photographs that judge; got ...".
    """
    judging = sorted({int(k) for one in rounds for k in one.judge})
    names = {k: name_of(records[k]) for k in judging if name_of(records[k]) in after}
    if not names:
        raise Refusal(
            "reconstructions of photographs that judge, by name",
            f"{len(after)} that match a photograph, and none of them judges",
            "run `retinaforge reconstruct` on the same folder, its test rows included",
        )
    return names, [after[name] for name in names.values()]


def paired_places(one: Round, rebuilt: dict[int, int] | None) -> np.ndarray:
    """Return the judging places of a round that have a reconstruction."""
    return np.array([k for k in one.judge if k in (rebuilt or {})], np.int64)

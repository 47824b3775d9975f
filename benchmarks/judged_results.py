"""Keep what judges scored, set by set, in a result file; a judge measured again replaces itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import environment, write_json
from retinaforge.vessels import JudgeCard

Row = dict[str, Any]


def keep_results(
    path: Path, rows: Sequence[Row], cards: Mapping[str, JudgeCard], *, sets: Sequence[str]
) -> dict[str, Any]:
    """Write rows into a result file beside those of judges and sets that were not measured now.

    Args:
        path: the file; made if absent.
        rows: each with "set" and "judge".
        cards: of the judges measured now, by the names that rows bear; people have none.
        sets: the order of sets.

    Returns:
        What the file says: results, and by judge its card and the environment of its run.
    """
    before: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    fresh = {(row["set"], row["judge"]) for row in rows}
    kept = [r for r in before.get("results", []) if (r["set"], r["judge"]) not in fresh]
    now = {
        name: {"version": card.version, "training_data": list(card.training_data),
               "environment": environment()}
        for name, card in cards.items()
    }  # fmt: skip
    judges = before.get("judges", {}) | now
    order = list(judges)

    def place(row: Row) -> tuple[int, int]:
        judge = row["judge"]
        return sets.index(row["set"]), order.index(judge) if judge in order else len(order)

    found = {"results": sorted([*kept, *rows], key=place), "judges": judges}
    write_json(path, found)
    return found

"""Several scorecards of `retinaforge validate` side by side: a row a score, a column a run.

Nothing is computed here but which run is ahead: the best value by the card's direction, where its
interval touches no other's. Runs made differently are told apart before anything is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.reports.validation_page import read_scorecard

Card = dict[str, Any]
CELL = ("value", "interval", "n", "floor", "matched", "place", "reason")
ALIKE = {
    "footing.size_px": "size of the common square",
    "footing.recompress": "JPEG that a side was sent through",
    "suite": "suite", "paired": "pairs", "groups": "groups", "seed": "seed",
    "real.images.scored": "number of real images", "real.folder": "folder of real images",
    "synthetic.images.scored": "number of synthetic images",
    "finders": "networks that find anatomy",
    "spaces": "feature spaces",
}  # fmt: skip
"""What must be alike in two protocols for their numbers to be comparable, in words."""
TABLES = ("vessels", "quality")


def read_runs(paths: Sequence[Path]) -> dict[str, Card]:
    """Return scorecards by a short name each.

    Args:
        paths: folders of runs, or their scorecard.json.

    Raises:
        Refusal: expected two scorecards or more; or as `read_scorecard`.
    """
    if len(paths) < 2:
        raise Refusal(
            "two scorecards or more", str(len(paths)), "name another run, folder or scorecard.json"
        )
    names = _names([path if path.is_dir() else path.parent for path in paths])
    return {name: read_scorecard(path) for name, path in zip(names, paths, strict=True)}


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths that differ; numbers where they are the same."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{part[-1]} ({k})" for k, part in enumerate(parts, start=1)]


def compare_runs(cards: Mapping[str, Card]) -> dict[str, Any]:
    """Return runs, warnings and rows as plain data.

    Args:
        cards: scorecards by name, from `read_runs`.
    """
    by_run = {name: {s["identity"]: s for s in card["scores"]} for name, card in cards.items()}
    identities = dict.fromkeys(i for scores in by_run.values() for i in scores)
    return {
        "runs": [
            {"name": name, "real": c["protocol"]["real"], "synthetic": c["protocol"]["synthetic"],
             "verdict": c["verdict"]}
            for name, c in cards.items()
        ],
        "warnings": list(_warnings(cards)),
        "rows": [_row(i, [scores.get(i) for scores in by_run.values()]) for i in identities],
    }  # fmt: skip


def _row(identity: str, found: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    first = next(score for score in found if score is not None)
    card = first["card"]
    versions = {score["card"]["version"] for score in found if score is not None}
    cells = [None if s is None else {key: s.get(key) for key in CELL} for s in found]
    return {
        "identity": identity, "name": first["name"], "family": first.get("family", ""),
        "space": first.get("space"), "column": first.get("column"), "group": first.get("group"),
        "direction": card["direction"], "unit": card["unit"], "measures": card["measures"],
        "one_version": len(versions) == 1, "cells": cells,
        "ahead": _ahead(cells, card["direction"]) if len(versions) == 1 else None,
    }  # fmt: skip


def _ahead(cells: Sequence[dict[str, Any] | None], direction: str) -> int | None:
    """Return the number of the run whose interval lies on the better side of all others."""
    if direction == "neither" or any(c is None or not c["interval"] for c in cells):
        return None
    spans = [c["interval"] for c in cells if c is not None]
    for k, (low, high) in enumerate(spans):
        others = [span for j, span in enumerate(spans) if j != k]
        lower = direction == "lower is better"
        if all(high < span[0] if lower else low > span[1] for span in others):
            return k
    return None


def _warnings(cards: Mapping[str, Card]) -> Iterator[str]:
    for path, words in ALIKE.items():
        said = {name: _at(card["protocol"], path) for name, card in cards.items()}
        if _differ(said.values()):
            yield f"Different {words}{_listed(said)}."
    for key in ("retinaforge", "git"):
        said = {name: card.get("environment", {}).get(key) for name, card in cards.items()}
        if _differ(said.values()):
            yield f"Different {'version' if key == 'retinaforge' else 'commit'}{_listed(said)}."
    mixed = {
        row["name"]
        for row in (_row(i, found) for i, found in _paired_up(cards))
        if not row["one_version"]
    }
    if mixed:
        yield f"Different versions of {', '.join(sorted(mixed))}: not one score, but several."


def _paired_up(cards: Mapping[str, Card]) -> Iterator[tuple[str, list[dict[str, Any] | None]]]:
    by_run = [{s["identity"]: s for s in card["scores"]} for card in cards.values()]
    for identity in dict.fromkeys(i for scores in by_run for i in scores):
        yield identity, [scores.get(identity) for scores in by_run]


def _at(content: Any, path: str) -> Any:
    for key in path.split("."):
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _differ(values: Any) -> bool:
    first, *others = values
    return any(other != first for other in others)


def _listed(said: Mapping[str, Any]) -> str:
    """Return ": a 512, b 256", or nothing where the values are no short words."""
    if any(isinstance(value, dict) and value for value in said.values()):
        return ""
    shown = ", ".join(f"{name} {value if value not in (None, {}) else 'none'}"
                      for name, value in said.items())  # fmt: skip
    return f": {shown}"


def headline(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows that are no single biomarker or quality number."""
    return [row for row in rows if not (row["family"] in TABLES and row["column"])]

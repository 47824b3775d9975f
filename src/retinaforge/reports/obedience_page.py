"""The page of `retinaforge generate obey`: which words a generator obeys."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports import obedience_charts, words
from retinaforge.reports.page_templates import page_template
from retinaforge.reports.pictures import embed

RESULT, PAGE = "obedience.json", "report.html"
LADDERS, SPREADS, EXAMPLES = 6, 3, 8
LEVELS = {
    "obeys": "pass", "in part": "caution", "does not": "fail", "not shown": "caution",
    "unreadable": "none", "not judged": "none",
}  # fmt: skip


def write_obedience_page(out: Path) -> Path:
    """Write report.html beside obedience.json: one file, nothing fetched.

    Raises:
        Refusal: expected a folder of `retinaforge generate obey`.
    """
    told = read_told(out)
    page = page_template("obedience.html.j2").render(**page_parts(told, out))
    return write_text(out / PAGE, page)


def read_told(out: Path) -> dict[str, Any]:
    """Return the content of obedience.json.

    Raises:
        Refusal: expected a folder of `retinaforge generate obey`.
    """
    try:
        return json.loads((out / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            "a folder that `retinaforge generate obey` wrote", f"{out}: {error}", "run it again"
        ) from error


def page_parts(told: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Return everything that the macros of obedience need; the pictures are read from `out`."""
    ladders = _ladders(told)
    spreads = _spreads(told)
    examples = [row["image"] for row in told["examples"][:EXAMPLES]]
    names = [*examples, *(n for row in (*ladders, *spreads) for n in row["images"])]
    pictures = embed([f"images/{name}" for name in dict.fromkeys(names)], out)
    return {
        "told": told, "words": words, "levels": LEVELS, "counts": verdict_counts(told["words"]),
        "charts": {name: obedience_charts.forest(told["words"], name)
                   for name in ("accuracy", "spearman")},
        "ladder_charts": {name: obedience_charts.ladder(told["ladder"], name)
                          for name in ("grade", "lesions")},
        "ladders": ladders, "spreads": spreads,
        "pictures": {name: pictures.get(f"images/{name}") for name in names},
        "natural": [row for row in told["natural"] if row["line"]["value"] is not None],
        "fidelity": _fidelity(told.get("fidelity")),
    }  # fmt: skip


def verdict_counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return what words there are of each verdict, in the verdicts' order."""
    return {name: [row["said"] for row in rows if row["verdict"] == name] for name in LEVELS}


def _ladders(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    ladder = told["ladder"]
    if not ladder:
        return []
    readings = ladder["grade"]["samples"]["readings"]
    return [{"base": base, "images": ladder["images"][base], "grades": readings[place]}
            for place, base in enumerate(ladder["bases"][:LADDERS])]  # fmt: skip


def _spreads(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    spread = told.get("spread") or {}
    return [{"base": base, "images": images[:8], "text": spread["texts"][base]}
            for base, images in list(spread.get("images", {}).items())[:SPREADS]]  # fmt: skip


def _fidelity(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the rows of set scores and of anatomy and copies, which differ in their columns."""
    if not found:
        return None
    rows = found["rows"]
    return {**found, "sets": [r for r in rows if r["family"] == "fidelity"],
            "columns": [r for r in rows if r["family"] in ("vessels", "quality") and r["column"]],
            "shares": [r for r in rows if r["family"] in ("anatomy", "copies")
                       or (r["family"] == "quality" and not r["column"])]}  # fmt: skip

"""The page and the text of `retinaforge compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text
from retinaforge.reports import words
from retinaforge.reports.comparison import headline
from retinaforge.reports.page_templates import page_template

FAMILIES = {
    "fidelity": "Two sets, space by space", "vessels": "Vessels", "quality": "Quality",
    "anatomy": "Anatomy", "copies": "Copies", "paired": "Pairs", "groups": "Groups",
}  # fmt: skip
AHEAD = "*"


def write_compare_page(told: dict[str, Any], path: Path) -> Path:
    """Write the comparison as one file that fetches nothing.

    Args:
        told: from `compare_runs`.
        path: an .html file.
    """
    page = page_template("compare.html.j2")
    return write_text(path, page.render(told=told, parts=_parts(told["rows"]), words=words))


def _parts(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for family in dict.fromkeys(row["family"] for row in rows):
        own = [row for row in rows if row["family"] == family]
        first = headline(own)
        found.append({
            "name": family, "title": FAMILIES.get(family, family), "rows": first,
            "more": [row for row in own if row not in first],
        })  # fmt: skip
    return found


def label_of(row: dict[str, Any]) -> str:
    """Return what a row is called: where, then which score."""
    group = f"{row['column']} {row['group']}" if row["group"] else row["column"]
    return ": ".join(filter(None, (group, row["space"], row["name"])))


def text_table(told: dict[str, Any], *, every: bool = False) -> str:
    """Return the comparison as aligned text; the run ahead of all others has a star.

    Args:
        told: from `compare_runs`.
        every: single biomarkers and quality numbers too.
    """
    rows = told["rows"] if every else headline(told["rows"])
    table = [["score", *(run["name"] for run in told["runs"])]]
    table += [
        [label_of(row), *(_cell(cell, k == row["ahead"]) for k, cell in enumerate(row["cells"]))]
        for row in rows
    ]
    widths = [max(len(line[k]) for line in table) for k in range(len(table[0]))]
    lines = ["  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
             for line in table]  # fmt: skip
    return "\n".join(lines)


def _cell(cell: dict[str, Any] | None, ahead: bool) -> str:
    if cell is None:
        return "\u2014"
    between = words.interval(cell["interval"])
    shown = f"{words.number(cell['value'])} ({between})" if between else words.number(cell["value"])
    return shown + (f" {AHEAD}" if ahead else "")

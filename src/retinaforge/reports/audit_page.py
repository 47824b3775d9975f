"""The page of every `retinaforge audit` command: verdicts, charts, tables, how it came about.

Nothing is computed here: every number and every word of judgement stands in audit.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports import words
from retinaforge.reports.audit_charts import chart
from retinaforge.reports.page_templates import page_template
from retinaforge.reports.pictures import embed

LEVELS = {"failure": "found", "caution": "maybe", "pass": "nothing found", "open": "open",
          "note": "note"}  # fmt: skip


def write_audit_page(out: Path) -> Path:
    """Write report.html into a folder with audit.json: one file, nothing fetched.

    Raises:
        Refusal: "expected a folder that `retinaforge audit` wrote; got ...".
    """
    try:
        told = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            "a folder that `retinaforge audit` wrote", f"{out}: {error}", "run it again"
        ) from error
    return write_text(out / "report.html", page_template("audit.html.j2").render(
        told=told, sections=[_section(one, out) for one in told["sections"]], levels=LEVELS,
        words=words,
    ))  # fmt: skip


CELL = {"text": None, "value": None, "interval": None, "note": ""}


def _section(section: dict[str, Any], out: Path) -> dict[str, Any]:
    figures = [{"note": "", **f, "chart": chart(f)} for f in section.get("figures", [])]
    files = [item["file"] for item in section.get("pictures", [])]
    inside = embed(files, out)
    pictures = [
        {"wide": "", **item, "source": inside[item["file"]]} for item in section.get("pictures", [])
    ]
    table = section.get("table")
    if table:
        rows = [[{**CELL, **cell} for cell in row] for row in table["rows"]]
        table = {**table, "rows": rows}
    rest = {"lead": "", "read": None, **section}
    return {**rest, "figures": figures, "pictures": pictures, "table": table}


def in_words(told: dict[str, Any]) -> str:
    """Return the verdicts as lines of text."""
    return "\n".join(f"{LEVELS[one['level']]}: {one['text']}" for one in told["said"])

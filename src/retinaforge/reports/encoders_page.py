"""The page and the text of `retinaforge encoders compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text
from retinaforge.reports import words
from retinaforge.reports.page_templates import page_template

Row = dict[str, Any]
DARKEST = 1.5
"""Displacement at which a cell is darkest: half as far again as another eye."""


def write_encoders_page(told: dict[str, Any], path: Path) -> Path:
    """Write the comparison as one file that fetches nothing.

    Args:
        told: as `retinaforge encoders compare` writes it: images, levels, left_out, encoders.
        path: an .html file.
    """
    seen = [row for row in told["encoders"] if row["status"] == "ok"]
    page = page_template("encoders.html.j2").render(
        told=told, seen=seen, kinds=kinds_of(seen), words=words, shade=shade,
        refused=[row for row in told["encoders"] if row["status"] != "ok"],
    )  # fmt: skip
    return write_text(path, page)


def kinds_of(rows: Sequence[Row]) -> list[str]:
    """Return the kinds of damage, in order."""
    return list(dict.fromkeys(sight["kind"] for row in rows for sight in row["sees"]))


def shade(displacement: float | None) -> str:
    """Return a background that darkens with the displacement, as CSS."""
    if displacement is None:
        return "transparent"
    return f"rgb(0 114 178 / {min(displacement / DARKEST, 1) * 0.55:.2f})"


def text_rows(rows: Sequence[Row]) -> list[list[str]]:
    """Return the comparison as lines of cells: a heading, then one line an encoder.

    A cell of damage says from which level a photograph shows it, then from which level a set does,
    as "3/5"; "-" where never.
    """
    kinds = kinds_of([row for row in rows if row["status"] == "ok"])
    asked = [kind.replace("-", " ") for kind in kinds]
    head = ["encoder", "px", "img/s", "MiB", "JPEG", *asked]
    lines = [head]
    for row in rows:
        if row["status"] != "ok":
            lines.append([row["name"], *[""] * (len(head) - 1)])
            continue
        sees = {sight["kind"]: sight for sight in row["sees"]}
        cells = [row["name"], str(row["input_px"] or "any")]
        memory = "" if row["memory_mib"] is None else f"{row['memory_mib']:.0f}"
        cells += [f"{row['images_per_cpu_s']:.1f}", memory, words.number(row["jpeg"])]
        lines.append([*cells, *(_levels(sees[kind]) for kind in kinds)])
    return lines


def _levels(sight: dict[str, Any]) -> str:
    pair = (sight["sees_from"], sight["set_notices_from"])
    return "/".join("-" if level is None else str(level) for level in pair)

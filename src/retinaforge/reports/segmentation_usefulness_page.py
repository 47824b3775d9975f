"""The page of `retinaforge usefulness-vessels`; every number stands in usefulness-vessels.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports import svg, words
from retinaforge.reports.page_templates import page_template

NAMES = {"dice": "Dice", "cldice": "clDice", "auc": "AUC of pixels"}
BESIDE = {"sure": "better than", "bad": "worse than", "open": "not told apart from"}
ROW, LEFT, RIGHT, TOP = 22, 140, svg.WIDTH - 14, 8
INK, BLUE, GREY = "#1b2733", "#0072b2", "#8a939b"


def write_page(out: Path) -> Path:
    """Write usefulness-vessels.html beside its JSON: one file, nothing fetched.

    Raises:
        Refusal: "expected a folder that `retinaforge usefulness-vessels` wrote; got ...".
    """
    try:
        told = json.loads((out / "usefulness-vessels.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            "a folder that `retinaforge usefulness-vessels` wrote", f"{out}: {error}",
            "run it again",
        ) from error  # fmt: skip
    page = page_template("segmentation_usefulness.html.j2")
    return write_text(out / "usefulness-vessels.html", page.render(**_context(told)))


def _context(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "told": told,
        "counts": told["counts"],
        "names": NAMES,
        "said": in_words(told),
        "charts": [(m, dots(told["scores"], m), dots(told["differences"], m, zero=True))
                   for m in told["measures"]],
        "rows": rows_of(told),
        "words": words,
    }  # fmt: skip


def in_words(told: dict[str, Any]) -> list[dict[str, str]]:
    """Return one sentence an arm: what its Dice is beside photographs alone."""
    found = []
    for gap in (d for d in told["differences"] if d["name"] == "dice"):
        if gap["value"] is None or not gap["interval"]:
            found.append({"level": "open", "text": f"{gap['arm']}: not defined. {gap['reason']}"})
            continue
        low, high = gap["interval"]
        level = "sure" if low > 0 else "bad" if high < 0 else "open"
        text = (
            f"{gap['arm']}: {BESIDE[level]} photographs alone, Dice "
            f"{words.number(gap['value'], signed=True)} "
            f"({words.interval(gap['interval'], signed=True)}"
            f"{', Holm ' + words.p_value(gap['p_holm']) if gap['p_holm'] is not None else ''})."
        )
        found.append({"level": level, "text": text})
    return found


def dots(scores: Sequence[dict[str, Any]], name: str, *, zero: bool = False) -> Markup | None:
    """Return dot, interval and seeds of every arm for a measure, or of its differences."""
    rows = [s for s in scores if s["name"] == name and s["value"] is not None]
    if not rows:
        return None
    spans = [v for s in rows for v in (s["value"], *(s["interval"] or []), *_seeds(s))]
    x = svg.axis([*spans, *([0.0] if zero else [])], LEFT, RIGHT)
    bottom = TOP + ROW * len(rows) + 4
    parts = svg.x_axis(x, TOP, bottom)
    if zero:
        parts.append(svg.line((x(0), TOP), (x(0), bottom), "mark mark0"))
    for k, row in enumerate(rows):
        y, fill = TOP + ROW * (k + 0.5), INK if row["arm"] == "real" else BLUE
        parts.append(svg.text(LEFT - 8, y + 4, row["arm"], anchor="end", kind="tick"))
        if row["interval"]:
            low, high = row["interval"]
            parts.append(svg.line((x(low), y), (x(high), y), "whisker", style=f"stroke:{fill}"))
        for value in _seeds(row):
            style = f"stroke:{GREY};stroke-width:1.2"
            parts.append(svg.line((x(value), y - 6), (x(value), y + 6), "", style=style))
        parts.append(svg.dot(x(row["value"]), y, 4.5, fill=fill, title=shown(row, signed=zero)))
    what = f"{NAMES[name]}{' minus photographs alone' if zero else ''}"
    alt = f"{what}: " + "; ".join(f"{s['arm']} {shown(s, signed=zero)}" for s in rows)
    return svg.drawing(bottom + 24, parts, alt=alt)


def _seeds(row: dict[str, Any]) -> list[float]:
    return [value for value in row.get("per_seed", []) if value is not None]


def shown(row: dict[str, Any], *, signed: bool = False) -> str:
    """Return value and interval."""
    between = words.interval(row["interval"], signed=signed)
    return words.number(row["value"], signed=signed) + (f" ({between})" if between else "")


def rows_of(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row an arm: its scores, and its differences from photographs alone."""
    scores = {(s["arm"], s["name"]): s for s in told["scores"]}
    gaps = {(d["arm"], d["name"]): d for d in told["differences"]}
    return [
        {"arm": arm, "cells": [(scores[arm["name"], m], gaps.get((arm["name"], m)))
                               for m in told["measures"]]}
        for arm in told["arms"]
    ]  # fmt: skip


def text_table(told: dict[str, Any]) -> str:
    """Return scores as aligned text, one line an arm."""
    lines = [["arm", "runs", *(NAMES[m] for m in told["measures"]), "Dice, difference"]]
    for row in rows_of(told):
        gap = row["cells"][0][1]
        lines.append([
            row["arm"]["name"], str(row["arm"]["runs"]), *(shown(s) for s, _ in row["cells"]),
            shown(gap, signed=True) if gap else "",
        ])  # fmt: skip
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )

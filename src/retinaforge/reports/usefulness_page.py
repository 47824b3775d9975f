"""The page of `retinaforge usefulness`: whether synthetic images helped, and by how much.

Nothing is computed here: every number stands in usefulness.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports import words
from retinaforge.reports.page_templates import page_template
from retinaforge.reports.usefulness_charts import LOWER, NAMES, arms, ratio_curve, shown

PLACES = {
    "judge": "patients who did not teach",
    "external": "external photographs",
    "synthetic": "synthetic images (train on real, test on synthetic)",
}
TARGETS = {"dr_grade": "the DR grade", "referable": "referable DR"}
Row = dict[str, Any]


def write_usefulness_page(out: Path) -> Path:
    """Write report.html into a folder with usefulness.json: one file, nothing fetched.

    Raises:
        Refusal: "expected a folder that `retinaforge usefulness` wrote; got ...".
    """
    try:
        told = json.loads((out / "usefulness.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            "a folder that `retinaforge usefulness` wrote", f"{out}: {error}", "run it again"
        ) from error
    page = page_template("usefulness.html.j2")
    return write_text(out / "report.html", page.render(**_context(told)))


def _context(told: dict[str, Any]) -> dict[str, Any]:
    metric = told["headline"]
    about = TARGETS.get(told["target"], told["target"].removeprefix("label:").replace(",", ", "))
    return {
        "told": told,
        "title": f"Do synthetic images help to tell {about}?",
        "about": about,
        "protocol": _protocol(told["protocol"]),
        "said": in_words(told),
        "metric": NAMES[metric],
        "questions": [_question(told, q["name"]) for q in told["questions"]],
        "taught": _taught(told),
        "together": _together(told),
        "names": NAMES,
        "lower": LOWER,
        "unreadable": [row for row in told["left_out"] if row["kind"] == "unreadable"],
        "apart": [row for row in told["left_out"] if row["kind"] == "kept apart"],
        "silent": sum(row["kind"] == "no answer" for row in told["left_out"]),
        "words": words,
        "shown": shown,
    }


def _protocol(protocol: dict[str, Any]) -> dict[str, Any]:
    """Return the protocol with pairs of rate and decay in words, and nothing said twice."""
    backbone = {k: v for k, v in protocol["backbone"].items() if v != protocol["fingerprint"]}
    if pairs := backbone.pop("rates_and_decays", None):
        backbone["tried"] = ", ".join(f"rate {r:g} with decay {d:g}" for r, d in pairs)
    return {**protocol, "backbone": {k.replace("_", " "): v for k, v in backbone.items()}}


def _taught(told: dict[str, Any]) -> str:
    name = told["encoder"]
    return name if told.get("backbone", "linear") != "linear" else f"a linear head on {name}"


def _together(told: dict[str, Any]) -> list[tuple[str, list[Row]]]:
    """Return the means over labels by where they were asked, one row an arm."""
    tables = []
    for place, text in PLACES.items():
        cells: dict[str, list[Row]] = {}
        for row in told.get("labels_together", ()):
            if row["where"] == place:
                cells.setdefault(row["arm"], []).append(row)
        if cells:
            tables.append((text, [{"arm": arm, "cells": own} for arm, own in cells.items()]))
    return tables


def _question(told: dict[str, Any], name: str) -> Row:
    metric, kinds = told["headline"], {arm["name"]: arm["kind"] for arm in told["arms"]}
    charts = []
    for place, text in PLACES.items():
        rows = rows_of(told, name, place, metric)
        if rows and place != "synthetic":
            charts.append((text, arms(rows, kinds, f"{NAMES[metric]}, {text}")))
    metrics = list(dict.fromkeys(r["metric"] for r in told["results"] if not r["class"]))
    return {
        "name": name,
        "charts": charts,
        "curve": _curve(told, name) or _no_curve(told),
        "metrics": metrics,
        "tables": [
            (text, level, _table(told, name, place, level, metrics))
            for place, text in PLACES.items()
            for level in ("image", "patient")
            if rows_of(told, name, place, metric, level=level)
        ],
        "by_class": _by_class(told, name),
        "slices": [r for r in told["slices"] if r["question"] == name],
        "entropy": [r for r in told["entropy"] if r["question"] == name],
        "sources": _sources(told, name),
        "worth": [r for r in told["exchange"]["rows"] if r["question"] == name],
    }


def rows_of(
    told: dict[str, Any], question: str, where: str, metric: str, *, level: str = "image",
    one_class: str = "",
) -> list[Row]:  # fmt: skip
    """Return the rows of one score, an arm each."""
    wanted = (question, where, metric, level, one_class)
    keys = ("question", "where", "metric", "level", "class")
    return [row for row in told["results"] if tuple(row[key] for key in keys) == wanted]


def _curve(told: dict[str, Any], question: str) -> Any:
    rows = {r["arm"]: r for r in rows_of(told, question, "judge", told["headline"])}
    words_for = {"added": "synthetic images", "more": "photographs"}
    series: dict[str, list[tuple[float, Row]]] = {}
    for arm in told["arms"]:
        if arm["kind"] in words_for:
            series.setdefault(words_for[arm["kind"]], []).append((arm["ratio"], rows[arm["name"]]))
    return ratio_curve(series, rows["real"], NAMES[told["headline"]])


def _no_curve(told: dict[str, Any]) -> str:
    if any(arm["kind"] in ("added", "more") for arm in told["arms"]):
        return "not defined"
    return "no arm with added images was run"


def _table(
    told: dict[str, Any], question: str, where: str, level: str, metrics: Sequence[str]
) -> list[Row]:
    cells = {m: {r["arm"]: r for r in rows_of(told, question, where, m, level=level)}
             for m in metrics}  # fmt: skip
    return [
        {"arm": arm, "cells": [{**cells[m][arm], "verdict": verdict(cells[m][arm])}
                               for m in metrics]}
        for arm in cells[metrics[0]]
    ]  # fmt: skip


def verdict(row: Row) -> str:
    """Return "better", "worse" or "" beside photographs alone, by the interval."""
    gap = row["difference"]
    if not gap or not gap["interval"]:
        return ""
    low, high = gap["interval"]
    if row["metric"] in LOWER:
        low, high = -high, -low
    return "better" if low > 0 else "worse" if high < 0 else ""


def _by_class(told: dict[str, Any], question: str) -> list[Row]:
    names = next(q["classes"] for q in told["questions"] if q["name"] == question)
    if len(names) < 3:
        return []
    found = [rows_of(told, question, "judge", told["headline"], one_class=n) for n in names]
    return [{"arm": cells[0]["arm"], "cells": cells} for cells in zip(*found, strict=True)]


def _sources(told: dict[str, Any], question: str) -> list[Row]:
    left = told["leave_one_source_out"]
    return [r for r in left["rows"] if r["question"] == question] if left else []


def in_words(told: dict[str, Any]) -> list[dict[str, str]]:
    """Return one sentence a question: whether any ratio helped, and whether labels mattered."""
    found = []
    kinds = {arm["name"]: arm["kind"] for arm in told["arms"]}
    for question in told["questions"]:
        rows = rows_of(told, question["name"], "judge", told["headline"])
        known = {r["arm"]: r for r in rows if r["value"] is not None}
        head = f"{question['name']}: " if len(told["questions"]) > 1 else ""
        if "real" not in known:
            reason = rows[0]["reason"] if rows else "nothing judges"
            found.append({"level": "open", "text": f"{head}not defined: {reason}."})
            continue
        added = [r for name, r in known.items() if kinds[name] == "added"]
        found.append(_sentence(head, known, added, NAMES[told["headline"]]))
    return found


def _sentence(head: str, known: dict[str, Row], added: list[Row], metric: str) -> dict[str, str]:
    text = f"{head}{metric} of photographs alone {shown(known['real'])}. "
    sure = [r for r in added if verdict(r) == "better" and (r["difference"]["p_holm"] or 1) < 0.05]
    worse = [r for r in added if verdict(r) == "worse"]
    level = "sure" if sure else "open"
    if sure:
        best = max(sure, key=lambda r: r["difference"]["value"])
        text += f"Synthetic images help: {_gap(best)}. "
    elif worse:
        text += f"Synthetic images do harm: {_gap(worse[0])}. "
    elif added:
        best = max(added, key=lambda r: r["difference"]["value"] or -9)
        text += f"Not shown that synthetic images help; the best ratio: {_gap(best)}. "
    for name, row in known.items():
        if name.startswith("real+shuffled") and row["difference"]["value"] is not None:
            text += f"With shuffled labels: {_gap(row)}. "
    if "synthetic" in known:
        text += f"Synthetic images alone (TSTR): {shown(known['synthetic'])}."
    return {"level": level, "text": text.strip()}


def _gap(row: Row) -> str:
    gap = row["difference"]
    between = words.interval(gap["interval"], signed=True)
    return f"{row['arm']} {words.number(gap['value'], signed=True)}" + (
        f" ({between})" if between else ""
    )


def text_table(told: dict[str, Any]) -> str:
    """Return the scores on patients who did not teach as aligned text, one line an arm."""
    metrics = ("auroc", "quadratic_kappa", "balanced_accuracy", "brier")
    many = len(told["questions"]) > 1
    lines = [["arm", *metrics, f"{told['headline']} against real"]]
    for question in told["questions"]:
        cells = {m: {r["arm"]: r for r in rows_of(told, question["name"], "judge", m)}
                 for m in metrics}  # fmt: skip
        for arm, row in cells[told["headline"]].items():
            gap = row["difference"]
            beside = "" if not gap else words.number(gap["value"], signed=True)
            between = words.interval(gap["interval"], signed=True) if gap else ""
            name = f"{question['name']}: {arm}" if many else arm
            values = (shown(cells[m][arm]) for m in metrics)
            lines.append([name, *values, f"{beside} ({between})" if between else beside])
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )

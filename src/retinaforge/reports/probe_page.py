"""The page of `retinaforge probe`: dots with intervals, baselines as lines, what is confused.

Nothing is computed here: every number stands in probe.json.
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
from retinaforge.reports.probe_charts import (
    HEADS,
    NAMES,
    before_after,
    confusion,
    constant_name,
    dots,
    main_names,
    scatter,
    shown,
)

AGAINST = {"colours": "colours", "twin": "its untrained twin"}
SHORTCUTS = ("camera", "dataset")


def write_probe_page(out: Path) -> Path:
    """Write probe.html into a folder with probe.json: one file, nothing fetched.

    Raises:
        Refusal: "expected a folder that `retinaforge probe` wrote; got ...".
    """
    try:
        told = json.loads((out / "probe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            "a folder that `retinaforge probe` wrote", f"{out}: {error}", "run it again"
        ) from error
    page = page_template("probe.html.j2")
    return write_text(out / "probe.html", page.render(**_context(told)))


def _context(told: dict[str, Any]) -> dict[str, Any]:
    metrics = list(dict.fromkeys(row["metric"] for row in told["results"]))
    asked = main_names(told)
    return {
        "told": told,
        "target": told["target"],
        "title": f"{told['target']['name']} from {len(asked)} encoder{'s' * (len(asked) != 1)}",
        "shortcut": told["target"]["name"] in SHORTCUTS,
        "said": in_words(told),
        "charts": [(m, NAMES.get(m, m), dots(told, m)) for m in metrics],
        "rows": _rows(told, metrics),
        "metrics": metrics,
        "names": NAMES,
        "heads": HEADS,
        "constant": constant_name(told),
        "pictures": _pictures(told),
        "after": told["after"],
        "after_chart": before_after(told) if told["after"] else None,
        "unreadable": [row for row in told["left_out"] if row["kind"] == "unreadable"],
        "words": words,
    }


def in_words(told: dict[str, Any]) -> list[dict[str, str]]:
    """Return one sentence an encoder: its best head beside what needs no training."""
    metric = told["target"]["metric"]
    found = []
    for name in main_names(told):
        own = [r for r in told["results"] if (r["encoder"], r["metric"]) == (name, metric)]
        own = [r for r in own if r["value"] is not None and r["probe"] == "linear"] or own[:1]
        if not own or own[0]["value"] is None:
            found.append({"level": "open", "text": f"{name}: {metric} is not defined."})
            continue
        gaps = {
            d["against"]: d for d in told["differences"]
            if (d["encoder"], d["probe"], d["metric"]) == (name, own[0]["probe"], metric)
        }  # fmt: skip
        beaten = [w for w, d in gaps.items() if _better(d, metric)]
        level = "sure" if len(beaten) == len(gaps) else "open"
        text = f"{name}, {HEADS[own[0]['probe']]} head: {NAMES[metric]} {shown(own[0])}. "
        rest = [w for w in gaps if w not in beaten]
        text += f"Better than {_listed(told, beaten)}. " if beaten else ""
        text += f"Not shown to be better than {_listed(told, rest)}." if rest else ""
        found.append({"level": level, "text": text.strip()})
    return found


def _better(gap: dict[str, Any], metric: str) -> bool:
    if not gap["interval"]:
        return False
    low, high = gap["interval"]
    return high < 0 if metric == "mae" else low > 0


def _listed(told: dict[str, Any], keys: Sequence[str]) -> str:
    return ", ".join(AGAINST.get(key, constant_name(told)) for key in keys)


def _rows(told: dict[str, Any], metrics: Sequence[str]) -> list[dict[str, Any]]:
    keys = list(dict.fromkeys((r["encoder"], r["probe"]) for r in told["results"]))
    cells = {(r["encoder"], r["probe"], r["metric"]): r for r in told["results"]}
    gaps: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for d in told["differences"]:
        gaps.setdefault((d["encoder"], d["probe"], d["metric"]), []).append(d)
    return [
        {
            "encoder": e, "probe": p,
            "cells": [
                {**cells[e, p, m], "shown": words.number(cells[e, p, m]["value"]),
                 "gaps": [{**g, "word": _listed(told, [g["against"]]), "better": _better(g, m)}
                          for g in gaps.get((e, p, m), [])]}
                for m in metrics
            ],
        }
        for e, p in keys
    ]  # fmt: skip


def _pictures(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a confusion matrix or a scatter of every head of every encoder that was asked for."""
    found = []
    for name in main_names(told):
        for head in HEADS:
            picture = told["pictures"].get(f"{name} | {head}") if head else None
            if picture:
                title = f"{name}, {HEADS[head]} head"
                chart = (
                    confusion(picture["confusion"], told["target"]["classes"], title)
                    if "confusion" in picture
                    else scatter(picture["points"], told["target"], title)
                )
                found.append({"title": title, "chart": chart})
    return found


def text_table(told: dict[str, Any]) -> str:
    """Return scores as aligned text, one line an encoder and head."""
    metrics = list(dict.fromkeys(row["metric"] for row in told["results"]))
    lines = [["encoder", "head", *metrics]]
    for row in _rows(told, metrics):
        lines.append([row["encoder"], HEADS[row["probe"]], *(shown(c) for c in row["cells"])])
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )

"""The page of `retinaforge challenge`; every number stands in challenge.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports import challenge_charts as charts
from retinaforge.reports import words
from retinaforge.reports.page_templates import page_template

STRIPS = ("disc_dice", "cup_dice", "vcdr_error", "fovea_distance_dd")
MOST_FAULTS = 200


def write_challenge_page(out: Path) -> Path:
    """Write challenge.html into a folder with challenge.json: one file, nothing fetched.

    Raises:
        Refusal: "expected a folder that `retinaforge challenge` wrote; got ...".
    """
    try:
        told = json.loads((out / "challenge.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            "a folder that `retinaforge challenge` wrote", f"{out}: {error}", "run it again"
        ) from error
    page = page_template("challenge.html.j2")
    return write_text(out / "challenge.html", page.render(**_context(told)))


def _context(told: dict[str, Any]) -> dict[str, Any]:
    names = [card["name"] for card in told["cards"]]
    images = told["images"]
    return {
        "told": told,
        "counts": told["counts"],
        "cards": {card["name"]: card for card in told["cards"]},
        "names": charts.NAMES,
        "order": names,
        "rows": table_rows(told),
        "grouped": [(n, charts.by_group(told["scores"], n)) for n in names],
        "strips": [(n, charts.strip(images, n)) for n in STRIPS],
        "roc": charts.roc(told["roc"]),
        "ratios": charts.ratios(images),
        "foveas": charts.foveas(images),
        "calls": charts.calls(told),
        "faults": told["faults"][:MOST_FAULTS],
        "more_faults": max(0, len(told["faults"]) - MOST_FAULTS),
        "partly": any(fault["kind"] != "extra" for fault in told["faults"]),
        "shown": charts.shown,
        "words": words,
    }


def table_rows(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row a group with its scores in the order of the cards."""
    names = [card["name"] for card in told["cards"]]
    groups = list(dict.fromkeys((s["group"], s["member"]) for s in told["scores"]))
    by_key = {(s["group"], s["member"], s["name"]): s for s in told["scores"]}
    return [
        {
            "word": charts.word_of({"group": g, "member": m}),
            "cells": [by_key[g, m, n] for n in names],
        }
        for g, m in groups
    ]


def text_table(told: dict[str, Any]) -> str:
    """Return scores as aligned text, one line a score of all images, then groups."""
    lines = [["score", "images", "value", "n"]]
    for score in told["scores"]:
        value = charts.shown(score) if score["value"] is not None else f"NaN: {score['reason']}"
        lines.append([charts.NAMES[score["name"]], charts.word_of(score), value, str(score["n"])])
    widths = [max(len(line[k]) for line in lines) for k in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )

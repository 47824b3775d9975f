"""The page of `retinaforge validate`: verdict first, then every number with what it rests on.

Nothing is computed here: all numbers stand in scorecard.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.core.naming import short_space
from retinaforge.reports import checklists, svg, words
from retinaforge.reports.page_templates import page_template
from retinaforge.reports.pictures import embed

WIDTH, ROW = 300, 26
GREEN, AMBER, RED, GREY = "#009e73", "#e69f00", "#b3261e", "#8a939b"
SHOWN_NUMBERS = 40
LEVEL_WORDS = {
    "failure": "Failure", "caution": "Caution", "unknown": "Not known", "pass": "Holds",
}  # fmt: skip
ANSWER_LEVELS = {
    "no": "failure", "with care": "caution", "not shown": "unknown", "nothing against it": "pass",
}  # fmt: skip
DAMAGE_ORDER = (
    "blur", "broken-vessels", "thick-vessels", "colour-cast", "extra-disc", "mode-collapse",
    "planted-copies",
)  # fmt: skip


def write_validation_page(out: Path) -> Path:
    """Write report.html into a folder of a validation: one file, nothing fetched.

    Args:
        out: as `retinaforge validate --out` left it.

    Returns:
        Path of the page.

    Raises:
        Refusal: "expected a folder that `retinaforge validate` wrote; got ...".
    """
    card = read_scorecard(out)
    page = page_template("validation.html.j2")
    return write_text(out / "report.html", page.render(**_context(out, card)))


def read_scorecard(path: Path) -> dict[str, Any]:
    """Return the scorecard of a run's folder, or of the file itself.

    Raises:
        Refusal: "expected a folder that `retinaforge validate` wrote; got ...".
    """
    file = path / "scorecard.json" if path.is_dir() else path
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _no_run(path, f"without a scorecard.json that can be read ({error})") from error
    if not isinstance(card, dict) or not {"scores", "verdict", "protocol"} <= set(card):
        raise _no_run(path, "whose scorecard.json is of another command")
    return card


def _no_run(path: Path, came: str) -> Refusal:
    return Refusal(
        "a folder that `retinaforge validate` wrote", f"{path} {came}",
        "run `retinaforge validate REAL SYNTH --out OUT`, it resumes",
    )  # fmt: skip


def _context(out: Path, card: dict[str, Any]) -> dict[str, Any]:
    scores = card["scores"]
    panel = card["sanity_panel"]["rows"]
    blind = blind_scores(panel)
    rejects = card.get("rejects", [])
    inside = embed([row["picture"] for row in rejects if row.get("picture")], out)
    shown = [{**row, "source": inside.get(row.get("picture") or "")} for row in rejects]
    protocol = card["protocol"]
    return {
        "title": f"{_name(protocol['synthetic'])} against {_name(protocol['real'])}",
        "card": card, "protocol": protocol, "verdict": card["verdict"], "uses": card["uses"],
        "level_words": LEVEL_WORDS, "answer_levels": ANSWER_LEVELS, "blind": blind,
        "spaces": _spaces(scores),
        "tables": [(name, _distribution(scores, name)) for name in ("vessels", "quality")],
        "anatomy": [s for s in scores if s.get("family") == "anatomy"],
        "grade": [s for s in scores if s.get("family") == "quality" and "column" not in s],
        "copies": [s for s in scores if s.get("family") == "copies"],
        "paired": [s for s in scores if s.get("family") == "paired"],
        "groups": _groups(scores),
        "panel": panel_table(panel), "kinds": _kinds(panel),
        "panel_numbers": panel_summary(panel),
        "rejects": [r for r in shown if r["kind"] == "anatomy"],
        "pairs": [r for r in shown if r["kind"] in ("copy", "nearest")],
        "left_out": [(side, r) for side, rows in card["left_out"].items() for r in rows],
        "short_space": short_space, "cards": _cards(scores), "place_bar": place_bar, "words": words,
        "how": _how(protocol),
        "smd": checklists.smd_card(card), "claim": checklists.claim_items(card),
    }  # fmt: skip


def _how(protocol: dict[str, Any]) -> dict[str, Any]:
    """Return the protocol as a reader reads it: no empty fields, what was found in words."""
    footing = protocol["footing"]
    plain = {k: v for k, v in protocol.items() if k != "footing" and v not in (None, [], {})}
    found = {f"{name} files": _found(side) for name, side in footing["sides"].items()}
    again = ", ".join(f"{name} at {q}" for name, q in footing["recompress"].items())
    return {**plain, "common square": f"{footing['size_px']} px", **found,
            "sent through JPEG": again or "none"}  # fmt: skip


def _found(side: dict[str, Any]) -> str:
    sizes, codecs = (", ".join(f"{n} of {what}" for what, n in side[key].items())
                     for key in ("sizes", "codecs"))  # fmt: skip
    quality = side["jpeg_quality"]
    said = f"{side['files']}, {side['unreadable']} without a header; {codecs}; {sizes}"
    return said if quality is None else f"{said}; JPEG quality {quality}"


def _name(side: dict[str, Any]) -> str:
    return Path(side["folder"]).resolve().name


def _spaces(scores: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    lines = [s for s in scores if s.get("family") == "fidelity"]
    return [
        (space, [s for s in lines if s["space"] == space])
        for space in dict.fromkeys(s["space"] for s in lines)
    ]


def _distribution(scores: Sequence[dict[str, Any]], table: str) -> dict[str, Any]:
    """Return a table's numbers, those that differ most first, and those that have no value."""
    lines = [s for s in scores if s.get("family") == table and "column" in s]
    known = [s for s in lines if s["value"] is not None]
    known.sort(key=lambda s: (s.get("p_holm") is None, s.get("p_holm") or 0.0, -s["value"]))
    different = sum((s.get("p_holm") or 1.0) < 0.05 for s in known)
    return {
        "lines": known[:SHOWN_NUMBERS], "more": known[SHOWN_NUMBERS:],
        "known": len(known), "different": different,
        "undefined": [s for s in lines if s["value"] is None],
    }  # fmt: skip


def _groups(scores: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for each group its coverage, set scores, shares, and the numbers that differ."""
    lines = [s for s in scores if s.get("family") == "groups"]
    groups: dict[str, list[dict[str, Any]]] = {}
    for s in lines:
        groups.setdefault(f"{s['column']}: {s['group']}", []).append(s)
    return [_group(name, rows) for name, rows in groups.items()]


def _group(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    numbers = [s for s in rows if "number" in s and s.get("p_holm") is not None]
    differ = [s for s in numbers if s["p_holm"] < 0.05]
    return {
        "name": name, "coverage": rows[0], "sets": [s for s in rows if "space" in s],
        "shares": [s for s in rows[1:] if "value_real" in s],
        "known": len(numbers), "differ": sorted(differ, key=lambda s: s["p_holm"]),
    }  # fmt: skip


def _cards(scores: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({(s["card"]["name"], s["card"]["measures"]): s["card"] for s in scores}.values())


def _kinds(panel: Sequence[dict[str, Any]]) -> list[str]:
    there = dict.fromkeys(row["kind"] for row in panel)
    return [k for k in DAMAGE_ORDER if k in there] + [k for k in there if k not in DAMAGE_ORDER]


def panel_table(panel: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each score that is no single biomarker: from which level it notices what."""
    kinds = _kinds(panel)
    rows: dict[str, dict[str, Any]] = {}
    for row in panel:
        if row["family"] in ("vessels", "quality") and row["score"] != "quality: not good":
            continue
        begun = {"score": row["score"], "name": short_space(row["score"]), "cells": {}}
        cells = rows.setdefault(row["score"], begun)["cells"]
        cells[row["kind"]] = row
    return [{**row, "cells": [row["cells"].get(kind) for kind in kinds]} for row in rows.values()]


def panel_summary(panel: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each table of single numbers, how many notice each damage and which first."""
    found = []
    for family in ("vessels", "quality"):
        rows = [r for r in panel if r["family"] == family and r["score"] != "quality: not good"]
        if not rows:
            continue
        cells = []
        for kind in _kinds(panel):
            seen = [r for r in rows if r["kind"] == kind and r["notices_from"] is not None]
            first = min(seen, key=lambda r: r["notices_from"], default=None)
            cells.append({
                "count": len(seen), "of": sum(r["kind"] == kind for r in rows),
                "first": None if first is None else first["score"].partition(": ")[2],
                "level": None if first is None else first["notices_from"],
            })  # fmt: skip
        found.append({"name": family, "cells": cells})
    return found


def blind_scores(panel: Sequence[dict[str, Any]]) -> set[str]:
    """Return the scores that notice neither broken nor thickened vessels at any level."""
    seen: dict[str, bool] = {}
    for row in panel:
        if row["kind"] in ("broken-vessels", "thick-vessels") and row["floor_median"] is not None:
            seen[row["score"]] = seen.get(row["score"], False) or row["notices_from"] is not None
    return {score for score, noticed in seen.items() if not noticed}


def place_bar(score: dict[str, Any]) -> Markup:
    """Return a bar: real against real in green, the worst planted damage in red, the score a dot.

    Only for scores that have both ends; the dot is the score at the same n as the green band.
    """
    floor, matched, worst = score.get("floor"), score.get("matched"), score.get("worst_damage")
    if not floor or not matched:
        return Markup("")
    ends = [floor["low"], floor["high"], matched["mean"]]
    ends += [worst["value"]] if worst else []
    x = svg.axis(ends, 6.0, WIDTH - 6.0)
    parts = [
        svg.line((6, ROW / 2), (WIDTH - 6, ROW / 2), "rule"),
        Markup('<rect x="{:.1f}" y="8" width="{:.1f}" height="{}" fill="{}" fill-opacity="0.35">'
               "<title>{}</title></rect>").format(
            x(floor["low"]), max(2.0, x(floor["high"]) - x(floor["low"])), ROW - 16, GREEN,
            f"real against real: {words.number(floor['low'])} to {words.number(floor['high'])}",
        ),
    ]  # fmt: skip
    if worst:
        at = x(worst["value"])
        style = f"stroke:{RED};stroke-width:3"
        parts.append(svg.line((at, 6), (at, ROW - 6), "", style=style))
    said = f"synthetic, same n: {words.number(matched['mean'])}"
    parts.append(svg.dot(x(matched["mean"]), ROW / 2, 5, fill="#1b2733", title=said))
    alt = f"{said}; real against real {words.number(floor['low'])} to {words.number(floor['high'])}"
    frame = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}" class="chart">{}</svg>')
    return frame.format(WIDTH, ROW, alt, Markup("").join(parts))

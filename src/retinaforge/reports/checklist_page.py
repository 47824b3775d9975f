"""The checklist for a clinician: one page that works without a network and saves its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports import words
from retinaforge.reports.page_templates import page_template

TABLE, PAGE = "checklist.json", "checklist.html"
SHOWN = ("sample", "items", "answers", "rows")


def write_checklist_page(out: Path) -> Path:
    """Write checklist.html into a folder with checklist.json: one file, nothing fetched.

    What a reader must not know (quality, grade, who wrote the caption) is not on it.

    Raises:
        Refusal: "expected a folder that `retinaforge captions checklist` wrote; got ...".
    """
    try:
        told = json.loads((out / TABLE).read_text(encoding="utf-8"))
        rows = [{k: row[k] for k in ("name", "text", "parts", "picture")} for row in told["rows"]]
    except (OSError, ValueError, KeyError) as error:
        raise Refusal(
            "a folder that `retinaforge captions checklist` wrote", f"{out}: {error}",
            "run it again",
        ) from error  # fmt: skip
    shown = {key: told[key] for key in SHOWN} | {"rows": rows}
    content = json.dumps(shown, ensure_ascii=False).replace("<", "\\u003c")
    page = page_template("checklist.html.j2")
    return write_text(out / PAGE, page.render(told=told, content=Markup(content)))


def agreement_markdown(told: dict[str, Any]) -> str:
    """Return the statistics of `captions checklist-read` as Markdown."""
    rows = [_row(name, item) for name, item in told["items"].items()]
    heads = ["item", "correct", "wrong", "not said", "accuracy (95 %)", "agree", "kappa", "AC1"]
    readers = ", ".join(told["readers"])
    lines = [
        "# Captions checked by readers", "",
        f"{len(told['readers'])} readers ({readers}), {told['images']} images, sample "
        f"`{told['sample']}`.", "",
        *_lines(heads, rows), "",
        "Accuracy: correct / (correct + wrong), Wilson's interval. Agree: share of pairs of "
        "readers that gave the same answer. Kappa: Cohen's of two readers, Fleiss's of more; it "
        "falls where one answer is rare, Gwet's AC1 does not.", "",
    ]  # fmt: skip
    if told["wrong"]:
        lines += ["## Called wrong", ""]
        lines += [f"- {r['name']}, {r['item']}: {', '.join(r['readers'])}" for r in told["wrong"]]
        lines.append("")
    if told["notes"]:
        lines += ["## Notes", ""]
        lines += [f"- {n['name']} ({n['reader']}): {n['note']}" for n in told["notes"]]
        lines.append("")
    return "\n".join(lines)


def _lines(heads: list[str], rows: list[list[str]]) -> list[str]:
    parted = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return [f"| {' | '.join(cells)} |" for cells in parted]


def _row(name: str, item: dict[str, Any]) -> list[str]:
    right, counts = item["accuracy"], item["counts"]
    interval = words.interval(right["interval"])
    value = right["reason"] if right["value"] is None else f"{words.number(right['value'])}"
    kappa = item["reason"] if item["kappa"] is None else words.number(item["kappa"])
    return [
        name, *(str(counts[answer]) for answer in ("correct", "wrong", "not said")),
        f"{value} ({interval})" if interval else value,
        words.number(item["observed"]), kappa, words.number(item["ac1"]),
    ]  # fmt: skip

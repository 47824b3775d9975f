"""The page of a reader study. Nothing is computed here: every number stands in reader.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports import reader_charts as charts
from retinaforge.reports import words
from retinaforge.reports.page_templates import page_template

TABLE, PAGE = "reader.json", "reader.html"
FEW_READERS, FEW_IMAGES = 5, 40
NAMES = {
    "reader_accuracy": "Accuracy", "called_real": "Called real", "d_prime": "d′",
    "criterion": "Bias c", "reader_auc": "AUC of confidence", "fleiss_kappa": "Fleiss κ",
    "cohen_kappa": "Cohen κ", "intra_reader_kappa": "Within a reader κ",
    "aspect_difference": "Synthetic − real", "aspect_mean": "Mean score",
    "grade_kappa": "κ with the stated grade", "reading_time": "Median time, s",
}  # fmt: skip
QUESTIONS = {
    "verdict": "Real or synthetic", "pair": "Which of two", "disc": "Optic disc",
    "macula": "Macula", "vessels": "Vessels", "nerve_fibre_layer": "Nerve fibre layer",
    "lesions": "Lesions", "overall": "Overall", "dr_grade": "Retinopathy grade",
    "glaucoma": "Glaucoma", "amd_stage": "Macular degeneration",
}  # fmt: skip
FIELDS = {
    "shared": "outside what all of them show", "circle": "outside one circle",
    "own": "outside each one's own field of view",
}  # fmt: skip
Rows = list[dict[str, Any]]


def write_reader_page(out: Path) -> Path:
    """Write reader.html into a folder with reader.json: one file, nothing fetched.

    Raises:
        Refusal: "expected a folder that `retinaforge reader report` wrote; got ...".
    """
    try:
        told = json.loads((out / TABLE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal("a folder that `retinaforge reader report` wrote", f"{out}: {error}",
                      "run it again") from error  # fmt: skip
    return write_text(out / PAGE, page_template("reader.html.j2").render(**_context(told)))


def rows_of(told: dict[str, Any], name: str, **where: str) -> Rows:
    """Return the scores of a name with these fields and no other group, side or aspect."""
    keys = ("by", "group", "side", "aspect", "question")
    return [
        row for row in told["scores"]
        if row["name"] == name and all(row.get(k) == where.get(k) for k in keys)
        and row["reader"] == where.get("reader", row["reader"])
    ]  # fmt: skip


def _context(told: dict[str, Any]) -> dict[str, Any]:
    question = "pair" if told["study"]["design"] == "2afc" else "verdict"
    judged = question in told["study"]["questions"]
    aspects = [q for q in QUESTIONS if rows_of(told, "aspect_difference", aspect=q)]
    return {
        "told": told, "study": told["study"], "names": NAMES, "questions": QUESTIONS,
        "said": in_words(told), "cautions": cautions(told), "judged": judged,
        "pairs": question == "pair", "charts": _charts(told) if judged else [],
        "confidence": [(r, charts.confidence(c, r)) for r, c in told["confidence"].items()],
        "roc": charts.roc(told["roc"]), "table": _table(told, judged),
        "agreement": _agreement(told), "aspects": aspects,
        "aspect_charts": [(a, _aspect_chart(told, a)) for a in aspects],
        "differences": {a: rows_of(told, "aspect_difference", aspect=a, reader="all")[0]
                        for a in aspects},
        "groups": _groups(told), "fields": FIELDS, "grades": _grades(told),
        "shown": charts.shown, "words": words,
    }  # fmt: skip


def _charts(told: dict[str, Any]) -> list[tuple[str, Any]]:
    real_too = rows_of(told, "called_real", side="real")
    sides = [*real_too, *rows_of(told, "called_real", side="synthetic")]
    published = told["published"]["called_real"] if real_too else None
    found = [
        ("Accuracy", charts.forest(rows_of(told, "reader_accuracy"), name="accuracy", middle=0.5)),
        ("Called real", charts.both_sides(sides, name="called real", published=published)),
        ("d′", charts.forest(rows_of(told, "d_prime"), name="d prime", middle=0)),
        ("AUC of confidence", charts.forest(rows_of(told, "reader_auc"), name="AUC", middle=0.5)),
    ]
    return [(name, chart) for name, chart in found if chart is not None]


def _aspect_chart(told: dict[str, Any], aspect: str) -> Any:
    rows = [r for s in charts.SIDES for r in rows_of(told, "aspect_mean", aspect=aspect, side=s)]
    return charts.both_sides(rows, name=QUESTIONS[aspect], published=None)


def in_words(told: dict[str, Any]) -> list[dict[str, str]]:
    """Return what the study says, in sentences that do not go beyond its intervals."""
    found = []
    for row in rows_of(told, "reader_accuracy", reader="all"):
        found.append(_accuracy_words(row))
    sides = {s: rows_of(told, "called_real", side=s, reader="all") for s in charts.SIDES}
    if sides["real"] and sides["synthetic"]:
        real, synthetic = sides["real"][0], sides["synthetic"][0]
        text = (
            f"Called real: {charts.shown(synthetic)} of synthetic and {charts.shown(real)} of real "
            "images (RetinaLogos: 0.621 and 0.643, without intervals)."
        )
        found.append({"level": "open", "text": text})
    for row in rows_of(told, "fleiss_kappa", question="verdict", reader="all") + rows_of(
        told, "fleiss_kappa", question="pair", reader="all"
    ):
        if row["value"] is not None:
            found.append({"level": "open", "text": f"Readers agree with one another by Fleiss's κ "
                          f"{charts.shown(row)}."})  # fmt: skip
    return found


def _accuracy_words(row: dict[str, Any]) -> dict[str, str]:
    if not row["interval"]:
        return {"level": "open", "text": f"Accuracy {charts.shown(row)}: {row['reason']}."}
    low, high = row["interval"]
    text = f"Accuracy over readers {charts.shown(row)}: "
    if low > 0.5:
        return {"level": "sure", "text": text + "readers tell synthetic images from real ones."}
    if high < 0.5:
        return {"level": "sure", "text": text + "below one half: readers take one side for the "
                "other."}  # fmt: skip
    return {"level": "open", "text": text + "not told from guessing. That does not show that "
            f"images cannot be told apart: accuracies up to {words.number(high)} fit."}  # fmt: skip


def cautions(told: dict[str, Any]) -> list[str]:
    """Return what must be known before the first number."""
    said = list(told["warnings"])
    short = [r for r in told["readers"] if r["done"] < r["count"]]
    if short:
        said.append("Not finished: " + ", ".join(f"{r['reader']} {r['done']} of {r['count']}"
                                                 for r in short) + ".")  # fmt: skip
    read = [r for r in told["readers"] if r["done"]]
    if len(read) < FEW_READERS:
        said.append(f"Few readers: {len(read)}. How other readers would do is poorly known.")
    if sum(told["study"]["images"].values()) < FEW_IMAGES:
        said.append(f"Few images: {sum(told['study']['images'].values())}.")
    return said


def _table(told: dict[str, Any], judged: bool) -> list[dict[str, Any]]:
    """Return a row a reader: done, accuracy with p, shares, d', c, AUC, kappa within, time."""
    if not judged:
        return []
    readers = ["all", "pooled", *(r["reader"] for r in told["readers"] if r["done"])]
    columns = [("reader_accuracy", {}), ("called_real", {"side": "real"}),
               ("called_real", {"side": "synthetic"}), ("d_prime", {}), ("criterion", {}),
               ("reader_auc", {}), ("intra_reader_kappa", {"question": "verdict"}),
               ("intra_reader_kappa", {"question": "pair"}), ("reading_time", {})]  # fmt: skip
    kept = [(n, w) for n, w in columns if rows_of(told, n, **w)]
    heads = [NAMES[n] + (f", {w['side']}" if "side" in w else "") for n, w in kept]
    body = [
        {"reader": charts.who(r), "all": r == "all",
         "cells": [next(iter(rows_of(told, n, reader=r, **w)), None) for n, w in kept]}
        for r in readers
    ]  # fmt: skip
    return [{"heads": heads, "rows": body}]


def _agreement(told: dict[str, Any]) -> Rows:
    found = []
    for question in told["study"]["questions"]:
        cells = {n: next(iter(rows_of(told, n, question=question, reader="all")), None)
                 for n in ("fleiss_kappa", "cohen_kappa", "intra_reader_kappa")}  # fmt: skip
        if any(cells.values()):
            found.append({"question": QUESTIONS.get(question, question), **cells})
    return found


JUDGED: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("Accuracy", "reader_accuracy", {}), ("Called real, real", "called_real", {"side": "real"}),
    ("Called real, synthetic", "called_real", {"side": "synthetic"}), ("d′", "d_prime", {}),
)  # fmt: skip


def _groups(told: dict[str, Any]) -> Rows:
    """Return a table for each column that answers are parted by, and one of its aspects."""
    aspects = tuple((QUESTIONS[q], "aspect_difference", {"aspect": q})
                    for q in told["study"]["questions"] if q in QUESTIONS)  # fmt: skip
    found = []
    for by, names in told["groups"].items():
        for what, asked in (("", JUDGED), ("synthetic − real", aspects)):
            cells = {(head, g): next(iter(rows_of(told, n, by=by, group=g, reader="all", **w)),
                                     None) for head, n, w in asked for g in names}  # fmt: skip
            heads = [head for head, _, _ in asked if any(cells[head, g] for g in names)]
            rows = [{"group": g, "cells": [cells[head, g] for head in heads]} for g in names]
            if heads:
                found.append({"by": by, "what": what, "heads": heads, "rows": rows})
    return found


def _grades(told: dict[str, Any]) -> Rows:
    return [row for row in told["scores"] if row["name"] == "grade_kappa"]


def text_summary(told: dict[str, Any]) -> str:
    """Return the sentences and each reader's row as text for the terminal."""
    lines = [f"caution: {text}" for text in cautions(told)]
    lines += [row["text"] for row in in_words(told)]
    for table in _table(told, any(r["name"] == "reader_accuracy" for r in told["scores"])):
        grid = [["", *table["heads"]]]
        grid += [[row["reader"], *("" if c is None else charts.shown(c) for c in row["cells"])]
                 for row in table["rows"]]  # fmt: skip
        widths = [max(len(line[k]) for line in grid) for k in range(len(grid[0]))]
        lines += ["  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)).rstrip()
                  for line in grid]  # fmt: skip
    for aspect in QUESTIONS:
        for row in rows_of(told, "aspect_difference", aspect=aspect, reader="all"):
            lines.append(f"{QUESTIONS[aspect]}: synthetic − real {charts.shown(row)}")
    return "\n".join(lines)

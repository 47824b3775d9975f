"""Answers that a reader saved from the checklist page, JSON or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.tasks.checklist import ANSWERS, ITEMS

HEAD, CELLS = ("reader", "sample"), ("name", "item", "answer")
Votes = Mapping[tuple[str, str], str]
"""Answers by (image, item)."""


@dataclass(frozen=True)
class Reader:
    """One reader's answers.

    Attributes:
        name: as typed on the page.
        sample: which sample was read.
        votes: answers by (image, item).
        notes: free words by image.
    """

    name: str
    sample: str
    votes: Votes
    notes: Mapping[str, str]


def read_answers(path: Path) -> Reader:
    """Read a file that the page saved, JSON or CSV.

    Raises:
        Refusal: "expected answers that the checklist page saved; got FILE: JSON without ...".
    """
    text = _text(path)
    rows, head = _table(path, text) if path.suffix.lower() == ".csv" else _object(path, text)
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(isinstance(row.get(k), str) for k in CELLS):
            raise _refused(path, f"answer {number} without {', '.join(CELLS)} in words")
    votes = {(row["name"], row["item"]): row["answer"] for row in rows if row["answer"]}
    notes = {row["name"]: str(row["note"]) for row in rows if row.get("note")}
    odd = sorted({answer for answer in votes.values() if answer not in ANSWERS})
    odd += sorted({item for _, item in votes if item not in ITEMS})
    if odd or not votes:
        raise Refusal(
            f"answers {', '.join(ANSWERS)} to the items {', '.join(ITEMS)}",
            f"{path} with {', '.join(map(repr, odd)) or 'no answer'}",
            "save them again from the page",
        )
    return Reader(head["reader"] or path.stem, head["sample"], votes, notes)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(path, "a file that is no text") from error
    except OSError as error:
        raise _refused(path, (error.strerror or str(error)).lower()) from error


def _table(path: Path, text: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the rows of a CSV, all of one reader and sample, and who they are."""
    table = csv.DictReader(text.splitlines())
    try:
        rows = list(table)
    except csv.Error as error:
        raise _refused(path, f"no CSV ({error})") from error
    if missing := [name for name in (*HEAD, *CELLS) if name not in (table.fieldnames or ())]:
        raise _refused(path, f"a table without the columns {', '.join(missing)}")
    heads = {(row["reader"] or "", row["sample"] or "") for row in rows}
    if len(heads) > 1:
        raise _refused(path, "rows of several readers or samples; give a file each")
    reader, sample = heads.pop() if heads else ("", "")
    return rows, {"reader": reader, "sample": sample}


def _object(path: Path, text: str) -> tuple[list[Any], dict[str, str]]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        came = f"no JSON ({error.msg}, line {error.lineno})"
        raise _refused(path, came) from error
    if not isinstance(content, dict):
        raise _refused(path, f"a JSON {type(content).__name__}, not an object")
    if missing := [name for name in (*HEAD, "answers") if name not in content]:
        raise _refused(path, f"JSON without {', '.join(missing)}")
    if odd := [name for name in HEAD if not isinstance(content[name], str)]:
        raise _refused(path, f"JSON whose {' and '.join(odd)} is no text")
    if not isinstance(content["answers"], list):
        raise _refused(path, "JSON whose answers are no list")
    return content["answers"], {name: content[name] for name in HEAD}


def _refused(path: Path, came: str) -> Refusal:
    return Refusal(
        "answers that the checklist page saved (.json or .csv)",
        f"{path}: {came}",
        "save them again from the page",
    )

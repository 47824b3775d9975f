"""The page of `retinaforge demo text`: captions, samples, adherence, obedience, what was run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports.obedience_page import page_parts, read_told
from retinaforge.reports.page_templates import page_template
from retinaforge.reports.pictures import embed

RESULT, PAGE = "demo.json", "report.html"
CAPTIONS = 6


def write_text_demo_page(out: Path) -> Path:
    """Write report.html into a folder of `retinaforge demo text`: one file, nothing fetched.

    Raises:
        Refusal: expected a folder of `retinaforge demo text`.
    """
    demo = _read(out / RESULT)
    parts = page_parts(read_told(out / "obeyed"), out / "obeyed")
    pairs = _pairs(out / "pairs")
    page = page_template("text_demo.html.j2").render(
        **parts, demo=demo, pairs=pairs, caption_pictures=_pictures(pairs),
        adherence=_adherence(out), steps=demo["steps"],
    )  # fmt: skip
    return write_text(out / PAGE, page)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            "a folder that `retinaforge demo text` wrote", f"{path}: {error}", "run it again"
        ) from error


def _pairs(folder: Path) -> list[dict[str, Any]]:
    """Return the first captioned phantoms, each of another eye's kind: one in seven."""
    lines = (folder / "metadata.jsonl").read_bytes().split(b"\n")[:-1]
    rows = [json.loads(line) for line in lines[: 7 * CAPTIONS : 7]]
    for row in rows:
        row["place"] = row.get("image") or str((folder / row["file_name"]).resolve())
    return rows


def _pictures(pairs: list[dict[str, Any]]) -> dict[str, str | None]:
    root = Path("/")
    found = embed([str(Path(row["place"]).relative_to(root)) for row in pairs], root)
    return {row["place"]: found[str(Path(row["place"]).relative_to(root))] for row in pairs}


def _adherence(out: Path) -> list[dict[str, Any]]:
    """Return samples and held-out eyes, part by part."""
    told = {}
    for name, folder in (("samples", "adherence"), ("eyes", "adherence-held-out")):
        path = out / folder / "adherence.json"
        told[name] = _read(path) if path.is_file() else {"whole": None, "parts": {}}
    parts = list(dict.fromkeys([*told["samples"]["parts"], *told["eyes"]["parts"]]))
    rows = [{"part": "whole caption", "samples": told["samples"]["whole"],
             "eyes": told["eyes"]["whole"]}]  # fmt: skip
    rows += [{"part": part, "samples": told["samples"]["parts"].get(part),
              "eyes": told["eyes"]["parts"].get(part)} for part in parts]  # fmt: skip
    return rows

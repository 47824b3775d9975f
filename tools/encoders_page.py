"""Write docs/reference/encoders.md from the catalogue of encoders and the contamination ledger.

`python tools/encoders_page.py` writes it; tests/docs/test_encoders_page.py compares it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from retinaforge.encoders import FAMILIES, SHIPPED
from retinaforge.encoders.ledger import PARTS, lines_of, title_of
from retinaforge.encoders.listing import Listed, every_listed, is_fetchable, is_gated
from retinaforge.encoders.loading import RANDOM

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "encoders.md"
HEAD = """\
# Encoders

Made by `python tools/encoders_page.py` from the catalogue in `retinaforge/encoders/__init__.py` and
`encoders/ledger.json`; a test keeps it true. Do not edit by hand.

`retinaforge encoders list` prints the first table, `show NAME` one family, `check FILE` what a file
is. How to use them: [load an encoder](../how-to/load-an-encoder.md).

## All families

"confirmed" says against what the same numbers came out for the same weights. "has seen" names
public data sets on record; none on record is no proof of none.

| name | what | licence of the weights | images | px | has seen |
|---|---|---|---|---|---|
"""
CONFIRMED = """
## What each is confirmed by

| name | confirmed by | key layout read from | reference |
|---|---|---|---|
"""
FILES = """
## Published files

`retinaforge encoders fetch NAME` shows licence, gate, size and address, asks, downloads and checks
the hash. Files behind a page to click through are fetched by hand and checked with `check`.

| fetch by name | family | images | licence | gate | SHA-256 |
|---|---|---|---|---|---|
"""
LEDGER = """
## The contamination ledger

A judge that has learnt from the photographs that it judges is no independent judge: `validate` and
`probe` warn where data and encoder overlap. A set that is not listed is not known to be seen.
"""


def page() -> str:
    """Return the whole page."""
    rows = every_listed(FAMILIES, SHIPPED, RANDOM)
    parts = [HEAD, *map(_row, rows), CONFIRMED, *map(_confirmed, rows), FILES]
    parts += [line for row in rows for line in _files(row)]
    return "".join([*parts, LEDGER, *_ledger(rows)])


def _row(row: Listed) -> str:
    seen = f"{len(row.training_sets)} sets, see below" if len(row.training_sets) > 4 else (
        "; ".join(dict.fromkeys(map(title_of, row.training_sets))) or "none on record"
    )  # fmt: skip
    px = str(row.input_px or "as the file says")
    return _line(f"`{row.name}`", row.what, row.licence, row.modality, px, seen)


def _confirmed(row: Listed) -> str:
    return _line(f"`{row.name}`", row.confirmed, row.layout_source, row.reference)


def _files(row: Listed) -> Iterator[str]:
    for file in row.files:
        name = f"`{file.name}`" if is_fetchable(file) else f"[{file.name}]({file.where}) by hand"
        gate = file.gate if is_gated(file) or not is_fetchable(file) else "none"
        sha256 = f"`{file.sha256[:12]}`" if file.sha256 else "not published"
        yield _line(name, row.name, file.modality, file.licence, gate, sha256)


def _ledger(rows: list[Listed]) -> Iterator[str]:
    for row in rows:
        entry = lines_of(row.name)
        if not entry["sets"]:
            continue
        yield f"\n### {row.name}\n\nRead from {entry['source']}."
        yield f" {entry['note'].capitalize()}.\n\n" if entry.get("note") else "\n\n"
        for name, line in entry["sets"].items():
            note = f"; {line['note']}" if line.get("note") else ""
            yield f"- {title_of(name)}: {PARTS[line['part']]}{note}\n"
        if kept := entry.get("held_out"):
            yield f"\nKept for testing: {'; '.join(map(title_of, kept))}.\n"


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

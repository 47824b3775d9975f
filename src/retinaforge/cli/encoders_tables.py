"""How encoders look in a terminal: one table of all, and rows of one."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from retinaforge.cli.output import stdout
from retinaforge.encoders import Encoder
from retinaforge.encoders.ledger import title_of
from retinaforge.encoders.listing import Listed, is_fetchable

WIDE = 140
FEW = 3


def print_list(rows: Sequence[Listed]) -> None:
    """Print one table; a narrow terminal gets the columns that do not fit under the name."""
    wide = stdout.width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("name", style="bold", no_wrap=True)
    if wide:
        table.add_column("what", ratio=4)
    for column, ratio in (("licence", 2), ("images", 1), ("has seen", 2)):
        table.add_column(column, ratio=ratio)
    table.add_column("px", justify="right", no_wrap=True)
    table.add_column("confirmed by" if wide else "conf.", ratio=2 if wide else None)
    table.add_column("how to get", ratio=2)
    for row in rows:
        cells = [row.name, *([row.what] if wide else []), short(row.licence), row.modality,
                 sets_in_brief(row.training_sets), str(row.input_px or "any"),
                 brief(row) if wide else _yes(row), row.get]  # fmt: skip
        table.add_row(*(Text(cell) for cell in cells))
    stdout.print(table)


def _yes(row: Listed) -> str:
    return "yes" if row.is_confirmed else "no"


def sets_in_brief(sets: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    if not sets:
        return "none on record"
    more = f" and {len(sets) - FEW} more" if len(sets) > FEW else ""
    return ", ".join(sets[:FEW]) + more


def short(text: str) -> str:
    """Return a sentence up to its first bracket or semicolon."""
    for mark in (" (", ";"):
        text = text.partition(mark)[0]
    return text


def brief(row: Listed) -> str:
    """Return what confirms a family in a few words."""
    if not row.is_confirmed:
        return "not confirmed"
    words = row.confirmed.removeprefix("values of ")
    for mark in (";", ", ", " ("):
        words = words.partition(mark)[0]
    return words


def family_rows(row: Listed) -> list[tuple[str, str]]:
    """Return all that is known of a family, as (word, text)."""
    seen = "; ".join(dict.fromkeys(map(title_of, row.training_sets))) or "none on record"
    kept = "; ".join(title_of(name) for name in row.held_out)
    rows = [
        ("name", row.name), ("what", row.what), ("load it as", row.spec),
        ("licence", row.licence), ("images", row.modality),
        ("input", f"{row.input_px} px" if row.input_px else "as the file says, or any size"),
        ("has seen", seen), *([("kept for testing", kept)] if kept else []),
        ("confirmed by", row.confirmed), ("layout read from", row.layout_source),
        ("reference", row.reference), ("how to get", row.get),
    ]  # fmt: skip
    for file in row.files:
        fetch = f"`retinaforge encoders fetch {file.name}`" if is_fetchable(file) else "by hand"
        gate = "" if file.gate == "none" else f"; {file.gate}"
        hashed = f"; SHA-256 {file.sha256[:12]}" if file.sha256 else "; no hash published"
        rows.append((f"file {file.name}", f"{fetch}: {file.where} ({file.licence}{gate}{hashed})"))
    return rows


def card_rows(encoder: Encoder) -> list[tuple[str, str]]:
    """Return an encoder's card, as (word, text)."""
    card = encoder.card.as_dict()
    card["training_sets"] = (
        "; ".join(dict.fromkeys(map(title_of, card["training_sets"]))) or "none on record"
    )
    card["blocks"] = ", ".join(map(str, encoder.blocks))
    return [(key.replace("_", " "), str(value)) for key, value in card.items() if value is not None]


def print_rows(rows: Sequence[tuple[str, str]], *, good: bool = True) -> None:
    """Print words and texts side by side; the first row carries the verdict."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for place, (word, text) in enumerate(rows):
        style = ("bold green" if good else "bold red") if place == 0 else "dim"
        table.add_row(Text(word, style=style), Text(text, style="bold" if place == 0 else ""))
    stdout.print(table)
    stdout.print()

"""The SMD card and the checklist as Markdown files, to go into a paper's supplement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from retinaforge.core.artefacts import write_text
from retinaforge.reports.checklists import Items, claim_items, smd_card
from retinaforge.reports.validation_page import read_scorecard

CardKind = Literal["smd", "claim"]
TO_FILL = "____ (to be filled in by the authors)"


def write_card(out: Path, kind: CardKind) -> Path:
    """Write smd-card.md or claim-checklist.md into a folder of a validation.

    Args:
        out: as `retinaforge validate --out` left it.
        kind: "smd", the seven headings of the SMD card; "claim", the checklist.

    Returns:
        Path of the file.

    Raises:
        Refusal: "expected a folder that `retinaforge validate` wrote; got ...".
    """
    name, made = KINDS[kind]
    return write_text(out / name, made(read_scorecard(out)))


def _smd(card: dict[str, Any]) -> str:
    headings = [
        f"## {number}. {heading['title']}\n\n{_list(heading['items'])}"
        for number, heading in enumerate(smd_card(card), start=1)
    ]
    return "\n\n".join([f"# Synthetic medical data card\n\n{_source(card)}", *headings]) + "\n"


def _claim(card: dict[str, Any]) -> str:
    return f"# Checklist in the manner of CLAIM\n\n{_source(card)}\n\n{_list(claim_items(card))}\n"


def _source(card: dict[str, Any]) -> str:
    folders = (card["protocol"][side]["folder"] for side in ("synthetic", "real"))
    return (
        f"Filled by `retinaforge validate` (RetinaForge {card['environment']['retinaforge']}): "
        f"{' against '.join(f'`{folder}`' for folder in folders)}. Blanks are for the authors."
    )


def _list(items: Items) -> str:
    return "\n".join(f"- **{name}**: {value or TO_FILL}" for name, value in items)


KINDS: dict[CardKind, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "smd": ("smd-card.md", _smd), "claim": ("claim-checklist.md", _claim),
}  # fmt: skip

"""The main table as Markdown, for a README that is generated and not typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.reports.board import Board, arms_of, board_from
from retinaforge.reports.encoder_table import encoder_table
from retinaforge.reports.tables import Cell, Row, table_of


def markdown_table(path: Path, *, measures: tuple[str, ...] = ()) -> str:
    """Return arms by key measures as a Markdown table.

    Args:
        path: a run folder or a scorecard.json; study.json beside it gives order and losses.
        measures: columns by card name; empty means every key measure that was scored.

    Returns:
        The table, its legend below it. Bold: best; *: differs from the baseline after Holm,
        p < 0.05; †: the judge is of the same family as the arm's loss.

    Raises:
        Refusal: "expected a scorecard; got ...".
    """
    board, study = _read(path)
    chosen = [m for m in measures if m in board.measures(measures)] or board.measures()
    return _rendered(board, chosen, {arm["name"]: arm["expression"] for arm in arms_of(study)})


def markdown_encoders(path: Path) -> str:
    """Return arms by encoder judges as a Markdown table; "" where no encoder judged.

    Args:
        path: a run folder or a scorecard.json.

    Returns:
        The table, its legend below it. Bold: nearest among the arms that the judge did not train;
        *: differs from the baseline (sign-flip p < 0.05, not corrected); †: the judge was the loss.

    Raises:
        Refusal: "expected a scorecard; got ...".
    """
    board, _ = _read(path)
    table = encoder_table(board)
    if table is None:
        return ""
    head = ["arm", *(f"{name} {arrow}" for name, arrow in table.columns)]
    lines = [_line(head), _line(["---", *["---:"] * len(table.columns)])]
    lines += [_line([_name(row), *map(_cell, row.cells)]) for row in table.rows]
    legend = (
        "1 − cosine of embeddings, photograph against reconstruction. In brackets: 95 % interval "
        "over patients. Bold: nearest among the arms that this encoder did not train. \\*: differs "
        f"from {board.baseline} (sign-flip p < 0.05 over patients, not corrected). †: this encoder "
        "was the arm's loss."
    )
    return "\n".join([*lines, "", legend, ""])


def _read(path: Path) -> tuple[Board, dict[str, Any]]:
    file = path / "scorecard.json" if path.is_dir() else path
    try:
        scorecard = json.loads(file.read_text(encoding="utf-8"))
        study_file = file.parent / "study.json"
        study = json.loads(study_file.read_text()) if study_file.is_file() else {}
    except (OSError, ValueError) as error:
        raise Refusal(
            "a scorecard", f"{file}: {error}", "run `retinaforge study run` to its end first"
        ) from error
    return board_from(scorecard, study=study), study


def _rendered(board: Board, measures: list[str], losses: dict[str, str]) -> str:
    table = table_of(board, "", measures, expressions=losses)
    head = ["arm", *(f"{name} {arrow}".strip() for name, arrow in table.columns)]
    lines = [_line(head), _line(["---", *["---:"] * len(measures)])]
    lines += [_line([_name(row), *map(_cell, row.cells)]) for row in table.rows]
    return "\n".join([*lines, "", _legend(board), ""])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _name(row: Row) -> str:
    return f"*{row.name}*" if row.reference else row.name


def _cell(cell: Cell) -> str:
    marks = ("\\*" if cell.better or cell.worse else "") + ("†" if cell.same_family else "")
    value = f"**{cell.value}**" if cell.best else cell.value
    spread = f" ({cell.interval})" if cell.interval else ""
    return f"{value}{marks}{spread}"


def _legend(board: Board) -> str:
    judge = (
        f"Vessels judged by {board.judge}, reconstruction against original. " if board.judge else ""
    )
    return (
        f"{judge}In brackets: 95 % interval over patients. Bold: best arm. \\*: differs from "
        f"{board.baseline or 'the baseline'} (Holm-corrected p < 0.05). †: the judge is of the "
        "same family as the arm's loss."
    )

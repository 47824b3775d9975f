"""The table of arms by encoder judges: whose space finds whose reconstructions near."""

from __future__ import annotations

from typing import Any

from retinaforge.reports import words
from retinaforge.reports.board import Board, ScoreLine
from retinaforge.reports.tables import SIGNIFICANT, Cell, Row, Table

ROLE = "encoder-judge"


def encoder_table(board: Board) -> Table | None:
    """Return arms by judges, with each one's difference to the baseline; None where none judged.

    The best mean of a column is looked for among the arms that the judge did not train.
    """
    lines = [s for s in board.scores if s.get("role") == ROLE]
    gaps = {_place(s): s for s in board.scores if s.get("role") == f"{ROLE}-difference"}
    judges = list(dict.fromkeys(str(s["encoder"]) for s in lines))
    if not judges:
        return None
    found = {_place(s): s for s in lines}
    best = {judge: _best(lines, judge) for judge in judges}
    rows = [
        Row(
            arm,
            cells=tuple(
                _cell(found.get((arm, judge)), gaps.get((arm, judge)), best[judge])
                for judge in judges
            ),
            baseline=arm == board.baseline,
        )
        for arm in board.arms
        if any((arm, judge) in found for judge in judges)
    ]
    return Table("Judged by encoders", tuple((judge, "↓") for judge in judges), tuple(rows))


def _place(score: ScoreLine) -> tuple[str, str]:
    return str(score.get("arm")), str(score.get("encoder"))


def _best(lines: list[ScoreLine], judge: str) -> str:
    own = {
        s["arm"]: s["value"]
        for s in lines
        if s["encoder"] == judge and s["value"] is not None and not s.get("was_the_loss")
    }
    return min(own, key=lambda arm: own[arm]) if own else ""


def _cell(score: dict[str, Any] | None, gap: dict[str, Any] | None, best: str) -> Cell:
    if score is None:
        return Cell()
    p = gap.get("p") if gap else None
    sure = p is not None and p < SIGNIFICANT and gap is not None and gap["value"] is not None
    return Cell(
        value=words.number(score["value"]),
        interval=words.interval(score.get("interval")),
        difference=words.number(gap["value"], signed=True) if gap else "",
        p=words.p_value(p),
        best=score["arm"] == best,
        better=bool(sure and gap and gap["value"] < 0),
        worse=bool(sure and gap and gap["value"] > 0),
        same_family=bool(score.get("was_the_loss")),
        reason=score.get("reason") or "",
        n=score.get("n"),
    )

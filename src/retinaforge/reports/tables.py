"""Tables of arms by measures, as cells that the template prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from retinaforge.reports import words
from retinaforge.reports.board import LINES, Board, label
from retinaforge.reports.run_files import TrainingRun

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Cell:
    """One number of a table."""

    value: str = "—"
    interval: str = ""
    difference: str = ""
    p: str = ""
    best: bool = False
    better: bool = False
    worse: bool = False
    same_family: bool = False
    reason: str = ""
    n: int | None = None


@dataclass(frozen=True)
class Row:
    """One arm, or one reference line."""

    name: str
    note: str = ""
    cells: tuple[Cell, ...] = ()
    failed: str = ""
    warning: str = ""
    reference: bool = False
    baseline: bool = False


@dataclass(frozen=True)
class Table:
    """A titled table."""

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)


def table_of(
    board: Board,
    title: str,
    measures: Sequence[str],
    *,
    trainings: Sequence[TrainingRun] = (),
    expressions: dict[str, str] | None = None,
    where: dict[str, Any] | None = None,
) -> Table:
    """Return arms by measures, then the reference lines that the measures have.

    Args:
        board: the scorecard.
        title: shown above.
        measures: columns, by card name.
        trainings: to show failures as failures.
        expressions: loss of each arm, shown beneath its name.
        where: judge, reference, dataset; default the primary judge against the original, all sets.
    """
    place = where or {}
    best = {measure: board.best(measure, **place) for measure in measures}
    rows = [
        Row(
            name=arm,
            note=(expressions or {}).get(arm, ""),
            cells=tuple(_cell(board, measure, arm, best, place) for measure in measures),
            failed=_failure(arm, trainings, whole=True),
            warning=_failure(arm, trainings, whole=False),
            baseline=arm == board.baseline,
        )
        for arm in board.arms
    ]
    lines = [] if "dataset" in place else _reference_rows(board, measures, place)
    columns = tuple(
        (label(m) + words.unit_suffix(board.card(m)), _arrow(board.card(m))) for m in measures
    )
    return Table(title, columns, (*rows, *lines))


def verdict_rows(
    board: Board, measures: Sequence[str], *, headline: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return, for each measure, who leads and how sure the scorecard is of it.

    Args:
        board: the scorecard.
        measures: one verdict each.
        headline: the measures that the protocol named beforehand; the rest are exploratory.
    """
    found = []
    for measure in measures:
        arm = board.best(measure)
        score = board.find(measure, arm) if arm else None
        if score is None:
            continue
        gap = board.find(measure, arm, role="difference")
        p = None if gap is None else gap.get("p_holm")
        found.append(
            {
                "measure": measure,
                "label": label(measure),
                "exploratory": bool(headline) and measure not in headline,
                "arm": arm,
                "is_baseline": arm == board.baseline,
                "value": words.number(score["value"]),
                "interval": words.interval(score.get("interval")),
                "difference": "" if gap is None else words.number(gap["value"], signed=True),
                "difference_interval": ""
                if gap is None
                else words.interval(gap.get("interval"), signed=True),
                "p": words.p_value(p),
                "significant": p is not None and p < SIGNIFICANT,
                "n": score.get("n"),
            }
        )
    return found


def judge_tables(board: Board) -> list[Table]:
    """Return the vessel measures of every judge, against the original and the human mask."""
    tables = []
    for judge in board.values_of("judge"):
        for reference in board.values_of("reference"):
            place = {"judge": judge, "reference": reference}
            tables += _where_known(board, f"{judge}, against the {reference}", place)
    return tables


def dataset_tables(board: Board) -> list[Table]:
    """Return the key measures of every data set, by the primary judge."""
    return [
        table
        for dataset in board.values_of("dataset")
        if dataset != "all"
        for table in _where_known(board, dataset, {"dataset": dataset})
    ]


def _where_known(board: Board, title: str, place: dict[str, Any]) -> list[Table]:
    measures = [
        measure
        for measure in board.all_measures()
        if any(_exactly(board, measure, arm, place) for arm in board.arms)
    ]
    return [table_of(board, title, measures, where=place)] if measures else []


def _exactly(board: Board, measure: str, arm: str, place: dict[str, Any]) -> bool:
    score = board.find(measure, arm, **place)
    return score is not None and all(score.get(key) == value for key, value in place.items())


def _cell(
    board: Board, measure: str, arm: str, best: dict[str, str], place: dict[str, Any]
) -> Cell:
    score = board.find(measure, arm, **place)
    if score is None:
        return Cell(reason="not measured")
    gap = board.find(measure, arm, role="difference", **place)
    p = None if gap is None else gap.get("p_holm")
    ahead, behind = _sides(gap, p, board.card(measure).get("direction", "neither"))
    return Cell(
        value=words.number(score["value"]),
        interval=words.interval(score.get("interval")),
        difference="" if gap is None else words.number(gap["value"], signed=True),
        p=words.p_value(p),
        best=best[measure] == arm,
        better=ahead,
        worse=behind,
        same_family=bool(score.get("same_family")),
        reason=score.get("reason", ""),
        n=score.get("n"),
    )


def _sides(gap: dict[str, Any] | None, p: float | None, direction: str) -> tuple[bool, bool]:
    """Return whether a difference is significantly better, and significantly worse."""
    clear = gap is not None and gap["value"] is not None and p is not None and p < SIGNIFICANT
    if gap is None or not clear or direction == "neither":
        return False, False
    up = (gap["value"] > 0) == (direction == "higher is better")
    return up, not up


def _reference_rows(board: Board, measures: Sequence[str], place: dict[str, Any]) -> list[Row]:
    rows = []
    for name in LINES.values():
        found = {m: dict(board.lines(m, **place)).get(name) for m in measures}
        if any(found.values()):
            cells = tuple(
                Cell(words.number(s["value"]), words.interval(s.get("interval")), n=s.get("n"))
                if s
                else Cell()
                for s in found.values()
            )
            rows.append(Row(name=name, cells=cells, reference=True))
    return rows


def _failure(arm: str, trainings: Sequence[TrainingRun], *, whole: bool) -> str:
    """Return why an arm failed: in every seed (`whole`), or in some of them."""
    own = [t for t in trainings if t.arm == arm]
    failed = [t for t in own if t.failed]
    if not failed or (len(failed) == len(own)) != whole:
        return ""
    return "; ".join(
        f"seed {t.seed}: {t.status.get('reason') or 'no reason was written'}" for t in failed
    )


def _arrow(card: dict[str, Any]) -> str:
    return {"higher is better": "↑", "lower is better": "↓"}.get(card.get("direction", ""), "")

"""The charts of scores: intervals by arm, spread over images, fidelity against vessels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from retinaforge.reports import svg, words
from retinaforge.reports.board import RECALL_BY_WIDTH, Board, label

ROW = 24
LEFT, RIGHT = 118, svg.WIDTH - 16
INK, BLUE, GREY = "#1b2733", "#0072b2", "#8a939b"


def forest(board: Board, measure: str) -> Markup | None:
    """Return dot and interval of every arm for one measure, with its reference lines."""
    found = [(arm, board.find(measure, arm)) for arm in board.arms]
    known = [(arm, s) for arm, s in found if s and s["value"] is not None]
    if not known:
        return None
    lines = board.lines(measure)
    spans = [v for _, s in [*known, *lines] for v in (s["value"], *(s.get("interval") or []))]
    bottom = 12 + ROW * len(known)
    x = svg.axis(spans, LEFT, RIGHT)
    best = board.best(measure)
    parts = svg.x_axis(x, 6, bottom)
    for index, (name, score) in enumerate(lines):
        at, y = x(score["value"]), bottom + 33 + 15 * index
        parts.append(svg.line((at, 6), (at, bottom), f"mark mark{index % 3}"))
        parts.append(svg.line((4, y - 4), (28, y - 4), f"mark mark{index % 3}"))
        parts.append(svg.text(34, y, f"{name}: {words.number(score['value'])}", kind="tick"))
    for row, (arm, score) in enumerate(known):
        parts += _interval_row(x, 6 + ROW * (row + 0.5), arm, score, board, best)
    alt = f"{label(measure)} by arm: " + "; ".join(
        f"{arm} {words.number(s['value'])} ({words.interval(s.get('interval')) or 'no interval'})"
        for arm, s in known
    )
    return svg.drawing(bottom + 24 + 15 * len(lines), parts, alt=alt)


def strip(board: Board, rows: pd.DataFrame, measure: str) -> Markup | None:
    """Return every image's value as a dot, one row an arm, the scorecard's mean as a bar."""
    own = _rows_of(board, rows, measure)
    arms = [arm for arm in board.arms if (own["arm"] == arm).any()]
    if not arms:
        return None
    height = 30
    sets = sorted(own["dataset"].astype(str).unique())
    x = svg.axis(own["value"].tolist(), LEFT, RIGHT)
    bottom = 12 + height * len(arms)
    parts = svg.x_axis(x, 6, bottom)
    for row, arm in enumerate(arms):
        y = 6 + height * (row + 0.5)
        mine = own[own["arm"] == arm].sort_values("image")
        parts.append(svg.text(LEFT - 8, y + 4, _short(arm), anchor="end", kind="arm"))
        for k, item in enumerate(mine.itertuples()):
            # A fixed pattern instead of chance keeps dots apart and the page repeatable.
            shift = ((k * 7) % 11 - 5) / 5 * 0.3 * height
            title = f"{arm}, {item.dataset} {item.image}: {words.number(item.value)}"
            fill = svg.colour(sets.index(str(item.dataset)))
            parts.append(svg.dot(x(item.value), y + shift, 3, fill=fill, title=title, opacity=0.7))
        mean = board.find(measure, arm)
        if mean and mean["value"] is not None:
            at = x(mean["value"])
            parts.append(svg.line((at, y - 12), (at, y + 12), "middle"))
    legend, tall = _legend(sets, bottom + 34)
    alt = f"{label(measure)} of every held-out image by arm; the bar is the mean"
    return svg.drawing(bottom + 34 + tall, [*parts, *legend], alt=alt)


def trade_off(board: Board, fidelity: str, vessel: str) -> Markup | None:
    """Return arms as points, fidelity across and vessels up, with both intervals."""
    pairs = [(arm, board.find(fidelity, arm), board.find(vessel, arm)) for arm in board.arms]
    known = [(a, f, v) for a, f, v in pairs if f and v and None not in (f["value"], v["value"])]
    if len(known) < 2:
        return None
    left, bottom = 46, 250
    x = svg.axis([f["value"] for _, f, _ in known], left, RIGHT, margin=0.14)
    y = svg.axis([v["value"] for _, _, v in known], bottom, 24, margin=0.14)
    parts = [*svg.x_axis(x, 24, bottom), *svg.y_axis(y, left, RIGHT)]
    for index, (arm, f, v) in enumerate(known):
        at = x(f["value"]), y(v["value"])
        title = f"{arm}: {words.number(f['value'])}, {words.number(v['value'])}"
        parts.append(svg.dot(*at, 5, fill=svg.colour(index), title=title))
        end = at[0] > 0.7 * svg.WIDTH
        parts.append(
            svg.text(
                at[0] + (-9 if end else 9), at[1] - 6, arm, anchor="end" if end else "start",
                kind="arm",
            )
        )  # fmt: skip
    parts.append(
        svg.text((left + RIGHT) / 2, bottom + 34, label(fidelity), anchor="middle", kind="arm")
    )
    parts.append(svg.text(4, 12, label(vessel), kind="arm"))
    alt = f"{label(vessel)} against {label(fidelity)}, one point an arm"
    return svg.drawing(bottom + 40, parts, alt=alt)


def recall_by_width(board: Board) -> Markup | None:
    """Return recall for thin, medium and wide vessels, one line an arm."""
    series: list[tuple[int, str, list[tuple[int, dict]]]] = []
    for index, arm in enumerate(board.arms):
        found = [(k, board.find(name, arm)) for k, name in enumerate(RECALL_BY_WIDTH)]
        points = [(k, s) for k, s in found if s and s["value"] is not None]
        if points:
            series.append((index, arm, points))
    if not series:
        return None
    left, bottom = 40, 220
    values = [
        value
        for *_, points in series
        for _, s in points
        for value in (s["value"], *(s.get("interval") or []))
    ]
    y = svg.axis(values, bottom, 12)
    parts = svg.y_axis(y, left, RIGHT)
    step = (RIGHT - left) / 3
    for k, name in enumerate(RECALL_BY_WIDTH):
        word = name.removeprefix("recall_")
        parts.append(svg.text(left + step * (k + 0.5), bottom + 16, word, anchor="middle"))
    for place, (index, arm, points) in enumerate(series):
        parts += _width_line(y, left, step, place / len(series) - 0.5, index, arm, points)
    legend, tall = _legend([arm for _, arm, _ in series], bottom + 40, [i for i, *_ in series])
    alt = "Recall of thin, medium and wide vessels by arm: " + "; ".join(
        f"{arm} " + ", ".join(words.number(s["value"]) for _, s in points)
        for _, arm, points in series
    )
    return svg.drawing(bottom + 40 + tall, [*parts, *legend], alt=alt)


def _interval_row(
    x: svg.Axis, y: float, arm: str, score: dict, board: Board, best: str
) -> list[Markup]:
    fill = GREY if arm == board.baseline else BLUE
    fill = INK if arm == best else fill
    parts = [svg.text(LEFT - 8, y + 4, _short(arm), anchor="end", kind="arm")]
    if score.get("interval"):
        low, high = score["interval"]
        parts.append(svg.line((x(low), y), (x(high), y), "whisker", style=f"stroke:{fill}"))
    title = f"{arm}: {words.number(score['value'])} ({words.interval(score.get('interval'))})"
    return [
        *parts,
        svg.dot(x(score["value"]), y, 5.5 if arm == best else 4, fill=fill, title=title),
    ]


def _width_line(
    y: svg.Axis, left: float, step: float, shift: float, index: int, arm: str, points: list
) -> list[Markup]:
    parts: list[Markup] = []
    places = [(left + step * (k + 0.5 + 0.45 * shift), y(s["value"])) for k, s in points]
    parts.append(svg.polyline(places, stroke=svg.colour(index), dashes=svg.dash(index)))
    for at, (_, score) in zip(places, points, strict=True):
        title = f"{arm}: {words.number(score['value'])}"
        if score.get("interval"):
            low, high = score["interval"]
            style = f"stroke:{svg.colour(index)};stroke-width:1.2"
            parts.append(svg.line((at[0], y(low)), (at[0], y(high)), "whisker", style=style))
        parts.append(svg.dot(*at, 3.5, fill=svg.colour(index), title=title))
    return parts


def _legend(
    names: Sequence[str], top: float, colours: Sequence[int] | None = None
) -> tuple[list[Markup], float]:
    """Return coloured names in rows that fit, and their height."""
    parts: list[Markup] = []
    x, y = 8.0, top
    for place, name in enumerate(names):
        wide = 26 + 6.6 * len(name)
        if x + wide > svg.WIDTH and x > 8:
            x, y = 8.0, y + 17
        index = colours[place] if colours is not None else place
        parts.append(svg.dot(x + 5, y - 4, 4, fill=svg.colour(index)))
        parts.append(svg.text(x + 13, y, name, kind="tick"))
        x += wide
    return parts, y - top + 12


def _rows_of(board: Board, rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    own = rows[(rows["measure"] == measure) & rows["value"].notna()]
    own = own[own["judge"].fillna("").isin([board.judge, ""])]
    own = own[own["reference"].fillna("").isin(["original", ""])]
    return own[own["value"].map(math.isfinite)] if len(own) else own


def _short(arm: str) -> str:
    return arm if len(arm) <= 17 else arm[:16] + "…"

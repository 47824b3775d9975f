"""Learning curves: each logged number against the step, one line an arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from retinaforge.reports import svg
from retinaforge.reports.charts import RIGHT
from retinaforge.reports.run_files import TrainingRun

Reading = Callable[[dict[str, Any]], Any]
LEFT, BOTTOM = 56, 190
MOST_POINTS = 200


def learning_curves(
    trainings: Sequence[TrainingRun], arms: Sequence[str]
) -> list[tuple[str, Markup]]:
    """Return (title, chart) for every number that the logs hold."""
    terms = dict.fromkeys(
        name for t in trainings for entry in t.log[-1:] for name in entry.get("terms", {})
    )
    readings: list[tuple[str, Reading]] = [
        *((f"Loss term {name}", _term(name)) for name in terms),
        ("Codebook perplexity", lambda entry: entry.get("perplexity")),
        ("Codebook use", lambda entry: entry.get("codebook_use")),
        ("Gradient norm", lambda entry: entry.get("gradient_norm")),
    ]
    charts = [(title, _chart(title, reading, trainings, arms)) for title, reading in readings]
    return [(title, chart) for title, chart in charts if chart is not None]


def curve_legend(arms: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (arm, colour, dash pattern) for the legend above the curves."""
    return [(arm, svg.colour(i), svg.dash(i)) for i, arm in enumerate(arms)]


def _term(name: str) -> Reading:
    return lambda entry: entry.get("terms", {}).get(name)


def _chart(
    title: str, reading: Reading, trainings: Sequence[TrainingRun], arms: Sequence[str]
) -> Markup | None:
    lines = [(t, _points(t, reading)) for t in trainings if t.arm in arms]
    drawn = [(t, points) for t, points in lines if len(points) > 1]
    if not drawn:
        return None
    x = svg.axis([s for _, points in drawn for s, _ in points], LEFT, RIGHT, margin=0.01)
    y = svg.axis(_without_start_up(drawn), BOTTOM, 12)
    parts = [*svg.x_axis(x, 12, BOTTOM), *svg.y_axis(y, LEFT, RIGHT)]
    inside: list[Markup] = []
    for training, points in drawn:
        index = list(arms).index(training.arm)
        places = [(x(s), y(v)) for s, v in points]
        inside.append(svg.polyline(places, stroke=svg.colour(index), dashes=svg.dash(index)))
    parts.append(svg.clipped(inside, (LEFT, 12), (RIGHT, BOTTOM)))
    parts.append(svg.text((LEFT + RIGHT) / 2, BOTTOM + 31, "step", anchor="middle", kind="tick"))
    names = ", ".join(dict.fromkeys(t.arm for t, _ in drawn))
    return svg.drawing(BOTTOM + 36, parts, alt=f"{title} against training step for {names}")


def _points(training: TrainingRun, reading: Reading) -> list[tuple[float, float]]:
    pairs = [(entry["step"], reading(entry)) for entry in training.log]
    known = [(float(s), float(v)) for s, v in pairs if isinstance(v, int | float)]
    return known[:: max(1, len(known) // MOST_POINTS)]


def _without_start_up(
    drawn: Sequence[tuple[TrainingRun, list[tuple[float, float]]]],
) -> list[float]:
    """Return the values that set the scale: the first steps would flatten all that follow."""
    last = max(step for _, points in drawn for step, _ in points)
    late = [v for _, points in drawn for step, v in points if step >= 0.05 * last]
    return late or [v for _, points in drawn for _, v in points]

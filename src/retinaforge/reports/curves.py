"""Learning curves: each logged number against the step, one line an arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from retinaforge.reports import svg
from retinaforge.reports.charts import RIGHT
from retinaforge.reports.run_files import TrainingRun

Reading = Callable[[dict[str, Any]], Any]
LEFT, TOP, BOTTOM = 56, 26, 204
STEPS = "optimiser step"
NO_UNIT = "(no unit)"
MOST_POINTS = 200


def learning_curves(
    trainings: Sequence[TrainingRun], arms: Sequence[str]
) -> list[tuple[str, Markup]]:
    """Return (title, chart) for every number that the logs hold; both axes name what they count."""
    terms = dict.fromkeys(
        name for t in trainings for entry in t.log[-1:] for name in entry.get("terms", {})
    )
    readings: list[tuple[str, str, Reading]] = [
        *((f"Loss term {name}", f"loss term {name} {NO_UNIT}", _term(name)) for name in terms),
        ("Codebook perplexity", "perplexity (codes)", lambda entry: entry.get("perplexity")),
        ("Codebook use", "share of codes used (0 to 1)", lambda entry: entry.get("codebook_use")),
        ("Gradient norm", f"gradient norm {NO_UNIT}", lambda entry: entry.get("gradient_norm")),
    ]
    charts = [(name, _chart(name, unit, read, trainings, arms)) for name, unit, read in readings]
    return [(title, chart) for title, chart in charts if chart is not None]


def curve_legend(arms: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (arm, colour, dash pattern) for the legend above the curves."""
    return [(arm, svg.colour(i), svg.dash(i)) for i, arm in enumerate(arms)]


def _term(name: str) -> Reading:
    return lambda entry: entry.get("terms", {}).get(name)


def _chart(
    title: str, unit: str, reading: Reading, trainings: Sequence[TrainingRun], arms: Sequence[str]
) -> Markup | None:
    lines = [(t, _points(t, reading)) for t in trainings if t.arm in arms]
    drawn = [(t, points) for t, points in lines if len(points) > 1]
    if not drawn:
        return None
    x = svg.axis([s for _, points in drawn for s, _ in points], LEFT, RIGHT, margin=0.01)
    y = svg.axis(_without_start_up(drawn), BOTTOM, TOP)
    parts = [*svg.x_axis(x, TOP, BOTTOM), *svg.y_axis(y, LEFT, RIGHT)]
    inside: list[Markup] = []
    for training, points in drawn:
        index = list(arms).index(training.arm)
        places = [(x(s), y(v)) for s, v in points]
        inside.append(svg.polyline(places, stroke=svg.colour(index), dashes=svg.dash(index)))
    parts.append(svg.clipped(inside, (LEFT, TOP), (RIGHT, BOTTOM)))
    parts.append(svg.text(2, TOP - 13, unit, kind="tick"))
    parts.append(svg.text((LEFT + RIGHT) / 2, BOTTOM + 31, STEPS, anchor="middle", kind="tick"))
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

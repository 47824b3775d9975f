"""The charts of `retinaforge probe`: dots with intervals, confusion matrices, scatters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from retinaforge.reports import svg, words

ROW, HEAD, LEFT, RIGHT, TOP = 17, 18, 74, svg.WIDTH - 14, 6
INK, BLUE, GREY = "#1b2733", "#0072b2", "#8a939b"
NAMES = {
    "auroc": "AUROC", "balanced_accuracy": "Balanced accuracy", "quadratic_kappa": "Weighted kappa",
    "mae": "Mean absolute error", "r2": "R²",
}  # fmt: skip
HEADS = {"linear": "linear", "knn": "nearest", "attentive": "attentive", "": ""}
MOST_CELLS = 8
"""Classes whose confusion matrix has its numbers written in."""


def main_names(told: dict[str, Any]) -> list[str]:
    """Return the encoders that were asked for: neither twins nor colours."""
    twins = {look["twin"] for look in told["looks"]}
    return [look["name"] for look in told["looks"] if look["name"] not in twins and look["card"]]


def shown(row: dict[str, Any]) -> str:
    between = words.interval(row["interval"])
    return words.number(row["value"]) + (f" ({between})" if between else "")


def dots(told: dict[str, Any], metric: str) -> Markup | None:
    """Return dot and interval of every encoder and head for a metric; the constant is a line."""
    rows = [r for r in told["results"] if r["metric"] == metric and r["value"] is not None]
    constant = next((r for r in rows if r["encoder"] == "constant"), None)
    rows = [r for r in rows if r["encoder"] != "constant"]
    if not rows:
        return None
    main = main_names(told)
    spans = [v for r in rows for v in (r["value"], *(r["interval"] or []))]
    x = svg.axis([*spans, *([constant["value"]] if constant else [])], LEFT, RIGHT)
    places, heads, bottom = _places([r["encoder"] for r in rows])
    parts = svg.x_axis(x, TOP, bottom)
    if constant:
        at = x(constant["value"])
        parts.append(svg.line((at, TOP), (at, bottom), "mark mark0"))
        parts.append(svg.line((4, bottom + 27), (28, bottom + 27), "mark mark0"))
        said = f"{constant_name(told)}: {words.number(constant['value'])}"
        parts.append(svg.text(34, bottom + 31, said, kind="tick"))
    parts += heads
    for y, row in zip(places, rows, strict=True):
        parts += _dot_row(x, y, row, BLUE if row["encoder"] in main else GREY)
    alt = f"{NAMES.get(metric, metric)}: " + "; ".join(
        f"{r['encoder']} {HEADS[r['probe']]} {shown(r)}" for r in rows
    )
    return svg.drawing(bottom + 40, parts, alt=alt)


def _places(encoders: Sequence[str]) -> tuple[list[float], list[Markup], float]:
    """Return where each row lies below its encoder's name, the names, and where all end."""
    y, places, heads = float(TOP), [], []
    for k, name in enumerate(encoders):
        if k == 0 or name != encoders[k - 1]:
            y += HEAD
            heads.append(svg.text(4, y - 4, _short(name, 52), kind="arm"))
        places.append(y + ROW / 2)
        y += ROW
    return places, heads, y + 4


def constant_name(told: dict[str, Any]) -> str:
    return "the mean" if told["target"]["kind"] == "number" else "the majority"


def _dot_row(x: svg.Axis, y: float, row: dict[str, Any], fill: str) -> list[Markup]:
    parts = [svg.text(LEFT - 8, y + 4, HEADS[row["probe"]], anchor="end", kind="tick")]
    if row["interval"]:
        low, high = row["interval"]
        parts.append(svg.line((x(low), y), (x(high), y), "whisker", style=f"stroke:{fill}"))
    for value in row["per_seed"]:
        if value is not None:
            style = f"stroke:{fill};stroke-width:1"
            parts.append(svg.line((x(value), y - 5), (x(value), y + 5), "", style=style))
    title = f"{row['encoder']}, {HEADS[row['probe']]}: {shown(row)}"
    return [*parts, svg.dot(x(row["value"]), y, 4.5, fill=fill, title=title)]


def before_after(told: dict[str, Any]) -> Markup | None:
    """Return originals (open) and reconstructions (filled) of every encoder and head."""
    metric = told["target"]["metric"]
    rows = [
        r for r in told["after"]["rows"]
        if r["metric"] == metric and r["probe"] and r["before"]["value"] is not None
        and r["after"]["value"] is not None
    ]  # fmt: skip
    if not rows:
        return None
    x = svg.axis([r[s]["value"] for r in rows for s in ("before", "after")], LEFT, RIGHT)
    places, heads, bottom = _places([r["encoder"] for r in rows])
    parts = [*svg.x_axis(x, TOP, bottom), *heads]
    for y, row in zip(places, rows, strict=True):
        a, b = x(row["before"]["value"]), x(row["after"]["value"])
        parts.append(svg.text(LEFT - 8, y + 4, HEADS[row["probe"]], anchor="end", kind="tick"))
        parts.append(svg.line((a, y), (b, y), "whisker", style=f"stroke:{GREY};stroke-width:1.6"))
        parts.append(svg.dot(a, y, 5, fill=INK, title=f"originals: {shown(row['before'])}"))
        parts.append(svg.dot(a, y, 3.4, fill="#fff"))
        parts.append(svg.dot(b, y, 5, fill="#d55e00", title=f"after: {shown(row['after'])}"))
    alt = f"{NAMES.get(metric, metric)} of originals and reconstructions"
    return svg.drawing(bottom + 24, parts, alt=alt)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> Markup:
    """Return a confusion matrix: rows the truth, shares of each row as shades."""
    left, top = 96, 40
    cell = min((svg.WIDTH - left - 10) / len(classes), 46)
    parts = [svg.text(left, 14, "called →", kind="tick"), svg.text(4, top - 8, "true", kind="tick")]
    for i, row in enumerate(counts):
        y, total = top + i * cell, max(sum(row), 1)
        parts.append(svg.text(left - 6, y + cell / 2 + 4, _short(classes[i], 13), anchor="end",
                              kind="tick"))  # fmt: skip
        parts.append(svg.text(left + (i + 0.5) * cell, top - 8, _short(classes[i], 6),
                              anchor="middle", kind="tick"))  # fmt: skip
        for j, count in enumerate(row):
            share = count / total
            parts.append(
                Markup(
                    '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}" '
                    'fill-opacity="{:.2f}" stroke="#d9dfe4"><title>{}</title></rect>'
                ).format(
                    left + j * cell, y, cell, cell, BLUE, share,
                    f"{classes[i]} called {classes[j]}: {100 * share:.0f} %",
                )
            )  # fmt: skip
            if len(classes) <= MOST_CELLS:
                fill = "#fff" if share > 0.55 else INK
                parts.append(
                    Markup(
                        '<text x="{:.1f}" y="{:.1f}" text-anchor="middle" class="tick" '
                        'style="fill:{}">{:.0f}</text>'
                    ).format(left + (j + 0.5) * cell, y + cell / 2 + 4, fill, 100 * share)
                )
    return svg.drawing(top + len(classes) * cell + 8, parts, alt=f"{title}: confusion matrix")


def scatter(points: Sequence[Sequence[float]], target: dict[str, Any], title: str) -> Markup:
    """Return what was told against what is true, with the line of no error."""
    left, bottom = 46, 300
    both = [value for pair in points for value in pair]
    x = svg.axis(both, left, svg.WIDTH - 12)
    y = svg.axis(both, bottom, 12)
    parts = [*svg.x_axis(x, 12, bottom), *svg.y_axis(y, left, svg.WIDTH - 12)]
    low, high = min(both), max(both)
    parts.append(svg.line((x(low), y(low)), (x(high), y(high)), "mark mark0"))
    for true, said in points:
        tip = f"true {words.number(true)}, told {words.number(said)}"
        parts.append(svg.dot(x(true), y(said), 3.2, fill=BLUE, title=tip, opacity=0.6))
    unit = f" ({target['unit']})" if target["unit"] else ""
    parts.append(svg.text((left + svg.WIDTH) / 2, bottom + 32, f"true {target['name']}{unit}",
                          anchor="middle", kind="tick"))  # fmt: skip
    return svg.drawing(bottom + 40, parts, alt=f"{title}: told against true {target['name']}")

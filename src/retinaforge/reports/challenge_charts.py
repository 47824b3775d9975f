"""The charts of `retinaforge challenge`: scores by group, strips of images, ROC, vCDR, foveas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from retinaforge.reports import svg, words
from retinaforge.reports.probe_charts import confusion

ROW, LEFT, RIGHT, TOP = 20, 150, svg.WIDTH - 14, 8
INK, BLUE = "#1b2733", "#0072b2"
BOTTOM = 300
NAMES = {
    "disc_dice": "Disc Dice", "cup_dice": "Cup Dice", "vcdr_error": "vCDR error",
    "fovea_distance_px": "Fovea distance, px", "fovea_distance_dd": "Fovea distance, DD",
    "auroc": "AUC", "reference_sensitivity": "Sensitivity at 0.85",
    "quadratic_kappa": "Weighted kappa",
}  # fmt: skip


def word_of(score: dict[str, Any]) -> str:
    """Return which images a score is of."""
    return "all images" if score["group"] == "all" else f"{score['group']}: {score['member']}"


def shown(score: dict[str, Any]) -> str:
    between = words.interval(score["interval"])
    return words.number(score["value"]) + (f" ({between})" if between else "")


def by_group(scores: Sequence[dict[str, Any]], name: str) -> Markup | None:
    """Return dot and interval of a score, of all images and of each member of each grouping."""
    rows = [s for s in scores if s["name"] == name and s["value"] is not None]
    if not rows:
        return None
    x = svg.axis([v for s in rows for v in (s["value"], *(s["interval"] or []))], LEFT, RIGHT)
    bottom = TOP + ROW * len(rows) + 4
    parts = svg.x_axis(x, TOP, bottom)
    for k, row in enumerate(rows):
        y, fill = TOP + ROW * (k + 0.5), INK if row["group"] == "all" else BLUE
        text = _short(f"{word_of(row)} ({row['n']})", 24)
        parts.append(svg.text(LEFT - 8, y + 4, text, anchor="end", kind="tick"))
        if row["interval"]:
            low, high = row["interval"]
            style = f"stroke:{fill}"
            parts.append(svg.line((x(low), y), (x(high), y), "whisker", style=style))
        tip = f"{word_of(row)}: {shown(row)}, {row['n']} images"
        parts.append(svg.dot(x(row["value"]), y, 4.5, fill=fill, title=tip))
    alt = f"{NAMES[name]}: " + "; ".join(f"{word_of(s)} {shown(s)}" for s in rows)
    return svg.drawing(bottom + 24, parts, alt=alt)


def strip(images: Sequence[dict[str, Any]], name: str) -> Markup | None:
    """Return every image's value, one line a device; the names are tooltips."""
    known = [row for row in images if row[name] is not None]
    if not known:
        return None
    devices = sorted({row["device"] for row in known})
    x = svg.axis([row[name] for row in known], LEFT, RIGHT)
    bottom = TOP + 26 * len(devices)
    parts = svg.x_axis(x, TOP, bottom)
    for k, device in enumerate(devices):
        y = TOP + 26 * (k + 0.5)
        parts.append(svg.text(LEFT - 8, y + 4, _short(device, 24), anchor="end", kind="tick"))
        own = [row for row in known if row["device"] == device]
        for i, row in enumerate(own):
            # A golden step spreads dots of one value without drawing any by chance.
            at = y + 16 * ((i * 0.618034) % 1 - 0.5)
            tip = f"{row['name']}: {words.number(row[name])}"
            parts.append(svg.dot(x(row[name]), at, 2.6, fill=BLUE, title=tip, opacity=0.55))
    alt = f"{NAMES[name]} of {len(known)} images, by device"
    return svg.drawing(bottom + 24, parts, alt=alt)


def roc(points: Sequence[Sequence[float]] | None) -> Markup | None:
    """Return the ROC curve with the specificity at which REFUGE reads it."""
    if not points:
        return None
    x, y = svg.Axis(0, 1, 46, svg.WIDTH - 12), svg.Axis(0, 1, BOTTOM, 12)
    parts = [*svg.x_axis(x, 12, BOTTOM), *svg.y_axis(y, 46, svg.WIDTH - 12)]
    parts.append(svg.line((x(0), y(0)), (x(1), y(1)), "mark mark0"))
    parts.append(svg.line((x(0.15), y(0)), (x(0.15), y(1)), "mark mark0"))
    parts.append(svg.polyline([(x(a), y(b)) for a, b in points], stroke=BLUE))
    parts.append(_below("1 minus specificity"))
    return svg.drawing(BOTTOM + 40, parts, alt=f"ROC curve of {len(points)} points")


def ratios(images: Sequence[dict[str, Any]]) -> Markup | None:
    """Return the vertical cup-to-disc ratio of the answer against the truth's."""
    pairs = [r for r in images if r["vcdr_truth"] is not None and r["vcdr_answer"] is not None]
    if not pairs:
        return None
    both = [r[k] for r in pairs for k in ("vcdr_truth", "vcdr_answer")]
    x, y = svg.axis(both, 46, svg.WIDTH - 12), svg.axis(both, BOTTOM, 12)
    parts = [*svg.x_axis(x, 12, BOTTOM), *svg.y_axis(y, 46, svg.WIDTH - 12)]
    low, high = min(both), max(both)
    parts.append(svg.line((x(low), y(low)), (x(high), y(high)), "mark mark0"))
    for row in pairs:
        truth, said = row["vcdr_truth"], row["vcdr_answer"]
        tip = f"{row['name']}: true {words.number(truth)}, answered {words.number(said)}"
        fill = "#d55e00" if (row["grade"] or 0) > 0 else BLUE
        parts.append(svg.dot(x(truth), y(said), 3.2, fill=fill, title=tip, opacity=0.6))
    parts.append(_below("true vertical cup-to-disc ratio"))
    return svg.drawing(BOTTOM + 40, parts, alt=f"vCDR answered against true, {len(pairs)} images")


def foveas(images: Sequence[dict[str, Any]]) -> Markup | None:
    """Return where the answers put the fovea about the true one, in disc diameters."""
    known = [row for row in images if row["fovea_offset_dd"] is not None]
    if not known:
        return None
    reach = max(0.25, *(abs(v) for row in known for v in row["fovea_offset_dd"])) * 1.08
    x = svg.Axis(-reach, reach, 60, svg.WIDTH - 60)
    y = svg.Axis(-reach, reach, 12, BOTTOM)  # down the image is down the page
    parts = [*svg.x_axis(x, 12, BOTTOM), *svg.y_axis(y, 60, svg.WIDTH - 60)]
    for row in known:
        dx, dy = row["fovea_offset_dd"]
        tip = f"{row['name']}: {words.number(row['fovea_distance_dd'])} DD"
        parts.append(svg.dot(x(dx), y(dy), 3.2, fill=BLUE, title=tip, opacity=0.6))
    parts.append(svg.line((x(0) - 7, y(0)), (x(0) + 7, y(0)), "", style=f"stroke:{INK}"))
    parts.append(svg.line((x(0), y(0) - 7), (x(0), y(0) + 7), "", style=f"stroke:{INK}"))
    parts.append(_below("disc diameters"))
    return svg.drawing(BOTTOM + 40, parts, alt=f"offsets of the fovea, {len(known)} images")


def calls(told: dict[str, Any]) -> Markup | None:
    """Return GAMMA's confusion matrix, shares of each true class."""
    if not told["confusion"]:
        return None
    return confusion(told["confusion"], told["grades"], "grades")


def _below(words_: str) -> Markup:
    return svg.text((46 + svg.WIDTH) / 2, BOTTOM + 32, words_, anchor="middle", kind="tick")


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"

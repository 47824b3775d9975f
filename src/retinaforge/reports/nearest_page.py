"""The page of `retinaforge nearest`: each synthetic image beside the real ones most like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports import svg, words
from retinaforge.reports.page_templates import page_template
from retinaforge.reports.pictures import embed

BLUE = "#0072b2"


def write_nearest_page(out: Path) -> Path:
    """Write nearest.html into a folder with nearest.json: one file, nothing fetched.

    Raises:
        Refusal: "expected a folder that `retinaforge nearest` wrote; got ...".
    """
    try:
        told = json.loads((out / "nearest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            "a folder that `retinaforge nearest` wrote", f"{out}: {error}", "run it again"
        ) from error
    page = page_template("nearest.html.j2")
    shown = [row for row in told["rows"] if row["pictures"]]
    names = [n for r in shown for n in (r["pictures"]["synthetic"], *r["pictures"]["real"])]
    return write_text(
        out / "nearest.html",
        page.render(
            told=told, shown=shown, inside=embed(list(dict.fromkeys(names)), out),
            chart=likeness_chart(told), words=words,
        ),
    )  # fmt: skip


def likeness_chart(told: dict[str, Any]) -> Markup | None:
    """Return every synthetic image's nearest likeness as a dot, real against real as a band."""
    values = [row["nearest"][0]["likeness"] for row in told["rows"]]
    band = told["real_to_real"]["quantiles"]
    if not values:
        return None
    x = svg.axis([*values, *band.values()], 12, svg.WIDTH - 12)
    top, bottom = 10, 92
    parts = svg.x_axis(x, top, bottom)
    if band:
        low, middle, high = (x(band[q]) for q in ("0.05", "0.5", "0.95"))
        parts.append(
            Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="#d9dfe4"/>').format(
                low, top, high - low, bottom - top
            )
        )
        parts.append(svg.line((middle, top), (middle, bottom), "mark mark0"))
    for k, row in enumerate(told["rows"]):
        # A fixed pattern instead of chance keeps dots apart and the page repeatable.
        y = (top + bottom) / 2 + ((k * 7) % 11 - 5) / 5 * 0.4 * (bottom - top)
        value = row["nearest"][0]["likeness"]
        tip = f"{row['synthetic']}: {words.number(value)}"
        parts.append(svg.dot(x(value), y, 3, fill=BLUE, title=tip, opacity=0.7))
    return svg.drawing(bottom + 24, parts, alt="Likeness of each synthetic image to its nearest")

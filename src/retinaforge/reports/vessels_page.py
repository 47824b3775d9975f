"""The page of `retinaforge vessels`: what was found, how biomarkers are spread, what failed.

Nothing is computed here: counts, quartiles and histograms stand in summary.json.
"""

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

WIDTH = 280
"""Of a histogram: there are many, and they stand in five columns."""

LEFT, RIGHT, TOP, BOTTOM = 12, WIDTH - 12, 6, 66
BLUE = "#0072b2"
MOST_REASONS = 3
LESION_COUNTS = (
    "microaneurysm_count", "haemorrhage_count", "hard_exudate_count", "soft_exudate_count",
)  # fmt: skip


def write_vessels_page(out: Path) -> Path:
    """Write vessels.html into a folder of measured vessels: one file, nothing fetched.

    Args:
        out: as `retinaforge vessels --out` left it.

    Returns:
        Path of the page.

    Raises:
        Refusal: "expected a folder that `retinaforge vessels` wrote; got ...".
    """
    summary, environment = _read(out / "summary.json"), _read(out / "environment.json")
    if summary is None or environment is None:
        raise Refusal(
            "a folder that `retinaforge vessels` wrote",
            f"{out} without summary.json or environment.json",
            "run the command again, it resumes",
        )
    page = page_template("vessels.html.j2")
    return write_text(out / "vessels.html", page.render(**_context(out, summary, environment)))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _context(out: Path, summary: dict[str, Any], environment: dict[str, Any]) -> dict[str, Any]:
    names = [eye.get(key) for eye in summary["shown"] for key in ("overlay", "uncertainty")]
    inside = embed([name for name in names if name], out)
    disagreement = summary.get("disagreement")
    measured = [b for b in summary["biomarkers"] if b["n"]]
    regions = dict.fromkeys(b["region"] for b in measured)
    return {
        "title": out.resolve().name,
        "summary": summary,
        "states": summary["states"],
        "eyes": [
            {
                **eye,
                "picture": inside.get(eye["overlay"]),
                "doubt": inside.get(eye.get("uncertainty")) if eye.get("uncertainty") else None,
            }
            for eye in summary["shown"]
        ],
        "lesions": any(b["column"] in LESION_COUNTS for b in measured),
        "disagreement": disagreement
        and {**disagreement, "chart": histogram({"column": "disagreement", **disagreement})},
        "groups": [
            (region, [{**b, "chart": histogram(b)} for b in measured if b["region"] == region])
            for region in regions
        ],
        "unmeasured": [b for b in summary["biomarkers"] if not b["n"]],
        "most_reasons": MOST_REASONS,
        "environment": environment,
        "words": words,
    }


def histogram(biomarker: dict[str, Any]) -> Markup:
    """Return how a biomarker's values are spread: bars, and a box from quartile to quartile."""
    edges, counts = biomarker["edges"], biomarker["counts"]
    x = svg.Axis(edges[0], edges[-1], LEFT, RIGHT)
    y = svg.Axis(0.0, max(counts), BOTTOM, TOP)
    parts = [
        Markup(
            '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}" '
            'fill-opacity="0.75"><title>{}</title></rect>'
        ).format(
            x(low), y(count), max(x(high) - x(low) - 1, 0.5), BOTTOM - y(count), BLUE,
            f"{words.number(low)} to {words.number(high)}: {count}",
        )
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
        if count
    ]  # fmt: skip
    first, middle, third = biomarker["quartiles"]
    parts += [
        svg.line((LEFT, BOTTOM), (RIGHT, BOTTOM), "rule"),
        svg.line((x(first), BOTTOM + 7), (x(third), BOTTOM + 7), "whisker", style="stroke:#1b2733"),
        svg.dot(x(middle), BOTTOM + 7, 4, fill="#1b2733", title=f"median {words.number(middle)}"),
        *(
            svg.text(x(tick), BOTTOM + 26, svg.tick_text(tick), anchor="middle", kind="tick")
            for tick in x.ticks(4)
        ),
    ]
    alt = (
        f"{biomarker['column']} in {biomarker['n']} photographs: median {words.number(middle)}, "
        f"quartiles {words.number(first)} and {words.number(third)}"
    )
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" class="chart">{}</svg>'
    ).format(WIDTH, BOTTOM + 30, alt, Markup("").join(parts))

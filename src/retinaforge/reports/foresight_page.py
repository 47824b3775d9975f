"""The page and the text of `retinaforge usefulness-scores`: which score foresaw it.

Nothing is computed here: every number stands in foresight.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports import words
from retinaforge.reports.foresight_charts import agreements, scatter
from retinaforge.reports.page_templates import page_template
from retinaforge.reports.svg import colour
from retinaforge.reports.usefulness_charts import NAMES

JSON = "foresight.json"
FAMILIES = {
    "fidelity": "Distance of the sets, space by space", "vessels": "Vessels", "quality": "Quality",
    "anatomy": "Anatomy", "copies": "Copies", "groups": "Groups", "paired": "Pairs",
    "labels": "Labels", "footing": "Images that show no fundus",
}  # fmt: skip
OUTCOMES = {"gain": "Gain", "tstr": "Synthetic alone (TSTR)"}
PLACES = {"judge": "patients who did not teach", "external": "external photographs"}
LEVEL = 0.05
HALF_AGREED = 0.5
"""Below this agreement of two halves of the patients an outcome is mostly theirs."""
Row = dict[str, Any]


def write_foresight_page(out: Path) -> Path:
    """Write report.html into a folder with foresight.json: one file, nothing fetched.

    Raises:
        Refusal: "expected a folder that `retinaforge usefulness-scores` wrote; got ...".
    """
    try:
        told = json.loads((out / JSON).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            "a folder that `retinaforge usefulness-scores` wrote", f"{out}: {error}", "run it again"
        ) from error
    page = page_template("foresight.html.j2")
    return write_text(out / "report.html", page.render(**_context(told)))


def _context(told: Row) -> Row:
    groups = sorted({one["group"] for one in told["sets"]} - {""})
    single = [row for row in told["rows"] if not row["column"]]
    return {
        "told": told,
        "metric": NAMES[told["headline"]],
        "place": PLACES[told["where"]],
        "outcomes": OUTCOMES,
        "said": in_words(told),
        "groups": [(name, colour(k)) for k, name in enumerate(groups)],
        "charts": [(OUTCOMES[kind], agreements(single, told["outcomes"][kind], kind, label_of))
                   for kind in told["outcomes"]],
        "scatters": _scatters(told, groups),
        "families": _families(told["rows"]),
        "sets": sorted(told["sets"], key=lambda one: -(one["gain"]["value"] or -9)),
        "label_of": label_of,
        "words": words,
    }  # fmt: skip


def label_of(row: Row) -> str:
    """Return what a score is called: where, then which."""
    group = f"{row['column']} {row['group']}" if row["group"] else row["column"]
    head = row["space"] or group or ("" if row["family"] == "fidelity" else row["family"])
    name = row["name"].upper() if row["family"] == "labels" else row["name"].replace("_", " ")
    return ": ".join(filter(None, (head, name)))


def _families(rows: Sequence[Row]) -> list[Row]:
    """Return families with their scores; those of many columns below a fold."""
    found = []
    for family in dict.fromkeys(row["family"] for row in rows):
        own = [row for row in rows if row["family"] == family]
        for column in (False, True):
            part = [row for row in own if bool(row["column"]) == column]
            part.sort(key=lambda row: (row["gain"]["p"] is None, row["gain"]["p"] or 0))
            title = FAMILIES.get(family, family)
            if part:
                found.append({
                    "title": f"{title}, column by column" if column else title,
                    "rows": part, "folded": column,
                })  # fmt: skip
    return found


def _scatters(told: Row, groups: Sequence[str]) -> list[tuple[str, Any]]:
    """Return the score that agrees best with each outcome, drawn against it."""
    found = []
    for kind, title in OUTCOMES.items():
        best = best_of(told["rows"], kind)
        if best:
            text = f"{title} against {label_of(best)}"
            drawn = scatter(told["sets"], best["values"], kind, groups, text)
            found.append((f"{text}: ρ {words.number(best[kind]['spearman'], signed=True)}", drawn))
    return found


def best_of(rows: Sequence[Row], kind: str) -> Row | None:
    """Return the score with the smallest p, of ties the largest correlation."""
    known = [row for row in rows if row[kind]["p"] is not None]
    return min(known, key=lambda r: (r[kind]["p"], -abs(r[kind]["spearman"])), default=None)


def in_words(told: Row) -> list[dict[str, str]]:
    """Return what is shown of each outcome, and what could be."""
    return [_sentence(told, kind) for kind in told["outcomes"]]


def _sentence(told: Row, kind: str) -> dict[str, str]:
    one, rows = told["outcomes"][kind], told["rows"]
    count = f"{one['scores']} scores over {told['protocol']['sets']} sets"
    best = best_of(rows, kind)
    if best is None:
        return {"level": "open", "text": f"{OUTCOMES[kind]}: of no score can anything be told."}
    if one["shown"]:
        shown = [row for row in rows if row["identity"] in one["shown"]]
        right = sum(row[kind]["spearman"] > 0 for row in shown)
        text = f"{OUTCOMES[kind]}: {len(shown)} of {count} agree with it (corrected p < {LEVEL})"
        text += f", {len(shown) - right} of them the wrong way round" if right < len(shown) else ""
    else:
        text = f"{OUTCOMES[kind]}: of {count} none is shown to foretell it"
    text += f". The nearest: {label_of(best)}, ρ {_of(best[kind])}."
    if one["smallest_shown"] is None:
        text += " So few sets cannot show even a perfect order among so many scores."
    else:
        text += f" So few sets can show |ρ| above about {words.number(one['smallest_shown'])}."
    own = one["agrees_with_itself"]["spearman"]
    text += (
        f" The order of the sets by half of the patients agrees with that by the other half by ρ "
        f"{words.number(own, signed=True)}."
    )
    if one["shown"] and (own is None or own < HALF_AGREED):
        text += " What agrees with it agrees with these patients, and need not with others."
    if best[kind].get("within"):
        inside = one["shown_within"]
        text += (
            f" Within groups of sets {len(inside)} of the scores are shown."
            if inside
            else " Within groups of sets none is shown."
        )
    steady = one["shown"] and own is not None and own >= HALF_AGREED
    # Where kinds are known, a score that says nothing within them only tells the kinds apart.
    steady = steady and (bool(one["shown_within"]) or not best[kind].get("within"))
    return {"level": "sure" if steady else "open", "text": text}


def _of(found: Row) -> str:
    between = words.interval(found["interval_sets"], signed=True)
    p = f"{words.p_value(found['p'])} before correction, {words.p_value(found['p_holm'])} after"
    return words.number(found["spearman"], signed=True) + (f" ({between}; {p})" if between else "")


def text_table(told: Row, *, most: int = 12) -> str:
    """Return the scores that agree best with each outcome as aligned text.

    Args:
        told: foresight.json.
        most: scores of each outcome.
    """
    lines = [["outcome", "score", "rho", "over sets", "over patients", "tau", "p", "p (Holm)"]]
    for kind in told["outcomes"]:
        known = [row for row in told["rows"] if row[kind]["p"] is not None]
        known.sort(key=lambda row: (row[kind]["p"], -abs(row[kind]["spearman"])))
        for row in known[:most]:
            own = row[kind]
            lines.append([
                kind, label_of(row), words.number(own["spearman"], signed=True),
                words.interval(own["interval_sets"], signed=True),
                words.interval(own["interval_patients"], signed=True),
                words.number(own["kendall"], signed=True), words.number(own["p"]),
                words.number(own["p_holm"]),
            ])  # fmt: skip
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    table = "\n".join(
        "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
    return "\n".join([table, "", *(one["text"] for one in in_words(told))])

"""What a reader study says: every number with its card, interval and n, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from retinaforge.core import Refusal, Score
from retinaforge.core.artefacts import environment
from retinaforge.metrics.reader_bootstrap import RESAMPLES
from retinaforge.metrics.reader_cards import MULTI_READER_CARD, TIME_CARD
from retinaforge.metrics.reader_scores import typical_time
from retinaforge.tasks.reader_answers import Reading
from retinaforge.tasks.reader_aspects import aspect_scores, grade_scores
from retinaforge.tasks.reader_plan import plan_of
from retinaforge.tasks.reader_sheet import Sheet, sheet_of
from retinaforge.tasks.reader_sides import group_of
from retinaforge.tasks.reader_study import ReaderStudy
from retinaforge.tasks.reader_verdicts import pair_scores, verdict_scores

PUBLISHED = {
    "source": "RetinaLogos",
    "called_real": {"real": 0.6429, "synthetic": 0.6207},
    "note": "without intervals, number of images or kappa",
}
MOST_GROUPS = 12


def report_on(
    study: ReaderStudy, key: dict[str, Any], readings: Sequence[Reading], *, seed: int = 0,
    by: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """Return the statistics of a study as plain data.

    Args:
        study: the study; readers may be half way.
        key: the truth.
        readings: of `readings_of`, with the key.
        seed: of the bootstrap.
        by: columns, facts or questions (see `reader_sides.group_of`) to part the answers by;
            none: the study's own.

    Raises:
        Refusal: "expected at least one image that was answered and closed; got none ...".
    """
    if not readings:
        raise Refusal("at least one image that was answered and closed", "none",
                      "let readers read first: `retinaforge reader serve`")  # fmt: skip
    sheet, asked = sheet_of(readings, seed), {q["name"] for q in study.told["questions"]}
    parted = tuple(by) or tuple(filter(None, [key["options"]["by"]]))
    groups = {name: groups_of(sheet, name) for name in parted}
    if unknown := [name for name in by if not groups[name]]:
        raise Refusal("a column or fact of the images to part by", f"{', '.join(unknown)}, of "
                      "which nothing is known", f"such as --by {_columns_of(key)}")  # fmt: skip
    scores = [*_all_scores(sheet, asked), *_by_group(sheet, asked, groups), *_times(sheet)]
    return {
        "format": 1, "study": _about(study, key), "readers": _readers(study, readings),
        "groups": groups, "scores": [s.as_dict() for s in scores],
        "cards": _cards(scores), "published": PUBLISHED, "confidence": _confidence(sheet),
        "roc": _roc(sheet), "remarks": _remarks(readings), "tells": key["tells"],
        "warnings": key["warnings"], "plan": plan_of(0.6, 0.1, max(len(sheet.readers), 1)),
        "protocol": _protocol(seed), "environment": environment(),
    }  # fmt: skip


def _all_scores(sheet: Sheet, asked: set[str]) -> list[Score]:
    found: list[Score] = []
    if "verdict" in asked:
        found += verdict_scores(sheet)
    if "pair" in asked:
        found += pair_scores(sheet)
    found += aspect_scores(sheet, asked)
    return found + grade_scores(sheet, asked)


def groups_of(sheet: Sheet, by: str) -> list[str]:
    """Return the groups that a column parts the items into, the most common twelve."""
    found = {item: _group(r, by) for (_, item), r in sheet.readings.items()}
    counts = Counter(filter(None, found.values()))
    return sorted(name for name, _ in counts.most_common(MOST_GROUPS))


def _columns_of(key: dict[str, Any]) -> str:
    names = Counter(name for row in key["images"].values() for name in row["columns"])
    return ", ".join(name for name, _ in names.most_common(8)) or "nothing: no table states any"


def _group(reading: Reading, by: str) -> str:
    return group_of(reading.facts.get("columns", {}), by)


def _by_group(sheet: Sheet, asked: set[str], groups: dict[str, list[str]]) -> list[Score]:
    found: list[Score] = []
    for by, group in ((by, group) for by, names in groups.items() for group in names):
        part = sheet.part(lambda r, by=by, group=group: _group(r, by) == group)
        where = {"by": by, "group": group}
        if "verdict" in asked:
            found += verdict_scores(part, agree=False, **where)
        if "pair" in asked:
            found += pair_scores(part, agree=False, **where)
        found += aspect_scores(part, asked, agree=False, **where)
    return found


def _times(sheet: Sheet) -> list[Score]:
    found = []
    for reader in sheet.readers:
        seconds = [r.seconds for (who, _), r in sheet.readings.items() if who == reader]
        middle, *quartiles = typical_time(np.array(seconds))
        found.append(Score(TIME_CARD, middle, None, len(seconds), {"reader": reader},
                           "quartiles, no interval", {"quartiles": quartiles}))  # fmt: skip
    return found


def _about(study: ReaderStudy, key: dict[str, Any]) -> dict[str, Any]:
    told = study.told
    sides = Counter(row["kind"] for row in key["images"].values())
    return {
        **{k: told[k] for k in ("id", "title", "design", "created", "size_px", "codec")},
        "images": dict(sides), "questions": [q["name"] for q in told["questions"]],
        "datasets": {side: sorted({row["dataset"] for row in key["images"].values()
                                   if row["kind"] == side}) for side in sorted(sides)},
        "patients": {side: len({row["patient"] for row in key["images"].values()
                                if row["kind"] == side}) for side in sorted(sides)},
        "options": key["options"], "seed": key["seed"],
    }  # fmt: skip


def _readers(study: ReaderStudy, readings: Sequence[Reading]) -> list[dict[str, Any]]:
    return [
        {"reader": reader, "done": sum(r.reader == reader for r in readings),
         "count": len(study.trials(reader))}
        for reader in study.readers
    ]  # fmt: skip


def _cards(scores: Sequence[Score]) -> list[dict[str, Any]]:
    cards = {score.card.name: score.card for score in scores} | {"": MULTI_READER_CARD}
    return [card.as_dict() for card in cards.values()]


def _confidence(sheet: Sheet) -> dict[str, dict[str, list[int]]]:
    """Return of each reader and side how often each step was used, surely real to surely not."""
    found: dict[str, dict[str, list[int]]] = {}
    for (reader, _), r in sorted(sheet.readings.items()):
        if "verdict" not in r.answers or "confidence" not in r.answers:
            continue
        sides = found.setdefault(reader, {"real": [0] * 6, "synthetic": [0] * 6})
        sure = int(r.answers["confidence"])
        step = 3 - sure if r.answers["verdict"] == "real" else 2 + sure
        sides[r.kind][step] += 1
    return found


def _roc(sheet: Sheet) -> dict[str, list[list[float]]]:
    """Return each reader's operating points (false alarms, hits), from strict to lax."""
    found = {}
    for reader, sides in _confidence(sheet).items():
        real, synthetic = (np.array(sides[s][::-1], dtype=float) for s in ("real", "synthetic"))
        if real.sum() and synthetic.sum():
            points = zip(np.cumsum(real) / real.sum(), np.cumsum(synthetic) / synthetic.sum(),
                         strict=True)  # fmt: skip
            found[reader] = [[0.0, 0.0], *([float(a), float(b)] for a, b in points)]
    return found


def _remarks(readings: Sequence[Reading]) -> list[dict[str, str]]:
    return [
        {"reader": r.reader, "kind": r.kind, "item": r.item, "source": str(r.facts.get("name", "")),
         "remark": r.answers["comment"]}
        for r in readings if r.answers.get("comment", "").strip()
    ]  # fmt: skip


def _protocol(seed: int) -> dict[str, Any]:
    return {
        "counted": "first showings of images that were answered and closed; second showings enter "
        "the intra-reader kappa alone",
        "exact": "Clopper and Pearson's 95 % interval; two-sided exact binomial p against one half",
        "over_readers": f"mean over readers; 95 % percentiles of {RESAMPLES} draws of readers and "
        "of cases (patients, real and synthetic apart)",
        "kappa": "95 % percentiles of draws of cases; readers with fewer than half of the images "
        "are left out between readers",
        "p_values": "not corrected for their number; groups and aspects are looks, not tests",
        "seed": seed,
    }

"""Audit of groups: is a classifier better for some patients than for others, beyond chance?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.core import Record, Refusal, rng_for
from retinaforge.metrics import holm
from retinaforge.metrics.groups import (
    GROUP_GAP_CARD,
    RESAMPLES,
    SHUFFLES,
    SMALLEST,
    Gap,
    group_gap,
)
from retinaforge.metrics.judged import MEASURES
from retinaforge.metrics.prediction import AUROC_CARD, auroc
from retinaforge.metrics.statistics import HOLM_CARD
from retinaforge.validation.audit_answers import AGE_EDGES, Answered, groups_of
from retinaforge.validation.audit_told import SURE, both_p, found_first, verdict, write_audit

NAMES = {"auroc": "AUROC", "sensitivity": "Sensitivity", "specificity": "Specificity"}
USUAL = ("sex", "age", "camera")
DEALS_A_GAP = 100
"""Deals for each gap of a run: with fewer no p value could outlive the correction for many gaps."""
Found = tuple[str, str, Gap]
"""Who answered, what parts the groups, and the gap."""


def audit_groups(
    answered: Sequence[Answered],
    records: Sequence[Record],
    by: Sequence[str],
    out: Path,
    *,
    edges: Sequence[float] = AGE_EDGES,
    smallest: int = SMALLEST,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure gaps of every classifier by every attribute and write audit.json.

    Args:
        answered: what each classifier said.
        records: of the data sets, for attributes that the answers do not hold.
        by: attributes.
        out: folder.
        edges: of the bands of age.
        smallest: patients on each side that a group needs.
        seed: of draws and deals; the same for every classifier.

    Raises:
        Refusal: "expected an attribute that ... tell; got ..." where none is known of any image.
    """
    shuffles = max(SHUFFLES, DEALS_A_GAP * len(answered) * len(by) * len(MEASURES))
    found: list[Found] = []
    for one in answered:
        for attribute in by:
            groups = groups_of(one, records, attribute, edges)
            _require_known(groups, attribute, one)
            found += [
                (one.name, attribute, group_gap(
                    one.judged, groups, measure, smallest=smallest, shuffles=shuffles,
                    rng=rng_for(seed, "audit groups", attribute, measure),
                ))
                for measure in MEASURES
            ]  # fmt: skip
    corrected = holm([gap.p for *_, gap in found])
    return write_audit(
        out, audit="groups", title=f"Gaps by {', '.join(by)}",
        asked=_asked(answered), cautions=_cautions(answered, by),
        said=found_first([_said(f, p, many=len(answered) > 1)
                          for f, p in zip(found, corrected, strict=True)]),
        sections=[_section(answered, attribute, found) for attribute in by],
        results=[{"classifier": who, "by": attribute, **asdict(gap), "excess": gap.excess,
                  "p_holm": p} for (who, attribute, gap), p in zip(found, corrected, strict=True)],
        cards=[GROUP_GAP_CARD, AUROC_CARD, HOLM_CARD],
        protocol=_protocol(smallest, edges, seed, shuffles),
        left_out=[{"name": f"{who}, {attribute} {v.group}, {NAMES[gap.measure]}",
                   "reason": v.reason} for who, attribute, gap in found
                  for v in gap.groups if v.reason],
    )  # fmt: skip


def known_attributes(answered: Sequence[Answered], records: Sequence[Record]) -> tuple[str, ...]:
    """Return which of sex, age and camera are known and differ among the images.

    Raises:
        Refusal: "expected sex, age or camera of these images; got none".
    """
    one = answered[0]
    found = tuple(by for by in USUAL if len(set(groups_of(one, records, by)) - {""}) > 1)
    if not found:
        raise Refusal(
            "sex, age or camera of these images", "none that differs, in the answers or in DATA",
            "name the data set's folder with --data, or a column with --by",
        )  # fmt: skip
    return found


def _require_known(groups: Sequence[str], attribute: str, one: Answered) -> None:
    if not any(groups):
        held = sorted({key for row in one.columns for key in row})
        raise Refusal(
            f"an attribute that the answers' table or DATA tell of these images: {attribute}",
            f"none of {len(groups)} images has it; the answers hold {', '.join(held)}",
            "name the data set's folder with --data, or another --by",
        )


def _asked(answered: Sequence[Answered]) -> list[tuple[str, str]]:
    one = answered[0]
    return [
        ("Classifiers", ", ".join(f"{a.name} (AUROC {_area(a)})" for a in answered)),
        ("Images", f"{len(one.images)} of {len(set(one.judged.patients))} patients"),
        ("Finding", f"{', '.join(one.positive)}: {int(one.judged.truth.sum())} images"),
    ]


def _area(one: Answered) -> str:
    both = np.stack([-one.judged.scores, one.judged.scores], axis=1)
    area = auroc(one.judged.truth.astype(np.int64), both, np.ones((1, len(both))))[0]
    return "not defined" if math.isnan(area) else f"{area:.3f}"


def _cautions(answered: Sequence[Answered], by: Sequence[str]) -> list[str]:
    told = [
        "The largest of several differences is never below 0: judge a gap by its excess over "
        "what equal groups show, never by itself.",
    ]
    if len(answered) * len(by) > 1:
        told.append("Many gaps are looked at: the verdict rests on p values corrected for that.")
    told += [f"{one.name}: {one.unscored} rows without a score are left out; "
             "if they are hard images, gaps look smaller than they are."
             for one in answered if one.unscored]  # fmt: skip
    return told


def _said(found: Found, corrected: float, *, many: bool) -> dict[str, Any]:
    who, attribute, gap = found
    head = f"{who}: " if many else ""
    head += f"{NAMES[gap.measure]} by {attribute}"
    if math.isnan(gap.value):
        return verdict("open", f"{head}: {gap.reason}.")
    known = sorted((v for v in gap.groups if not math.isnan(v.value)), key=lambda v: v.value)
    text = (
        f"{head}: gap {gap.value:.3f} ({known[0].group} {known[0].value:.3f}, {known[-1].group} "
        f"{known[-1].value:.3f}); equal groups show {gap.null_mean:.3f} on average, "
        f"{gap.null_high:.3f} once in 20; {both_p(gap.p, corrected)}."
    )
    if corrected < SURE:
        return verdict("failure", text)
    return verdict("caution" if gap.p < SURE else "pass", text)


def _section(
    answered: Sequence[Answered], attribute: str, found: Sequence[Found]
) -> dict[str, Any]:
    own = [f for f in found if f[1] == attribute]
    return {
        "id": f"by-{attribute}", "title": f"By {attribute}",
        "figures": [_figure(who, gap, many=len(answered) > 1) for who, _, gap in own]
        + [_gaps(measure, own) for measure in MEASURES],
        "read": [
            "Each group's value with its interval over patients, then each gap beside what chance "
            "makes of equal groups.",
            "Gaps left of the upper dashed line: no more than groups dealt at random show.",
            "A gap right of it whose corrected p is small: look at which group, and whether its "
            "patients are iller, its images worse, or its numbers few.",
        ],
        "table": _table(own),
    }  # fmt: skip


def _figure(who: str, gap: Gap, *, many: bool) -> dict[str, Any]:
    return {
        "kind": "forest", "title": NAMES[gap.measure], "note": who if many else "",
        "rows": [{"name": f"{v.group} ({v.patients})", "value": v.value, "interval": v.interval}
                 for v in gap.groups],
    }  # fmt: skip


def _gaps(measure: str, own: Sequence[Found]) -> dict[str, Any]:
    gaps = [(who, gap) for who, _, gap in own if gap.measure == measure]
    null = gaps[0][1]
    return {
        "kind": "forest", "title": f"Gap in {NAMES[measure]}",
        "note": "lines of the first classifier" if len(gaps) > 1 else "",
        "lines": [{"name": "equal groups, mean", "value": null.null_mean},
                  {"name": "equal groups, once in 20", "value": null.null_high}],
        "rows": [{"name": who, "value": gap.value, "interval": gap.interval,
                  "shade": "bad" if gap.p < SURE else "plain"} for who, gap in gaps],
    }  # fmt: skip


def _table(own: Sequence[Found]) -> dict[str, Any]:
    rows = []
    for who, _, gap in own:
        for v in gap.groups:
            rows.append([
                {"text": f"{who} · {NAMES[gap.measure]} · {v.group}"}, {"text": str(v.n)},
                {"text": str(v.positives)}, {"text": str(v.patients)},
                {"value": v.value, "interval": v.interval, "note": v.reason},
            ])  # fmt: skip
    return {"columns": ["Group", "Images", "With the finding", "Patients", "Value"], "rows": rows}


def _protocol(smallest: int, edges: Sequence[float], seed: int, shuffles: int) -> dict[str, Any]:
    return {
        "interval": f"95 %, percentiles of {RESAMPLES} bootstrap draws of patients",
        "null": f"{shuffles} deals of the groups among patients, ill and healthy apart",
        "smallest_group": f"{smallest} patients on each side that a value rests on",
        "correction": "Holm over all gaps of this run",
        "bands_of_age": [f"{edge:g}" for edge in edges],
        "seed": seed,
    }

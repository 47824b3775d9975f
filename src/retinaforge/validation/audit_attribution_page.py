"""What the audit of attribution writes: verdicts, charts and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.attribution import SQUARES
from retinaforge.audits.classifier_cards import INFIDELITY_CARD, SENSITIVITY_CARD
from retinaforge.core import rng_for
from retinaforge.metrics.delong import DELONG_CARD, Tested
from retinaforge.metrics.statistics import paired_bootstrap
from retinaforge.validation.audit_attribution_maps import Row
from retinaforge.validation.audit_eyes import Eyes, unlike_widths
from retinaforge.validation.audit_told import SURE, p_words, span_words, verdict, write_audit

POORLY = 0.8
"""Infidelity from which a map explains next to nothing."""
OFTEN = 2.0
"""Attribution in a region, over its area, from which a verdict says found; above 1: maybe."""
COLOURS = "orange speaks for synthetic, blue for real"
Lines = Mapping[str, Mapping[str, dict[str, Any]]]


def told_apart(tested: Tested) -> bool:
    """Return whether real and synthetic images are told apart beyond chance."""
    # Where the sides part wholly there is no variance to test with.
    return tested.value > 0.5 and (tested.p < SURE or tested.value > 0.95)


def write_attribution(
    out: Path, rows: Sequence[Row], tested: Tested, pictures: Sequence[dict[str, str]],
    sides: tuple[Eyes, Eyes], about: Sequence[tuple[str, str]], seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Write audit.json of images that were explained; none where the sides are not told apart."""
    names = list(dict.fromkeys(name for row in rows for name in row["shares"] if name != "field"))
    lines = {
        side: {name: _mean([(r["shares"].get(name, math.nan), r["patient"]) for r in rows
                            if r["synthetic"] == (side == "synthetic")], seed) for name in names}
        for side in ("real", "synthetic")
    }  # fmt: skip
    trust = {key: _mean([(r[key], r["patient"]) for r in rows], seed)
             for key in ("infidelity", "sensitivity")}  # fmt: skip
    judged = "not judged" if not rows else f"{len(rows)} explained"
    return write_audit(
        out, audit="attribution", title="What tells synthetic from real",
        asked=[*about, ("Images", f"{len(sides[0].records)} real, {len(sides[1].records)} "
                        f"synthetic; {judged}")],
        cautions=["An attribution says where a classifier looks, not that what it sees there is "
                  "wrong.", *unlike_widths(*sides)],
        said=_verdicts(tested, lines, trust),
        sections=_sections(lines, trust, rows, pictures) if rows else [],
        results=[{"auroc": tested.value, "interval": tested.interval, "p": tested.p,
                  "attribution": lines, **trust}, *rows],
        cards=[INFIDELITY_CARD, SENSITIVITY_CARD, DELONG_CARD],
        protocol={
            "classifier": "logistic regression, real against synthetic, on a frozen encoder's "
            "vectors; half of the patients teach, images of the other half are explained",
            "share": "absolute attribution in a region over its area's share of the field",
            "infidelity": f"{SQUARES} squares, 1/8 to 1/3 of the image wide, replaced by the mean "
            "colour",
            "interval": "95 %, bootstrap over patients", "seed": seed,
        }, left_out=[*sides[0].left_out, *sides[1].left_out],
    )  # fmt: skip


def _mean(pairs: Sequence[tuple[float, str]], seed: int) -> dict[str, Any]:
    known = [(value, name) for value, name in pairs if math.isfinite(value)]
    if not known:
        return {"value": math.nan, "interval": None, "reason": "no image has it", "n": 0}
    found = paired_bootstrap(
        np.array([float(value) for value, _ in known]), [name for _, name in known],
        rng=rng_for(seed, "attribution means"),
    )  # fmt: skip
    return {"value": found.value, "interval": found.interval, "reason": found.reason,
            "n": len(known)}  # fmt: skip


def _verdicts(tested: Tested, lines: Lines, trust: dict[str, Any]) -> list[dict[str, Any]]:
    apart = told_apart(tested)
    said = [verdict(
        "failure" if apart else "pass",
        f"Real and synthetic are told apart with AUROC {tested.value:.3f}"
        f"{span_words(tested.interval)}"
        f"{'; against chance ' + p_words(tested.p) if math.isfinite(tested.p) else ''}.",
    )]  # fmt: skip
    if not apart:
        return [*said, verdict("open", "There is nothing to explain: where it looks says nothing.")]
    poor = trust["infidelity"]["value"]
    if not math.isfinite(poor) or poor > POORLY:
        return [*said, verdict("open", f"The maps explain next to nothing (infidelity {poor:.2f}): "
                               "where it looks cannot be said.")]  # fmt: skip
    often = [
        verdict("failure" if line["value"] > OFTEN else "caution",
                f"On synthetic images the region \u201c{name}\u201d gets {line['value']:.1f} times "
                f"the attribution that its area would{span_words(line['interval'])}.")
        for name, line in lines["synthetic"].items()
        if line["interval"] and line["interval"][0] > 1
    ]  # fmt: skip
    return [*said, *(often or [_spread_out(lines["synthetic"])])]


def _spread_out(lines: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    known = {name: one for name, one in lines.items() if math.isfinite(one["value"])}
    text = "No region surely gets more attribution than its area would"
    if not known:
        return verdict("open", text + ": no region is known.")
    name, most = max(known.items(), key=lambda pair: pair[1]["value"])
    return verdict("note", f"{text}; most gets \u201c{name}\u201d, {most['value']:.1f} times"
                   f"{span_words(most['interval'])}.")  # fmt: skip


def _sections(
    lines: Lines, trust: dict[str, Any], rows: Sequence[Row], pictures: Sequence[dict[str, str]]
) -> list[dict[str, Any]]:
    figures = [
        {"kind": "forest", "title": f"Attribution on {side} images, over the region's size",
         "lines": [{"name": "as much as its area", "value": 1.0}],
         "rows": [{"name": f"{name} ({line['n']})", "value": line["value"],
                   "interval": line["interval"]} for name, line in found.items()]}
        for side, found in lines.items()
    ]  # fmt: skip
    figures.append({
        "kind": "forest", "title": "Can the maps be believed?",
        "lines": [{"name": "an infidelity that explains nothing", "value": 1.0}],
        "rows": [{"name": f"{name} ({one['n']})", "value": one["value"],
                  "interval": one["interval"]} for name, one in trust.items()],
    })  # fmt: skip
    table = [
        [{"text": row["name"]}, {"text": "synthetic" if row["synthetic"] else "real"},
         {"value": row["logit"]}, {"value": row["infidelity"]}, {"value": row["sensitivity"]}]
        for row in rows
    ]  # fmt: skip
    return [{
        "id": "where", "title": "Where it looks", "figures": figures, "pictures": list(pictures),
        "lead": f"On the right of each pair the attribution: {COLOURS}. Numbers in brackets are "
        "images.",
        "read": [
            "How much attribution lies in each region over the region's size, and examples.",
            "Intervals that hold 1: no region gives the images away more than its area would.",
            "One region far right of 1 with low infidelity: look there for what the generator "
            "draws wrongly.",
        ],
        "table": {"columns": ["Image", "Set", "Logit", "Infidelity", "Sensitivity"], "rows": table},
    }]  # fmt: skip

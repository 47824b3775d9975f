"""What authors must report of synthetic images, filled from a run; blanks stay blank.

References:
    G. Zamzmi et al., "Scorecards for synthetic medical data evaluation and reporting", arXiv
    2406.11143: the seven headings of the SMD card.
    A. S. Tejani et al., "Checklist for artificial intelligence in medical imaging (CLAIM): 2024
    update", Radiology: Artificial Intelligence 6, 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retinaforge.reports import words

Items = list[tuple[str, str]]
BLANK = ""


def smd_card(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the seven headings of the SMD card, each with its items; "" is left to the authors."""
    filled = {
        "Congruence": _congruence(card), "Coverage": _coverage(card),
        "Constraint": _constraint(card), "Completeness": _completeness(card),
        "Compliance": _compliance(card), "Comprehension": _comprehension(card),
        "Consistency": _consistency(card),
    }  # fmt: skip
    return [{"title": title, "items": items} for title, items in filled.items()]


def _lines(card: dict[str, Any], family: str) -> list[dict[str, Any]]:
    return [s for s in card["scores"] if s.get("family") == family]


def _said(score: dict[str, Any]) -> str:
    value = words.number(score["value"])
    interval = words.interval(score.get("interval"))
    floor = score.get("floor")
    beside = f"; real against real {words.number(floor['mean'])}" if floor else ""
    return f"{value}{f' ({interval})' if interval else ''}{beside}"


def _named(lines: Sequence[dict[str, Any]], names: Sequence[str]) -> Items:
    return [
        (f"{s['name']} in {s['space']}", _said(s))
        for s in lines
        if s["name"] in names and s["value"] is not None
    ]


def _congruence(card: dict[str, Any]) -> Items:
    """How alike are the distributions?"""
    names = ("kernel_distance", "frechet_distance_shrunk", "precision", "frd_v1")
    items = _named(_lines(card, "fidelity"), names)
    for table in ("vessels", "quality"):
        known = [s for s in _lines(card, table) if s.get("p_holm") is not None]
        different = sum(s["p_holm"] < 0.05 for s in known)
        if known:
            items.append((f"{table}: numbers spread differently", f"{different} of {len(known)}"))
    return items


def _coverage(card: dict[str, Any]) -> Items:
    """Is the variety of the real images there?"""
    items = _named(_lines(card, "fidelity"), ("coverage", "recall", "vendi"))
    groups = [s for s in _lines(card, "groups") if s["name"] == "group_coverage"]
    items += [(f"{s['column']} {s['group']}", _said(s)) for s in groups if s["value"] is not None]
    return items if groups else [*items, ("Groups of patients", BLANK)]


def _constraint(card: dict[str, Any]) -> Items:
    """Do the images obey anatomy?"""
    return [
        (s["name"], f"{_said(s)} fail; real {words.number(s['value_real'])}")
        for s in _lines(card, "anatomy")
        if s["value"] is not None
    ]


def _completeness(card: dict[str, Any]) -> Items:
    """Is everything there that is needed?"""
    side = card["protocol"]["synthetic"]["images"]
    return [
        ("Images", f"{side['scored']} scored of {side['found']} found"),
        ("Labels, masks and metadata that come with each image", BLANK),
    ]


def _compliance(card: dict[str, Any]) -> Items:
    """Privacy and rules."""
    items: Items = [
        ("Copies of real eyes", f"{s['copies']} of {s['n']}, against {s['against']}")
        for s in _lines(card, "copies")
        if s["value"] is not None
    ]
    return [*items, ("Licence of the images", BLANK),
            ("Approval and consent for the training set", BLANK),
            ("Marked as synthetic in metadata and file name", BLANK)]  # fmt: skip


def _comprehension(card: dict[str, Any]) -> Items:
    """Can a user understand what was made, how, and where it fails?"""
    failures = [s["text"] for s in card["verdict"] if s["level"] == "failure"]
    return [
        ("Failures found", " ".join(failures) or "none by these scores at this n"),
        ("Generator, version, training", BLANK),
        ("Intended use, and uses advised against", BLANK),
    ]


def _consistency(card: dict[str, Any]) -> Items:
    """Is it stable over seeds, groups, time?"""
    protocol = card["protocol"]
    return [
        ("Repeats behind each floor", "ten divisions of the real set by patient"),
        ("Seed of this run", str(protocol["seed"])),
        ("Several seeds or versions of the generator", BLANK),
    ]


def claim_items(card: dict[str, Any]) -> Items:
    """Return items in the manner of CLAIM; "" is left to the authors."""
    protocol, environment = card["protocol"], card["environment"]
    real, synthetic = protocol["real"]["images"], protocol["synthetic"]["images"]
    seen = "; ".join(f"{row['who']}: {row['dataset']}" for row in card["contamination"])
    left = sum(len(rows) for rows in card["left_out"].values())
    return [
        ("Study design and goal", BLANK),
        ("Data sources", f"real: {protocol['real']['folder']}; synthetic: "
                         f"{protocol['synthetic']['folder']}"),
        ("Eligibility and selection of images", BLANK),
        ("Sample size", f"{real['scored']} real images of {real['patients']} patients, "
                        f"{synthetic['scored']} synthetic"),
        ("Missing data", f"files left out: {left}, each named with its reason"),
        ("Preprocessing", " ".join(protocol["footing"]["words"])),
        ("Reference standard", "vessels, disc and fovea by networks, not by people; see finders"),
        ("Annotators' qualification and agreement", BLANK),
        ("Partition of the data; disjoint by patient", BLANK),
        ("Model: architecture, software, initialisation", BLANK),
        ("Training: data augmentation, hyperparameters, number of models", BLANK),
        ("Metrics of performance", "cards of every score under Definitions"),
        ("Statistical measures and uncertainty", protocol["intervals"] + "; " + protocol["tests"]),
        ("Robustness or sensitivity analysis", "sanity panel: planted damage at several levels"
         if card["sanity_panel"]["rows"] else BLANK),
        ("Judges that have seen the data", seen or "none found by name"),
        ("Demographics of the patients", ", ".join(protocol["groups"])),
        ("External test", BLANK),
        ("Failure analysis", "failures in the verdict: "
         f"{sum(s['level'] == 'failure' for s in card['verdict'])}; rejects with overlays"),
        ("Limitations", BLANK),
        ("Software and version", f"RetinaForge {environment['retinaforge']}, "
                                 f"commit {environment['git'][:12]}"),
        ("Protocol, code and data availability", BLANK),
        ("Funding", BLANK),
    ]  # fmt: skip

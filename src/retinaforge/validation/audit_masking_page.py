"""What the masking test writes: verdicts, charts and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.classifier_cards import MASKING_CARD
from retinaforge.audits.masking import HIDES
from retinaforge.metrics.delong import DELONG_CARD, Tested
from retinaforge.metrics.statistics import HOLM_CARD
from retinaforge.validation.audit_eyes import Eyes
from retinaforge.validation.audit_told import (
    SURE,
    both_p,
    p_words,
    span_words,
    verdict,
    write_audit,
)

WHOLE, ALIKE = "taught whole", "taught masked"
PARTED = 0.95
"""Area from which sides that part wholly count as told, where there is no variance to test."""


def write_masking(
    out: Path, rows: list[dict[str, Any]], real: Eyes, left_out: list[dict[str, str]], lies: str,
    words: str, about: Sequence[tuple[str, str]], judged: np.ndarray, *,
    cautions: Sequence[str] = (), shown: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:  # fmt: skip
    """Write audit.json of rows that hold arm, variant, teaching and tests."""
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    people = len({real.patients[k] for k in judged})
    return write_audit(
        out, audit="masking", title="What is told of the hidden",
        asked=[*about, ("Images that judge", f"{len(judged)} of {people} patients")],
        cautions=[*_cautions(lies, real), *cautions], said=_said_of(rows, lies),
        sections=[*_seen(shown), *(_section(arm, rows) for arm in arms)],
        results=[_plain(row) for row in rows], cards=[MASKING_CARD, DELONG_CARD, HOLM_CARD],
        protocol={
            "split": words,
            "classifier": "logistic regression on a frozen encoder's vectors, penalty by inner "
            "folds of patients",
            "taught whole": "on whole images, judged on masked ones: what the classifier uses",
            "taught masked": "on images masked alike: what is there to be used",
            "test": "DeLong, images of one patient a cluster; Holm over what must be at chance",
            "masks": real.masks, "filling": "median of what stays",
        }, left_out=left_out,
    )  # fmt: skip


def _cautions(lies: str, real: Eyes) -> list[str]:
    told = ["Hidden parts leave their outline: what depends on the size of the disc can be told "
            "by the hole."]  # fmt: skip
    if not lies:
        told.append("It was not said where the finding lies (--lies disc): of the hidden parts the "
                    "border alone is judged.")  # fmt: skip
    seen = [part for part, come in real.masks.items() if come.get("segmenter")]
    if seen:
        told.append(f"Masks of {' and '.join(seen)} are in part our segmenters', not a reader's.")
    return told


def _said_of(rows: Sequence[dict[str, Any]], lies: str) -> list[dict[str, Any]]:
    hidden = (*HIDES.get(lies, ()), "border only")
    works = {row["arm"]: _above(row) for row in rows if row["variant"] == "whole"}
    found = []
    for row in rows:
        if row["variant"] not in (*hidden, "whole"):
            continue
        tested: Tested = row["chance"]
        how = "taught" if row["variant"] == "whole" else row["taught"]
        text = f"{row['variant']}, {how} on {row['arm']}: AUROC "
        if math.isnan(tested.value):
            found.append(verdict("open", f"{text}is not defined: {tested.reason}."))
            continue
        text += f"{tested.value:.3f}{span_words(tested.interval)}, against chance "
        whole = row["variant"] == "whole"
        text += f"{p_words(tested.p) if whole else both_p(tested.p, row['p_holm'])}."
        found.append(_judged(row, works[row["arm"]], text))
    return found


def _judged(row: dict[str, Any], works: bool, text: str) -> dict[str, Any]:
    if row["variant"] == "whole":
        return verdict("note" if works else "open", text + (
            "" if works else " The whole image is not shown to tell the finding."))  # fmt: skip
    if _above(row):
        return verdict("failure", text)
    tested: Tested = row["chance"]
    if tested.value > 0.5 and tested.p < SURE:
        return verdict("caution", text)
    return verdict("pass" if works else "open", text)


def _above(row: dict[str, Any]) -> bool:
    """Return whether an area is surely above chance, also where there is no variance to test."""
    tested: Tested = row["chance"]
    if math.isnan(tested.p):
        return tested.value > PARTED
    return tested.value > 0.5 and row["p_holm"] < SURE


def _seen(shown: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    lead = "One of the images that judge, whole and as each test shows it; what is hidden takes "
    lead += "the median colour of what stays."
    section = {"id": "seen", "title": "What is seen", "lead": lead, "pictures": list(shown)}
    return [section] if shown else []


def _section(arm: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    own = [row for row in rows if row["arm"] == arm]
    figures = []
    for teaching in (WHOLE, ALIKE):
        those = [row for row in own if row["taught"] == teaching]
        figures.append({
            "kind": "forest", "title": f"AUROC, {teaching}",
            "lines": [{"name": "chance", "value": 0.5}],
            "rows": [{"name": row["variant"], "value": row["chance"].value,
                      "interval": row["chance"].interval} for row in those],
        })  # fmt: skip
    table = [
        [{"text": f"{row['variant']}, {row['taught']}"}, {"text": str(row["n"])},
         {"value": row["chance"].value, "interval": row["chance"].interval,
          "note": row["chance"].reason},
         {"text": p_words(row["chance"].p), "note": _corrected(row)},
         {"value": row["less"].value, "interval": row["less"].interval,
          "note": p_words(row["less"].p)}]
        for row in own
    ]  # fmt: skip
    return {
        "id": "arm-" + arm.replace(" ", "").replace("+", "-"), "title": f"Taught on {arm}",
        "figures": figures,
        "read": [
            "How well the finding is told when a part of the image is hidden.",
            "Whole images right of chance; what hides the place of the finding, and the border "
            "alone, on the line of chance.",
            "The border alone, or an image without the place of the finding, right of chance: "
            "something else goes with the finding, and a classifier can learn it instead.",
        ],
        "table": {"columns": ["What is seen", "Images", "AUROC", "Against chance",
                              "Change from whole"], "rows": table},
    }  # fmt: skip


def _corrected(row: dict[str, Any]) -> str:
    if row["variant"] == "whole" or math.isnan(row["p_holm"]):
        return ""
    return f"corrected {p_words(row['p_holm'])}"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    chance, less = row["chance"], row["less"]
    return {
        **{key: row[key] for key in ("arm", "variant", "taught", "n", "patients", "p_holm")},
        "auroc": chance.value, "interval": chance.interval, "p": chance.p, "reason": chance.reason,
        "less": less.value, "less_interval": less.interval, "less_p": less.p,
    }  # fmt: skip

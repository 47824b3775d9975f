"""What the audit of attributes says, shows and stores of each question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retinaforge.audits.attributes import Kept, Reading
from retinaforge.validation.audit_told import Level, span_words, verdict

WORDS = {
    "kept": "kept", "weakened": "weakened", "amplified": "amplified", "erased": "erased",
    "untold": "not told of real images, so nothing follows", "unknown": "could not be judged",
}  # fmt: skip


SHADES = {"kept": "good", "untold": "grey", "unknown": "grey"}


def said_of(row: dict[str, Any], label: str) -> dict[str, Any]:
    """Return the verdict on one question."""
    kept: Kept = row["kept"]
    measure = "concordance" if row["number"] else "AUROC"
    level: Level = "failure"
    if kept.fate in ("unknown", "untold"):
        level = "open"
    elif kept.fate in ("kept", "weakened"):
        level = "pass" if kept.fate == "kept" else "caution"
    if kept.fate == "unknown":
        # The side that is missing says why; the other one is no news.
        why = kept.real.reason or kept.synthetic.reason or "an interval is not defined"
        side = "real" if kept.real.reason else "synthetic"
        return verdict(level, f"{row['question']}: {WORDS[kept.fate]}: of {side} images {why}.")
    text = f"{row['question']}: {WORDS[kept.fate]}; {measure} {kept.real.value:.3f}"
    text += f"{span_words(kept.real.interval)} on real, {kept.synthetic.value:.3f}"
    text += f"{span_words(kept.synthetic.interval)} on synthetic images, change {kept.change:+.3f}"
    text += f"{span_words(kept.interval, signed=True)}."
    own: Reading = row["own"]
    if kept.fate in ("erased", "weakened") and own.interval and own.interval[0] > 0.5:
        text += f" A probe taught on synthetic images tells it ({own.value:.3f}): it is there, but "
        text += "looks otherwise than in real ones."
    beside = row["with"]
    if beside and beside["interval"] and beside["interval"][0] > 0:
        level = "failure"
        text += f" It goes with {label} more than in real images ({beside['change']:+.3f}"
        text += f"{span_words(beside['interval'], signed=True)})."
    return verdict(level, text)


def sections_of(rows: Sequence[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    """Return the page's sections: how well each is told, and whether it goes with a label."""
    figures = []
    for row in rows:
        kept: Kept = row["kept"]
        figures.append({
            "kind": "forest", "title": row["question"], "note": WORDS[kept.fate],
            "lines": [{"name": "chance", "value": 0.5}],
            "rows": [
                {"name": "real", "value": kept.real.value, "interval": kept.real.interval},
                {"name": "synthetic", "value": kept.synthetic.value,
                 "interval": kept.synthetic.interval, "shade": SHADES.get(kept.fate, "bad")},
                {"name": "taught on synthetic", "value": row["own"].value,
                 "interval": row["own"].interval, "shade": "grey"},
            ],
        })  # fmt: skip
    found = [{
        "id": "told", "title": "How well it is told", "figures": figures,
        "read": [
            "How well a probe that learnt from real images tells the attribute, of real images of "
            "other patients and of synthetic ones.",
            "Both alike.",
            "Synthetic left of real: weakened or erased. Right of it: overdrawn.",
        ],
    }]  # fmt: skip
    beside = [(row["question"], row["with"]) for row in rows if row["with"]]
    if beside:
        found.append({
            "id": "with", "title": f"Does it go with {label}?", "figures": [
                {"kind": "forest", "title": question, "rows": [
                    {"name": side, "value": one[side].value, "interval": one[side].interval}
                    for side in ("real", "synthetic")]} for question, one in beside],
            "read": [
                f"How far what the probe says of the attribute goes with {label}, |AUROC − ½|.",
                "Synthetic no further right than real.",
                "Synthetic right of real: the generator draws a tie that a classifier can learn.",
            ],
        })  # fmt: skip
    return found


def plain_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return every number of a question as plain data."""
    kept: Kept = row["kept"]
    beside = row["with"]
    return {
        "question": row["question"], "fate": kept.fate, "split": row["split"],
        "real": _reading(kept.real), "synthetic": _reading(kept.synthetic),
        "taught_on_synthetic": _reading(row["own"]),
        "change": {"value": kept.change, "interval": kept.interval},
        "association": None if beside is None else {
            "real": _reading(beside["real"]), "synthetic": _reading(beside["synthetic"]),
            "change": {"value": beside["change"], "interval": beside["interval"]},
        },
    }  # fmt: skip


def _reading(one: Reading) -> dict[str, Any]:
    return {"value": one.value, "interval": one.interval, "n": one.n, "patients": one.patients,
            "reason": one.reason}  # fmt: skip

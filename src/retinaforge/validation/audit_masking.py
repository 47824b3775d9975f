"""The masking test of a classifier taught on real, synthetic and both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.masking import HIDES, MASKING_CARD, VARIANTS, masked
from retinaforge.core import Refusal
from retinaforge.metrics import holm
from retinaforge.metrics.delong import DELONG_CARD, Tested, against_chance, delong, paired
from retinaforge.metrics.statistics import HOLM_CARD
from retinaforge.tasks.probe_target import Round
from retinaforge.validation import audit_head
from retinaforge.validation.audit_eyes import Eyes, unread
from retinaforge.validation.audit_told import SURE, both_p, p_words, verdict, write_audit

ARMS = ("real", "real + synthetic", "synthetic")
WHOLE, ALIKE = "taught whole", "taught masked"
FEWEST = 20
"""Judging images that must have the mask for a variant to be judged."""

Progress = Callable[[int, int], None]


def audit_masking(
    see: audit_head.See, real: Eyes, out: Path, *, synthetic: Eyes | None = None, lies: str = "",
    batch: int = 16, about: Sequence[tuple[str, str]] = (), on_progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Measure what can be told of images of which a part is hidden, and write audit.json.

    Args:
        see: what an encoder makes of squares, from `audit_head.seer`.
        real: images that teach and judge.
        out: folder.
        synthetic: images that teach further arms.
        lies: "disc" or "vessels" where the finding lies in it alone, else "".
        batch: squares a step.
        about: what was asked, for the page.
        on_progress: called with (variants done, all).

    Raises:
        Refusal: of an unknown place of the finding, or too few patients.
    """
    if lies and lies not in HIDES:
        raise Refusal(f"a place of the finding ({', '.join(HIDES)})", repr(lies), "or none")
    folds, words = audit_head.rounds(real.records, real.truth)
    judged = np.concatenate([one.judge for one in folds])
    rows, left_out = [], unread(real, synthetic)
    vectors = _vectors(see, real, "whole", batch)[0]
    more = None if synthetic is None else _vectors(see, synthetic, "whole", batch)[0]
    taught = {arm: _taught(arm, real, vectors, folds, synthetic, more) for arm in _arms(synthetic)}
    for done, variant in enumerate(VARIANTS):
        seen, there, why = _vectors(see, real, variant, batch)
        own = judged[there[judged]]
        if len(own) < FEWEST:
            reason = f"{len(own)} judging images have the mask; {FEWEST} are needed ({why})"
            left_out.append({"name": variant, "reason": reason})
            continue
        others = None if synthetic is None else _vectors(see, synthetic, variant, batch)
        for arm, (whole, heads) in taught.items():
            rows.append(_row(real, arm, variant, WHOLE, own, _said(heads, folds, seen), whole))
            if variant != "whole":
                alike = _alike(arm, real, seen, there, folds, synthetic, others)
                if alike is not None:
                    rows.append(_row(real, arm, variant, ALIKE, own, alike, whole))
        if on_progress:
            on_progress(done + 1, len(VARIANTS))
    for row, p in zip(rows, holm([row["chance"].p for row in rows]), strict=True):
        row["p_holm"] = p
    return _write(out, rows, real, left_out, lies, words, about, judged)


def _arms(synthetic: Eyes | None) -> tuple[str, ...]:
    return ARMS[:1] if synthetic is None else ARMS


def _vectors(
    see: audit_head.See, eyes: Eyes, variant: str, batch: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return vectors, which images have the part, and why the first has not."""
    there, why = np.ones(len(eyes.truth), bool), ""

    def make(k: int) -> np.ndarray:
        nonlocal why
        try:
            return masked(eyes.pixels[k], eyes.parts[k], variant)
        except Refusal as refusal:
            there[k], why = False, why or refusal.expected
            return eyes.pixels[k]

    found = audit_head.vectors_of(see, len(eyes.truth), make, batch=batch)
    return found, there, why


def _taught(
    arm: str, real: Eyes, vectors: np.ndarray, folds: Sequence[Round], synthetic: Eyes | None,
    more: np.ndarray | None,
) -> tuple[np.ndarray, list[audit_head.Head]]:  # fmt: skip
    extra = None
    if arm != ARMS[0] and synthetic is not None and more is not None:
        extra = (more, synthetic.truth, synthetic.patients)
    return audit_head.answers(
        vectors, real.truth, real.patients, folds, extra=extra, alone=arm == ARMS[2]
    )


def _said(heads: Sequence[audit_head.Head], folds: Sequence[Round], seen: np.ndarray) -> np.ndarray:
    """Return what heads that were taught on whole images say of masked ones."""
    said = np.full(len(seen), np.nan)
    for head, one in zip(heads, folds, strict=True):
        said[one.judge] = head.logits(seen[one.judge])
    return said


def _alike(
    arm: str, real: Eyes, seen: np.ndarray, there: np.ndarray, folds: Sequence[Round],
    synthetic: Eyes | None, others: tuple[np.ndarray, np.ndarray, str] | None,
) -> np.ndarray | None:  # fmt: skip
    """Return what heads that were taught on masked images say; None where too few have the part."""
    own = [Round(one.seed, one.teach[there[one.teach]], one.judge) for one in folds]
    extra = None
    if arm != ARMS[0] and synthetic is not None and others is not None:
        more, has, _ = others
        names = [name for name, yes in zip(synthetic.patients, has, strict=True) if yes]
        extra = (more[has], synthetic.truth[has], names)
    try:
        return audit_head.answers(
            seen, real.truth, real.patients, own, extra=extra, alone=arm == ARMS[2]
        )[0]
    except Refusal:
        return None


def _row(
    real: Eyes, arm: str, variant: str, teaching: str, own: np.ndarray, said: np.ndarray,
    whole: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    names = [real.patients[k] for k in own]
    areas = delong(real.truth[own], np.stack([said[own], whole[own]], axis=1), names)
    return {
        "arm": arm, "variant": variant, "taught": teaching, "n": len(own),
        "patients": len(set(names)), "chance": against_chance(areas), "less": paired(areas, 0, 1),
    }  # fmt: skip


def _write(
    out: Path, rows: list[dict[str, Any]], real: Eyes, left_out: list[dict[str, str]], lies: str,
    words: str, about: Sequence[tuple[str, str]], judged: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    people = len({real.patients[k] for k in judged})
    return write_audit(
        out, audit="masking", title="What is told of the hidden",
        asked=[*about, ("Images that judge", f"{len(judged)} of {people} patients")],
        cautions=_cautions(lies, real), said=_said_of(rows, lies),
        sections=[_section(arm, rows) for arm in arms],
        results=[_plain(row) for row in rows], cards=[MASKING_CARD, DELONG_CARD, HOLM_CARD],
        protocol={
            "split": words,
            "classifier": "logistic regression on a frozen encoder's vectors, penalty by inner "
            "folds of patients",
            "taught whole": "on whole images, judged on masked ones: what the classifier uses",
            "taught masked": "on images masked alike: what is there to be used",
            "test": "DeLong, images of one patient a cluster; Holm over all rows",
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
    found = []
    for row in rows:
        if row["variant"] not in (*hidden, "whole"):
            continue
        tested: Tested = row["chance"]
        head = f"{row['variant']}, {row['taught']} on {row['arm']}: AUROC"
        if math.isnan(tested.value):
            found.append(verdict("open", f"{head} is not defined: {tested.reason}."))
            continue
        text = f"{head} {tested.value:.3f}"
        if tested.interval:
            text += f" ({tested.interval[0]:.3f} to {tested.interval[1]:.3f})"
        text += f", against chance {both_p(tested.p, row['p_holm'])}."
        found.append(verdict(_level(row, tested), text))
    return found


def _level(row: dict[str, Any], tested: Tested) -> Any:
    above = tested.value > 0.5
    sure = above and (row["p_holm"] < SURE or (math.isnan(tested.p) and tested.value > 0.95))
    if row["variant"] == "whole":
        return "pass" if sure else "open"
    if sure:
        return "failure"
    return "caution" if above and tested.p < SURE else "pass"


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
         {"text": p_words(row["chance"].p), "note": f"corrected {p_words(row['p_holm'])}"},
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
                              "Less than whole"], "rows": table},
    }  # fmt: skip


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    chance, less = row["chance"], row["less"]
    return {
        **{key: row[key] for key in ("arm", "variant", "taught", "n", "patients", "p_holm")},
        "auroc": chance.value, "interval": chance.interval, "p": chance.p, "reason": chance.reason,
        "less": less.value, "less_interval": less.interval, "less_p": less.p,
    }  # fmt: skip

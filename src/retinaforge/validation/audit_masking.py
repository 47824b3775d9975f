"""The masking test of a classifier taught on real, synthetic and both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.masking import HIDES, VARIANTS, masked
from retinaforge.core import Refusal
from retinaforge.metrics import holm
from retinaforge.metrics.delong import against_chance, delong, paired
from retinaforge.tasks.probe_target import Round
from retinaforge.validation import audit_head
from retinaforge.validation.audit_eyes import Eyes, unlike_widths, unread
from retinaforge.validation.audit_masking_page import ALIKE, WHOLE, write_masking
from retinaforge.validation.audit_strips import write_strip

ARMS = ("real", "real + synthetic", "synthetic")
FEWEST = 20
"""Judging images that must have the mask for a variant to be judged."""

Progress = Callable[[int, int], None]


def audit_masking(
    see: audit_head.See, real: Eyes, out: Path, *, synthetic: Eyes | None = None, lies: str = "",
    batch: int = 16, judge: str = audit_head.GIVEN, about: Sequence[tuple[str, str]] = (),
    on_progress: Progress | None = None, on_plan: Callable[[str], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Measure what can be told of images of which a part is hidden, and write audit.json.

    Args:
        see: what an encoder makes of squares, from `audit_head.seer`.
        real: images that teach and judge.
        out: folder.
        synthetic: images that teach further arms.
        lies: "disc" or "vessels" where the finding lies in it alone, else "".
        batch: squares a step.
        judge: "given" keeps a split of the real images, "halves" draws halves all the same.
        about: what was asked, for the page.
        on_progress: called with (squares done, all).
        on_plan: called with how long it will take.

    Raises:
        Refusal: of an unknown place of the finding, or too few patients.
    """
    if lies and lies not in HIDES:
        raise Refusal(f"a place of the finding ({', '.join(HIDES)})", repr(lies), "or none")
    folds, words = audit_head.rounds(real.records, real.truth, judge)
    judged = np.concatenate([one.judge for one in folds])
    count = len(VARIANTS) * (len(real.truth) + (0 if synthetic is None else len(synthetic.truth)))
    if on_plan:
        on_plan(audit_head.plan(see, real.pixels.shape[1], batch, count))
    look = _Look(see, batch, count, on_progress)
    rows, left_out = [], unread(real, synthetic)
    vectors = look(real, "whole")[0]
    more = None if synthetic is None else look(synthetic, "whole")[0]
    taught = {arm: _taught(arm, real, vectors, folds, synthetic, more) for arm in _arms(synthetic)}
    for arm, (whole, heads) in taught.items():
        rows.append(_row(real, arm, "whole", WHOLE, judged, _said(heads, folds, vectors), whole))
    for variant in [name for name in VARIANTS if name != "whole"]:
        seen, there, why = look(real, variant)
        own = judged[there[judged]]
        if len(own) < FEWEST:
            reason = f"{len(own)} judging images have the mask; {FEWEST} are needed ({why})"
            left_out.append({"name": variant, "reason": reason})
            continue
        others = None if synthetic is None else look(synthetic, variant)
        for arm, (whole, heads) in taught.items():
            rows.append(_row(real, arm, variant, WHOLE, own, _said(heads, folds, seen), whole))
            alike = _alike(arm, real, seen, there, folds, synthetic, others)
            if alike is not None:
                rows.append(_row(real, arm, variant, ALIKE, own, alike, whole))
    # One family: what must be at chance. Whether the whole image works is a question of its own.
    family = [row for row in rows if row["variant"] in (*HIDES.get(lies, ()), "border only")]
    for row in rows:
        row["p_holm"] = row["chance"].p if row["variant"] == "whole" else math.nan
    for row, p in zip(family, holm([row["chance"].p for row in family]), strict=True):
        row["p_holm"] = p
    return write_masking(
        out, rows, real, left_out, lies, words, about, judged, shown=_shown(out, real, judged),
        cautions=[*audit_head.few_words(real.truth, real.patients, folds),
                  *unlike_widths(real, synthetic)],
    )  # fmt: skip


def _shown(out: Path, real: Eyes, judged: np.ndarray) -> list[dict[str, str]]:
    """Write what is seen of the first judging image that has all its parts."""
    for k in judged:
        parts = real.parts[int(k)]
        if parts.disc is not None and parts.vessels is not None:
            names, half = list(VARIANTS), (len(VARIANTS) + 1) // 2
            try:
                seen = [masked(real.pixels[int(k)], parts, name) for name in names]
            except Refusal:
                continue
            return [
                write_strip(out, f"masking_{place}", seen[start:end], "; ".join(names[start:end]))
                for place, (start, end) in enumerate(((0, half), (half, len(names))))
            ]
    return []


def _arms(synthetic: Eyes | None) -> tuple[str, ...]:
    return ARMS[:1] if synthetic is None else ARMS


class _Look:
    """Sees one variant of a set after another, and counts the squares for a progress bar."""

    def __init__(self, see: audit_head.See, batch: int, count: int, move: Progress | None) -> None:
        self.see, self.batch, self.count, self.move, self.done = see, batch, count, move, 0

    def __call__(self, eyes: Eyes, variant: str) -> tuple[np.ndarray, np.ndarray, str]:
        """Return vectors, which images have the part, and why the first has not."""
        there, why = np.ones(len(eyes.truth), bool), ""

        def make(k: int) -> np.ndarray:
            nonlocal why
            self.done += 1
            if self.move:
                self.move(self.done, self.count)
            try:
                return masked(eyes.pixels[k], eyes.parts[k], variant)
            except Refusal as refusal:
                there[k], why = False, why or refusal.expected
                return eyes.pixels[k]

        found = audit_head.vectors_of(self.see, len(eyes.truth), make, batch=self.batch)
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

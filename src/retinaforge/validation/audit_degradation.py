"""Robustness of classifiers taught on real, on real and synthetic, and on synthetic images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.degradation import DEGRADATIONS, LEVELS, consistency, degraded
from retinaforge.core import rng_for
from retinaforge.metrics.prediction import auroc, balanced_accuracy, patient_draws
from retinaforge.tasks.probe_target import Round
from retinaforge.validation import audit_head
from retinaforge.validation.audit_degradation_page import RESAMPLES, Curve, write_degradation
from retinaforge.validation.audit_eyes import Eyes, unlike_widths, unread
from retinaforge.validation.audit_masking import ARMS
from retinaforge.validation.audit_strips import write_strip

Progress = Callable[[int, int], None]


def audit_degradation(
    see: audit_head.See, real: Eyes, out: Path, *, synthetic: Eyes | None = None, batch: int = 16,
    judge: str = audit_head.GIVEN, seed: int = 0, about: Sequence[tuple[str, str]] = (),
    on_progress: Progress | None = None, on_plan: Callable[[str], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Measure consistency and accuracy at five levels of seven degradations; write audit.json.

    Args:
        see: what an encoder makes of squares, from `audit_head.seer`.
        real: images that teach and judge; only the judging ones are damaged.
        out: folder.
        synthetic: images that teach further arms.
        batch: squares a step.
        judge: "given" keeps a split of the real images, "halves" draws halves all the same.
        seed: of specks, directions and draws.
        about: what was asked, for the page.
        on_progress: called with (kinds and levels done, all).
        on_plan: called with how long it will take.
    """
    folds, words = audit_head.rounds(real.records, real.truth, judge)
    judged = np.concatenate([one.judge for one in folds])
    if on_plan:
        teaching = len(real.truth) + (0 if synthetic is None else len(synthetic.truth))
        count = teaching + len(DEGRADATIONS) * len(LEVELS) * len(judged)
        on_plan(audit_head.plan(see, real.pixels.shape[1], batch, count))
    vectors = audit_head.vectors_of(see, len(real.truth), lambda k: real.pixels[k], batch=batch)
    heads = _heads(see, real, vectors, folds, synthetic, batch)
    names = [real.patients[k] for k in judged]
    weights = np.concatenate([
        np.ones((1, len(judged))),
        patient_draws(names, rng=rng_for(seed, "audit degradation"), resamples=RESAMPLES),
    ])  # fmt: skip
    clean = {arm: said[judged] for arm, (said, _) in heads.items()}
    good = {arm: _scores(real.truth[judged], said, weights) for arm, said in clean.items()}
    curves: list[Curve] = []
    for done, (kind, level) in enumerate([(d.name, k) for d in DEGRADATIONS for k in LEVELS]):
        seen = _damaged(see, real, judged, kind, level, seed, batch)
        for arm, (_, own) in heads.items():
            said = _said(own, folds, judged, seen)
            now = _scores(real.truth[judged], said, weights)
            same = weights @ consistency(clean[arm] > 0, said > 0) / weights.sum(axis=1)
            curves.append({"arm": arm, "kind": kind, "level": level, **now, "consistency": same,
                           "loss": now["auroc"] - good[arm]["auroc"]})  # fmt: skip
        if on_progress:
            on_progress(done + 1, len(DEGRADATIONS) * len(LEVELS))
    return write_degradation(
        out, curves, good, real, judged, words, seed, about, unread(real, synthetic),
        cautions=[*audit_head.few_words(real.truth, real.patients, folds),
                  *unlike_widths(real, synthetic)],
        shown={d.name: _shown(out, real, int(judged[0]), d.name, seed) for d in DEGRADATIONS},
    )  # fmt: skip


def _shown(out: Path, real: Eyes, place: int, kind: str, seed: int) -> dict[str, str]:
    """Write one image good and at five levels of a kind of damage."""
    pixels, fov = real.pixels[place], real.parts[place].fov
    worse = [degraded(pixels, fov, kind, level, rng=_same(seed, kind, real, place))
             for level in LEVELS]  # fmt: skip
    return write_strip(out, f"degradation_{kind}", [pixels, *worse], "good, and levels 1 to 5")


def _same(seed: int, kind: str, real: Eyes, place: int) -> np.random.Generator:
    """Return the same specks and directions at every level: a level adds, it does not move."""
    return rng_for(seed, "degraded", kind, real.records[place].name)


def _heads(
    see: audit_head.See, real: Eyes, vectors: np.ndarray, folds: Sequence[Round],
    synthetic: Eyes | None, batch: int,
) -> dict[str, tuple[np.ndarray, list[audit_head.Head]]]:  # fmt: skip
    found = {ARMS[0]: audit_head.answers(vectors, real.truth, real.patients, folds)}
    if synthetic is None:
        return found
    more = audit_head.vectors_of(
        see, len(synthetic.truth), lambda k: synthetic.pixels[k], batch=batch
    )
    extra = (more, synthetic.truth, synthetic.patients)
    for arm in ARMS[1:]:
        found[arm] = audit_head.answers(
            vectors, real.truth, real.patients, folds, extra=extra, alone=arm == ARMS[2]
        )
    return found


def _damaged(
    see: audit_head.See, real: Eyes, judged: np.ndarray, kind: str, level: int, seed: int,
    batch: int,
) -> np.ndarray:  # fmt: skip
    def make(k: int) -> np.ndarray:
        place = int(judged[k])
        rng = _same(seed, kind, real, place)
        return degraded(real.pixels[place], real.parts[place].fov, kind, level, rng=rng)

    return audit_head.vectors_of(see, len(judged), make, batch=batch)


def _said(
    heads: Sequence[audit_head.Head], folds: Sequence[Round], judged: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    said, start = np.zeros(len(judged)), 0
    for head, one in zip(heads, folds, strict=True):
        end = start + len(one.judge)
        said[start:end] = head.logits(seen[start:end])
        start = end
    return said


def _scores(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return AUROC and balanced accuracy: the value, then the draws."""
    known = truth.astype(np.int64)
    return {
        "auroc": auroc(known, np.stack([-said, said], axis=1), weights),
        "balanced_accuracy": balanced_accuracy(known, (said > 0).astype(np.int64), weights),
    }

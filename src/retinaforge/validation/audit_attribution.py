"""Where a classifier of real against synthetic images looks: what gives the images away?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.attribution import (
    SQUARES,
    STEPS,
    Heat,
    Image,
    Score,
    infidelity,
    integrated_gradients,
    occlusion,
    sensitivity,
    share_by_region,
)
from retinaforge.audits.masking import Parts
from retinaforge.core import Record, Refusal, rng_for
from retinaforge.metrics.delong import against_chance, delong
from retinaforge.tasks.probe_target import Round
from retinaforge.validation import audit_head
from retinaforge.validation.audit_attribution_maps import (
    GradientOf,
    Row,
    regions_of,
    write_pictures,
)
from retinaforge.validation.audit_attribution_page import told_apart, write_attribution
from retinaforge.validation.audit_eyes import Eyes, joined

METHODS = ("occlusion", "gradients")
PATCHES = 8
"""Patches a side of the occlusion: a grid laid twice, so steps of 1/16 of the side."""
SHAKEN, TRIALS = 4, 2
"""Images whose map is asked for again under noise, and how often."""

Progress = Callable[[int, int], None]


def audit_attribution(
    see: audit_head.See, real: Eyes, synthetic: Eyes, out: Path, *,
    gradient_of: GradientOf | None = None, parts_of: Callable[[Record], Parts] | None = None,
    most: int = 20, batch: int = 16, seed: int = 0,
    about: Sequence[tuple[str, str]] = (), on_progress: Progress | None = None,
    on_plan: Callable[[str], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Teach real against synthetic, explain its answers, and write audit.json.

    Nothing is explained where the two are not told apart.

    Args:
        see: what an encoder makes of squares, from `audit_head.seer`.
        real, synthetic: images; their truth is not looked at.
        out: folder.
        gradient_of: a head's gradient by the image, for integrated gradients; None: occlusion.
        parts_of: finds disc and vessels of an image that is explained; None: those of its side.
        most: judging images that are explained, half real, half synthetic.
        batch: squares a step.
        seed: of squares, noise and folds.
        about: what was asked, for the page.
        on_progress: called with (images explained, all).
        on_plan: called with how long it will take.

    Raises:
        Refusal: "expected at least 10 patients on each side; got ...".
    """
    pixels, _, patients = joined((real, synthetic))
    fake = np.arange(len(pixels)) >= len(real.truth)
    one = _halves(fake, patients, seed)
    sides = [one.judge[fake[one.judge] == side][: most // 2] for side in (False, True)]
    chosen, shaken = np.concatenate(sides), {int(k) for side in sides for k in side[: SHAKEN // 2]}
    if on_plan:
        squares = len(pixels) + _squares(len(chosen), len(shaken), gradients=bool(gradient_of))
        on_plan(audit_head.plan(see, pixels.shape[1], batch, squares))
    vectors = audit_head.vectors_of(see, len(pixels), lambda k: pixels[k], batch=batch)
    said, (head,) = audit_head.answers(vectors, fake, patients, [one])
    people = [patients[k] for k in one.judge]
    tested = against_chance(delong(fake[one.judge], said[one.judge][:, None], people))
    records, parts = (*real.records, *synthetic.records), (*real.parts, *synthetic.parts)
    rows: list[Row] = []
    heats: list[Heat] = []
    for done, k in enumerate(int(place) for place in chosen):
        if not told_apart(tested):
            break
        own = parts_of(records[k]) if parts_of else parts[k]
        row, heat = _explained(
            see, head, gradient_of, pixels[k], own, batch, shaken=k in shaken,
            rng=rng_for(seed, "attribution", done),
        )  # fmt: skip
        rows.append({"name": records[k].name, "synthetic": bool(fake[k]), "patient": patients[k],
                     "logit": float(said[k]), **row})  # fmt: skip
        heats.append(heat)
        if on_progress:
            on_progress(done + 1, len(chosen))
    pictures = write_pictures(out, pixels[chosen], rows, heats) if rows else []
    return write_attribution(out, rows, tested, pictures, (real, synthetic), about, seed)


def _squares(explained: int, shaken: int, *, gradients: bool) -> int:
    """Return about how many squares an encoder sees; a step back counts as two."""
    each = 3 * STEPS if gradients else round(2 * PATCHES**2 * np.pi / 4) + 2 * PATCHES
    return explained * (each + SQUARES) + shaken * TRIALS * each


def _halves(fake: np.ndarray, patients: Sequence[str], seed: int) -> Round:
    """Return one round: half of the patients of either side teach, the other half judges."""
    from sklearn.model_selection import StratifiedGroupKFold

    people = [len({p for p, f in zip(patients, fake, strict=True) if f == side})
              for side in (False, True)]  # fmt: skip
    if min(people) < 2 * audit_head.FEWEST:
        raise Refusal(
            f"at least {2 * audit_head.FEWEST} patients on each side",
            f"{people[0]} real and {people[1]} synthetic", "add images",
        )  # fmt: skip
    halves = StratifiedGroupKFold(2, shuffle=True, random_state=seed)
    return Round(seed, *next(iter(halves.split(fake, fake, patients))))


def _explained(
    see: audit_head.See, head: audit_head.Head, gradient_of: GradientOf | None, pixels: np.ndarray,
    parts: Parts, batch: int, *, shaken: bool, rng: np.random.Generator,
) -> tuple[Row, Heat]:  # fmt: skip
    image, fov = pixels.astype(np.float64), parts.fov

    def score(images: np.ndarray) -> np.ndarray:
        squares = np.clip(np.rint(images), 0, 255).astype(np.uint8)
        return head.logits(
            audit_head.vectors_of(see, len(squares), lambda k: squares[k], batch=batch)
        )

    explain = _explain(score, head, gradient_of, fov)
    heat = explain(image)
    trust = sensitivity(explain, heat, image, fov, rng=rng, trials=TRIALS) if shaken else math.nan
    return {
        "shares": share_by_region(heat, regions_of(parts)),
        "infidelity": infidelity(score, heat, image, fov, rng=rng), "sensitivity": trust,
    }, heat  # fmt: skip


def _explain(
    score: Score, head: audit_head.Head, gradient_of: GradientOf | None, fov: np.ndarray
) -> Callable[[Image], Heat]:
    if gradient_of is None:
        return lambda image: occlusion(score, image, fov, patches=PATCHES)
    gradient = gradient_of(head)
    return lambda image: integrated_gradients(gradient, image, fov)

"""The arms: what teaches, at equal steps, and what stands against it.

    real                 the photographs alone
    augmented            the same, each step sees a strongly augmented copy of them
    oversampled          the same, every class drawn equally often
    real+synthetic r     r synthetic images for each photograph
    shuffled             real+synthetic at ratio one, the synthetic labels dealt anew
    synthetic            synthetic images alone (train on synthetic, test on real: TSTR)
    real+real r          as many more photographs instead, where some are held back

Photographs alone, asked about synthetic images (train on real, test on synthetic: TRTS), is the
first arm judged elsewhere, not an arm of its own.

References:
    Esteban et al., arXiv 1706.02633 (TSTR, TRTS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retinaforge.core import Refusal, rng_for
from retinaforge.tasks.usefulness_rounds import Material, Round, whole_patients

Kind = Literal["real", "augmented", "oversampled", "added", "shuffled", "synthetic", "more"]
RATIOS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
REAL_ARM = "real"
STEMS = (REAL_ARM, "augmented", "oversampled", "real+synthetic", "real+shuffled", "synthetic",
         "real+real")  # fmt: skip
"""Names of arms without their ratio."""
OF_RATIOS = ("real+synthetic", "real+real")


@dataclass(frozen=True)
class Arm:
    """One way to compose what teaches.

    Attributes:
        name: in results.
        kind: see the module.
        ratio: synthetic (or further real) images for each photograph; NaN where none.
    """

    name: str
    kind: Kind
    ratio: float = float("nan")


@dataclass(frozen=True)
class Pool:
    """What one arm teaches with in one round.

    Attributes:
        places: of the images, in the material; one may stand there once only.
        values: their labels, shape (n, questions); NaN where unknown.
        chances: of each image at each draw, sums to 1.
        strong: whether images are strongly augmented.
    """

    places: np.ndarray
    values: np.ndarray
    chances: np.ndarray
    strong: bool = False

    def without(self, places: np.ndarray) -> Pool:
        """Return the pool without some images."""
        keep = ~np.isin(self.places, places)
        chances = self.chances[keep]
        chances = chances / chances.sum() if keep.any() else chances
        return Pool(self.places[keep], self.values[keep], chances, self.strong)


def arms_of(rounds: Sequence[Round], ratios: Sequence[float] = RATIOS) -> list[Arm]:
    """Return the arms that a study's images allow: no ratio that there are too few images for.

    Args:
        rounds: of the study.
        ratios: synthetic images for each photograph.
    """
    arms = [Arm(REAL_ARM, "real"), Arm("augmented", "augmented"), Arm("oversampled", "oversampled")]
    most = min(len(one.synthetic) / len(one.teach) for one in rounds)
    spare = min(len(one.spare) / len(one.teach) for one in rounds)
    fits = [r for r in sorted(set(ratios)) if round(r, 9) <= most]
    if most > 0 and not fits:
        fits = [round(most, 2)]
    arms += [Arm(f"real+synthetic {r:g}", "added", r) for r in fits]
    if fits:
        level = min(fits, key=lambda r: (abs(r - 1), r))
        arms += [Arm(f"real+shuffled {level:g}", "shuffled", level), Arm("synthetic", "synthetic")]
    more = [r for r in sorted(set(ratios)) if r <= spare]
    if spare > 0 and not more:
        more = [round(spare, 2)]
    return arms + [Arm(f"real+real {r:g}", "more", r) for r in more]


def only(arms: Sequence[Arm], names: Sequence[str]) -> list[Arm]:
    """Return the arms that were asked for, photographs alone always among them; all for none.

    Args:
        arms: of a study.
        names: of arms, or without their ratio for every one of that kind.

    Raises:
        Refusal: "expected arms of this study (...); got ...".
    """
    if not names:
        return list(arms)
    there = {arm.name for arm in arms} | {arm.name.partition(" ")[0] for arm in arms}
    absent = [name for name in names if name not in there]
    if absent:
        raise Refusal(
            f"arms of this study ({', '.join(arm.name for arm in arms)})", ", ".join(absent),
            "ratios come from --ratio and from how many images there are, real+real from --few",
        )  # fmt: skip
    wanted = {REAL_ARM, *names}
    return [arm for arm in arms if wanted & {arm.name, arm.name.partition(" ")[0]}]


def refuse_unknown(names: Sequence[str]) -> None:
    """Refuse names that no study's arms have, before anything is opened.

    Raises:
        Refusal: "expected arms (real, augmented, ...); got ...".
    """
    absent = [name for name in names if name.partition(" ")[0] not in STEMS]
    if absent:
        raise Refusal(
            f"arms ({', '.join(STEMS)})", ", ".join(absent),
            'name one, or one ratio of it: "real+synthetic 1"',
        )  # fmt: skip


def pool_of(
    arm: Arm, one: Round, material: Material, *, most_synthetic: float = RATIOS[-1]
) -> Pool:
    """Return what an arm teaches with in a round.

    Args:
        arm: which.
        one: the round; its order decides which synthetic images are taken, so that a larger ratio
            holds the images of the smaller.
        material: all images.
        most_synthetic: of synthetic images alone, at most so many for each photograph.
    """
    values = material.labels.values
    if arm.kind == "synthetic":
        return _even(one.synthetic[: _count(one, most_synthetic)], values)
    if arm.kind == "more":
        extra = one.spare[: whole_patients(material, one.spare, _count(one, arm.ratio))]
        return _even(np.concatenate([one.teach, extra]), values)
    if arm.kind in ("added", "shuffled"):
        extra = one.synthetic[: _count(one, arm.ratio)]
        pool = _even(np.concatenate([one.teach, extra]), values)
        if arm.kind == "shuffled":
            told = rng_for(one.seed, "usefulness", "shuffled").permutation(len(extra))
            pool.values[len(one.teach) :] = values[extra[told]]
        return pool
    pool = _even(one.teach, values)
    if arm.kind == "augmented":
        return Pool(pool.places, pool.values, pool.chances, strong=True)
    if arm.kind == "oversampled":
        return Pool(pool.places, pool.values, balanced(pool.values))
    return pool


def _count(one: Round, ratio: float) -> int:
    return max(1, round(ratio * len(one.teach)))


def _even(places: np.ndarray, values: np.ndarray) -> Pool:
    return Pool(places, values[places].copy(), np.full(len(places), 1 / max(len(places), 1)))


def balanced(values: np.ndarray) -> np.ndarray:
    """Return chances with which every class of every question is drawn equally often.

    Args:
        values: labels, shape (n, questions). Of several questions an image takes the mean of what
            each would give it; where unknown, it takes none of that question's.
    """
    chances = np.zeros(len(values))
    for column in values.T:
        classes = np.unique(column[np.isfinite(column)])
        for c in classes:
            own = column == c
            chances[own] += 1 / own.sum() / len(classes)
    return chances / chances.sum()

"""Choose a setting (a decay; a learning rate with its decay) on inner folds, alike for every arm.

The folds are of the round's own photographs: what teaches is the arm's pool without the fold's
patients, what judges is the fold. The largest pooled AUROC wins, of ties the first setting (the
most cautious).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retinaforge.metrics.prediction import auroc
from retinaforge.tasks.usefulness_arms import Pool
from retinaforge.tasks.usefulness_backbone import Backbone, Setting
from retinaforge.tasks.usefulness_rounds import Material, Round, inner_folds

ONE_OF = 4
"""A single inner fold is one of so many: a quarter of the teaching patients judges."""


def chosen(
    one: Round, pool: Pool, material: Material, backbone: Backbone, keep: Path | None = None
) -> Setting:
    """Return the setting that answers best for folds of the round's photographs.

    Args:
        one: the round.
        pool: what the arm teaches with.
        material: all images.
        backbone: with one fold or more.
        keep: folder where unfinished trainings may keep themselves.
    """
    settings, teach = backbone.settings, one.teach
    if len(settings) == 1:
        return settings[0]
    count = backbone.folds if backbone.folds > 1 else ONE_OF
    parts = inner_folds(material, teach, seed=one.seed, count=count)[: backbone.folds]
    said = np.full((len(settings), len(material.examples), sum(backbone.widths)), np.nan)
    for number, fold in enumerate(parts):
        rest = pool.without(_own(material, fold))
        if len(rest.places):
            own = keep and keep / f"fold{number}"
            seed = one.seed * 1000 + number + 1
            said[:, fold] = backbone.fit(rest, fold, seed=seed, settings=settings, keep=own)
    scores = [_score(material.labels.values[teach], each[teach], backbone.widths) for each in said]
    return settings[int(np.argmax(scores))] if parts else settings[len(settings) // 2]


def _own(material: Material, fold: np.ndarray) -> np.ndarray:
    """Return all images of the patients of a fold."""
    return np.flatnonzero(np.isin(material.patients, material.patients[fold]))


def _score(values: np.ndarray, said: np.ndarray, widths: Sequence[int]) -> float:
    """Return the mean AUROC over questions, rounded so that settings alike are ties."""
    found, start = [], 0
    for column, width in zip(values.T, widths, strict=True):
        block = said[:, start : start + width]
        good = np.isfinite(column) & np.isfinite(block).all(axis=1)
        start += width
        if good.any():
            truth = column[good].astype(np.int64)
            found.append(auroc(truth, block[good], np.ones((1, good.sum())))[0])
    return round(float(np.nanmean(found)), 3) if np.isfinite(found).any() else 0.0

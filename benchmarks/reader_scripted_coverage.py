"""How often do a study's intervals cover the truth, where readers and images differ?

Reader r tells image i with probability Φ(μ + a_r + b_i), a ~ N(0, σ_r²), b ~ N(0, σ_i²): over all
readers and images Φ(μ / √(1 + σ_r² + σ_i²)). Three intervals of the same answers: the bootstrap of
readers and images; all answers pooled into one exact interval, as papers do; and, of each reader,
the exact interval against that reader's own truth Φ((μ + a_r) / √(1 + σ_i²)).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from retinaforge.metrics.reader_bootstrap import case_draws, mean_over_readers, reader_draws
from retinaforge.metrics.reader_scores import exact_share, share

MU, IMAGE_SD, IMAGES = 0.5, 0.4, 60
LAYOUTS = ((3, 0.3), (5, 0.0), (5, 0.3), (10, 0.3))


def coverage(simulations: int) -> list[dict[str, Any]]:
    """Return a row for each layout and interval."""
    found = []
    for readers, reader_sd in LAYOUTS:
        hits = np.array([_covers(readers, reader_sd, k) for k in range(simulations)])
        for column, what in enumerate(("bootstrap of readers and images", "all answers pooled")):
            found.append(_row(readers, reader_sd, what, hits[:, column], len(hits)))
        found.append(_row(readers, reader_sd, "each reader's exact interval", hits[:, 2] * readers,
                          readers * len(hits)))  # fmt: skip
    return found


def _covers(readers: int, reader_sd: float, seed: int) -> tuple[float, float, float]:
    rng = np.random.default_rng([seed, readers, round(100 * reader_sd)])
    own = rng.normal(0, reader_sd, readers)
    truth = stats.norm.cdf(MU / math.sqrt(1 + reader_sd**2 + IMAGE_SD**2))
    truths = stats.norm.cdf((MU + own) / math.sqrt(1 + IMAGE_SD**2))
    hard = rng.normal(0, IMAGE_SD, IMAGES)
    right = rng.random((readers, IMAGES)) < stats.norm.cdf(MU + own[:, None] + hard)
    cases = case_draws([str(k) for k in range(IMAGES)],
                       ["real", "synthetic"] * (IMAGES // 2), rng=rng)  # fmt: skip
    low, high = mean_over_readers(
        lambda k, w: share(right[k], w), cases, reader_draws(readers, rng=rng)
    ).interval or (math.nan, math.nan)
    pooled = exact_share(int(right.sum()), right.size)
    each = [exact_share(int(r.sum()), IMAGES) for r in right]
    inside = np.mean([e.low <= t <= e.high for e, t in zip(each, truths, strict=True)])
    return float(low <= truth <= high), float(pooled.low <= truth <= pooled.high), float(inside)


def _row(readers: int, reader_sd: float, what: str, hits: np.ndarray, n: int) -> dict[str, Any]:
    k = round(float(hits.sum()))
    told = exact_share(k, n)
    return {"readers": readers, "images": IMAGES, "reader_sd": reader_sd, "what": what,
            "covered": told.value, "n": n, "interval": [told.low, told.high]}  # fmt: skip

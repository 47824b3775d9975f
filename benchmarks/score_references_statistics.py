"""What `benchmarks/score_agreement.py` compares tests, intervals and answers with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from retinaforge import metrics
from score_references import Both


def scipy_sign_flip() -> Both:
    """SciPy's permutation test over all flips."""
    d = np.random.default_rng(2).normal(0.4, 1, size=9)
    found = stats.permutation_test(
        (d, np.zeros(9)), lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples", n_resamples=np.inf, vectorized=True,
    )  # fmt: skip
    return metrics.sign_flip_p(d, list("abcdefghi"), rng=np.random.default_rng(0)), found.pvalue


def statsmodels_holm() -> Both:
    """statsmodels' step-down correction."""
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(1).uniform(0, 0.1, 12).tolist()
    return metrics.holm(p), multipletests(p, method="holm")[1].tolist()


def clustered_bootstrap() -> Both:
    """The normal interval, which percentiles of many patients come near: within 5 % of its width.

    Reported: lower and upper end about the mean, in standard errors, against ±1.96.
    """
    values = np.random.default_rng(0).normal(size=400)
    names = [str(k) for k in range(400)]
    found = metrics.paired_bootstrap(values, names, rng=np.random.default_rng(1))
    if found.interval is None:
        raise ValueError("no interval")
    error = values.std() / np.sqrt(400)
    return [(end - values.mean()) / error for end in found.interval], [-1.96, 1.96]


def statsmodels_icc() -> Both:
    """ICC(A,1) from the mean squares of statsmodels' analysis of variance."""
    import pandas as pd
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    rng = np.random.default_rng(4)
    table = rng.normal(size=(20, 1)) + 0.5 * rng.normal(size=(20, 3)) + [0, 0.2, 0.5]
    n, k = table.shape
    frame = pd.DataFrame({"v": table.ravel(), "t": np.repeat(range(n), k), "j": [*range(k)] * n})
    squares = anova_lm(smf.ols("v ~ C(t) + C(j)", frame).fit())["mean_sq"]
    rows, columns, rest = squares["C(t)"], squares["C(j)"], squares["Residual"]
    expected = (rows - rest) / (rows + (k - 1) * rest + k / n * (columns - rest))
    return metrics.icc_a1(table).value, float(expected)


def bland_altman() -> Both:
    """Mean ± 1.96 standard deviations."""
    d = np.random.default_rng(5).normal(1, 2, 50)
    found = metrics.limits_of_agreement(d)
    spread = 1.96 * d.std(ddof=1)
    return [found.bias, found.low, found.high], [d.mean(), d.mean() - spread, d.mean() + spread]


def sklearn_prediction(name: str) -> Both:
    """A score of predictions under three weightings of 80 images, as scikit-learn has it."""
    from sklearn import metrics as sk

    from retinaforge.metrics import prediction

    rng = np.random.default_rng(11)
    truth = rng.permutation(np.arange(80) % 4)
    p = rng.random((80, 4)).round(1) + 0.4 * np.eye(4)[truth]
    p /= p.sum(axis=1, keepdims=True)
    said, ages = p.argmax(axis=1), rng.normal(57, 12, 80)
    told = 0.6 * ages + rng.normal(23, 6, 80)
    weights = np.vstack([np.ones(80), rng.integers(0, 4, (2, 80))]).astype(float)

    def areas(w: np.ndarray) -> float:
        each = [sk.roc_auc_score(truth == c, p[:, c], sample_weight=w) for c in range(4)]
        return float(np.mean(each))

    pairs: dict[str, tuple[np.ndarray, Callable[[np.ndarray], float]]] = {
        "auroc": (prediction.auroc(truth, p, weights), areas),
        "balanced_accuracy": (
            prediction.balanced_accuracy(truth, said, weights),
            lambda w: sk.balanced_accuracy_score(truth, said, sample_weight=w),
        ),
        "quadratic_kappa": (
            prediction.quadratic_kappa(truth, said, weights),
            lambda w: sk.cohen_kappa_score(truth, said, weights="quadratic", sample_weight=w),
        ),
        "mae": (
            prediction.mean_absolute_error(ages, told, weights),
            lambda w: sk.mean_absolute_error(ages, told, sample_weight=w),
        ),
        "r2": (
            prediction.r_squared(ages, told, weights),
            lambda w: sk.r2_score(ages, told, sample_weight=w),
        ),
    }
    ours, theirs = pairs[name]
    return ours.tolist(), [theirs(w) for w in weights]


def delong_defined() -> Both:
    """P values against chance and of a paired difference, from all pairs' comparisons."""
    from scipy import stats

    from retinaforge.metrics.delong import against_chance, delong, paired

    rng = np.random.default_rng(12)
    truth = (rng.random(90) < 0.4).astype(int)
    scores = np.round(rng.normal(size=(90, 2)) + truth[:, None] * [0.5, 0.2], 1)
    x, y = scores[truth == 1], scores[truth == 0]
    psi = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    c = np.cov(v10, rowvar=False) / len(x) + np.cov(v01, rowvar=False) / len(y)
    a = psi.mean(axis=(0, 1))
    z = [(a[0] - 0.5) / np.sqrt(c[0, 0]), (a[0] - a[1]) / np.sqrt(c[0, 0] + c[1, 1] - 2 * c[0, 1])]
    areas = delong(truth, scores)
    ours = [against_chance(areas).p, paired(areas, 0, 1).p]
    return np.array(ours), 2 * stats.norm.sf(np.abs(z))


def tippett_range() -> Both:
    """Mean gap in sensitivity of equal groups, 400 ill patients each, and d2 standard errors."""
    from retinaforge.metrics.groups import Judged, group_gap

    ours, theirs = [], []
    for count, d2 in ((2, 2 / np.sqrt(np.pi)), (4, 2.05875)):
        n, rng = 800 * count, np.random.default_rng(13)
        ill = np.arange(n) % 2 == 0
        called = rng.random(n) < np.where(ill, 0.8, 0.1)
        own = Judged(ill, called.astype(float), called, tuple(f"p{k}" for k in range(n)))
        groups = [f"g{k // 2 % count}" for k in range(n)]
        ours.append(group_gap(own, groups, "sensitivity", rng=rng, resamples=2).null_mean)
        share = called[ill].mean()
        theirs.append(d2 * np.sqrt(share * (1 - share) / 400))
    return np.array(ours), np.array(theirs)


def rank_correlations() -> Both:
    """Spearman with its exact p against SciPy's; Kendall against all pairs counted."""
    from retinaforge.metrics.rank_agreement import rank_agreement

    rng = np.random.default_rng(12)
    x, y = rng.integers(0, 5, 7).astype(float), rng.normal(size=7)
    found = rank_agreement(x, y)
    exact: Any = stats.permutation_test(
        (x,), lambda a: stats.spearmanr(a, y).statistic, permutation_type="pairings",
        n_resamples=np.inf,
    )  # fmt: skip
    one, two = np.sign(np.subtract.outer(x, x)), np.sign(np.subtract.outer(y, y))
    tau = float((one * two).sum() / np.sqrt((one**2).sum() * (two**2).sum()))
    return (
        (found.spearman, found.p, found.kendall),
        (float(exact.statistic), float(exact.pvalue), tau),
    )

"""What `benchmarks/score_agreement.py` compares the numbers of reader studies with."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
from scipy import stats

from score_references import Both

N = 60
RNG = np.random.default_rng(21)
SYNTHETIC = np.arange(N) % 2 == 1
CALLED = np.where(RNG.random(N) < 0.7, SYNTHETIC, ~SYNTHETIC)
AGAIN = np.where(RNG.random(N) < 0.8, CALLED, ~CALLED)
LEANING = RNG.integers(1, 4, N) * np.where(CALLED, 1.0, -1.0)
SCORES = RNG.integers(1, 4, (2, N))
TABLE = np.where(RNG.random((N, 4)) < 0.7, SCORES[0][:, None], RNG.integers(1, 4, (N, 4)))
WEIGHTS = np.vstack([np.ones(N), RNG.integers(0, 4, (2, N))]).astype(float)
ROUNDING = 1e-9
READER_ROWS: tuple[tuple[str, int, str, tuple[str, ...], *tuple[float | str, ...]], ...] = (
    ("reader_accuracy", 4, "SciPy's exact test: share, interval, p", ("scipy",), ROUNDING),
    ("called_real", 3, "NumPy's average, three weightings", (), ROUNDING),
    ("d_prime", 3, "the definition by Python's NormalDist", (), ROUNDING),
    ("criterion", 3, "the definition by Python's NormalDist", (), ROUNDING),
    ("reader_auc", 3, "scikit-learn, three weightings", ("scikit-learn",), ROUNDING),
    ("fleiss_kappa", 3, "statsmodels, images repeated by weight", ("statsmodels",), ROUNDING),
    ("cohen_kappa", 3, "scikit-learn, three weightings", ("scikit-learn",), ROUNDING),
    ("intra_reader_kappa", 3, "scikit-learn, three weightings", ("scikit-learn",), ROUNDING),
    ("multi_reader_bootstrap", 2, "the bootstrap's variance in closed form", (), 0.03,
     "8,000 draws"),
    ("aspect_mean", 3, "NumPy's average, three weightings", (), ROUNDING),
    ("aspect_difference", 3, "statsmodels' weighted means", ("statsmodels",), ROUNDING),
    ("grade_kappa", 3, "scikit-learn, quadratic, three weightings", ("scikit-learn",), ROUNDING),
    ("reading_time", 3, "Python's statistics: median and quartiles", (), ROUNDING),
    ("reader_sample_size", 2, "SciPy's exact test at each n; statsmodels' normal power",
     ("scipy", "statsmodels"), ROUNDING),
)  # fmt: skip


def reader_score(name: str) -> Both:
    """A number of a reader study on 60 made-up answers, ours and another's."""
    return {
        "reader_accuracy": _accuracy, "called_real": _called_real, "d_prime": _d_prime,
        "criterion": _criterion, "reader_auc": _area, "fleiss_kappa": _fleiss,
        "cohen_kappa": _cohen, "intra_reader_kappa": _intra, "grade_kappa": _grades,
        "multi_reader_bootstrap": _bootstrap, "aspect_mean": _aspect_mean,
        "aspect_difference": _aspect_difference, "reading_time": _time,
        "reader_sample_size": _sample_size,
    }[name]()  # fmt: skip


def _each(ours: np.ndarray, theirs: Callable[[np.ndarray], float]) -> Both:
    """Ours under all weightings at once, theirs one by one."""
    return ours, [float(theirs(w)) for w in WEIGHTS]


def _accuracy() -> Both:
    from retinaforge.metrics.reader_scores import exact_share

    ours, test = exact_share(41, N), stats.binomtest(41, N, 0.5)
    low, high = test.proportion_ci(0.95, method="exact")
    return (ours.value, ours.low, ours.high, ours.p), (41 / N, low, high, test.pvalue)


def _called_real() -> Both:
    from retinaforge.metrics.reader_scores import share

    return _each(share(~CALLED, WEIGHTS), lambda w: np.average(~CALLED, weights=w))


def _z(w: np.ndarray) -> tuple[float, float]:
    """Return z of hits and of false alarms, half an answer in each cell."""
    counts = [(float(w[side & CALLED].sum()), float(w[side].sum()))
              for side in (SYNTHETIC, ~SYNTHETIC)]  # fmt: skip
    hits, alarms = (statistics.NormalDist().inv_cdf((k + 0.5) / (n + 1)) for k, n in counts)
    return hits, alarms


def _d_prime() -> Both:
    from retinaforge.metrics.reader_scores import d_prime

    return _each(d_prime(SYNTHETIC, CALLED, WEIGHTS), lambda w: _z(w)[0] - _z(w)[1])


def _criterion() -> Both:
    from retinaforge.metrics.reader_scores import criterion

    return _each(criterion(SYNTHETIC, CALLED, WEIGHTS), lambda w: -sum(_z(w)) / 2)


def _area() -> Both:
    from sklearn.metrics import roc_auc_score

    from retinaforge.metrics.reader_scores import confidence_auc

    return _each(confidence_auc(SYNTHETIC, LEANING, WEIGHTS),
                 lambda w: roc_auc_score(SYNTHETIC, LEANING, sample_weight=w))  # fmt: skip


def _fleiss() -> Both:
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    from retinaforge.metrics import reader_agreement

    return _each(
        reader_agreement.fleiss_kappa(TABLE, WEIGHTS),
        lambda w: fleiss_kappa(aggregate_raters(np.repeat(TABLE, w.astype(int), axis=0))[0]),
    )


def _kappa(first: np.ndarray, second: np.ndarray, *, quadratic: bool) -> Both:
    from sklearn.metrics import cohen_kappa_score

    from retinaforge.metrics.prediction import quadratic_kappa
    from retinaforge.metrics.reader_agreement import cohen_kappa

    ours = (quadratic_kappa if quadratic else cohen_kappa)(first, second, WEIGHTS)
    return _each(ours, lambda w: cohen_kappa_score(
        first, second, weights="quadratic" if quadratic else None, sample_weight=w))  # fmt: skip


def _cohen() -> Both:
    return _kappa(TABLE[:, 0], TABLE[:, 1], quadratic=False)


def _intra() -> Both:
    return _kappa(CALLED.astype(np.int64), AGAIN.astype(np.int64), quadratic=False)


def _grades() -> Both:
    return _kappa(SCORES[0], TABLE[:, 0], quadratic=True)


def _bootstrap() -> Both:
    """Half the interval beside 1.96 standard deviations of the bootstrap in closed form.

    Both draws are multinomial with covariance I - J / n, so that of the mean of X (readers x
    images) Var = (1ᵀX Σ Xᵀ1 + 1ᵀXᵀ Σ X1 + tr(Σ X Σ Xᵀ)) / (R N)².
    """
    from retinaforge.metrics.reader_bootstrap import case_draws, mean_over_readers, reader_draws
    from retinaforge.metrics.reader_scores import share

    rng = np.random.default_rng(3)
    right = rng.random((12, 200)) < rng.normal(0.7, 0.1, (12, 1))
    cases = case_draws([str(k) for k in range(200)], ["real"] * 200, rng=rng, resamples=8000)
    found = mean_over_readers(lambda k, w: share(right[k], w), cases,
                              reader_draws(12, rng=rng, resamples=8000))  # fmt: skip
    x = right.astype(float)
    readers, images = (np.eye(n) - 1 / n for n in x.shape)
    a, b = x.sum(axis=0), x.sum(axis=1)
    variance = a @ images @ a + b @ readers @ b + np.trace(readers @ x @ images @ x.T)
    low, high = found.interval or (math.nan, math.nan)
    return (found.value, (high - low) / 2), (x.mean(), 1.96 * math.sqrt(variance) / x.size)


def _aspect_mean() -> Both:
    from retinaforge.metrics.reader_scores import mean_step

    return _each(mean_step(SCORES[0], WEIGHTS), lambda w: np.average(SCORES[0], weights=w))


def _aspect_difference() -> Both:
    from statsmodels.stats.weightstats import DescrStatsW

    from retinaforge.metrics.reader_scores import step_difference

    def theirs(w: np.ndarray) -> float:
        drawn, real = (DescrStatsW(SCORES[0][s], weights=w[s]) for s in (SYNTHETIC, ~SYNTHETIC))
        return float(drawn.mean - real.mean)

    return _each(step_difference(SYNTHETIC, SCORES[0], WEIGHTS), theirs)


def _time() -> Both:
    from retinaforge.metrics.reader_scores import typical_time

    seconds = np.random.default_rng(4).gamma(2.0, 5.0, 41)
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return typical_time(seconds), (middle, low, high)


def _sample_size() -> Both:
    """One reader by SciPy's exact test at every n; several by statsmodels' normal power."""
    from statsmodels.stats.power import NormalIndPower

    from retinaforge.metrics.reader_plan import images_of_several, images_to_find

    p = 0.7
    powers = [_power(n, p) for n in range(1, 160)]
    smallest = max(k for k, power in enumerate(powers, start=1) if power < 0.8) + 1
    effect = (p - 0.5) / math.sqrt(p * (1 - p))
    one = NormalIndPower().solve_power(effect, alpha=0.05, power=0.8, ratio=0)
    ours = images_of_several(p, 1, reader_sd=0.0, correlation=0.0).images
    return (float(images_to_find(p).images or 0), float(ours or 0)), (smallest, math.ceil(one))


def _power(n: int, p: float) -> float:
    rejected = [k for k in range(n + 1) if stats.binomtest(k, n, 0.5).pvalue <= 0.05]
    return float(stats.binom.pmf(rejected, n, p).sum()) if rejected else 0.0

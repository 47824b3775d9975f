"""Scores that know no eyes: fidelity of pairs, distances of sets, and their statistics."""

from retinaforge.core import Card
from retinaforge.metrics import signal_to_noise, statistics, structural_similarity
from retinaforge.metrics.distances import (
    frechet_distance,
    frechet_distance_shrunk,
    gaussian_frechet,
    kernel_distance,
)
from retinaforge.metrics.entries import ImageMetric, SetMetric
from retinaforge.metrics.real_against_real import (
    DISTANCES,
    SET_METRICS,
    jackknife_interval,
    split_half,
)
from retinaforge.metrics.scores import difference_score, mean_score
from retinaforge.metrics.signal_to_noise import psnr
from retinaforge.metrics.statistics import (
    Difference,
    Estimate,
    holm,
    paired_bootstrap,
    paired_difference,
    sign_flip_p,
)
from retinaforge.metrics.structural_similarity import ms_ssim, ssim

IMAGE_METRICS: tuple[ImageMetric, ...] = (
    ImageMetric(signal_to_noise.CARD, psnr),
    ImageMetric(structural_similarity.CARD, ssim),
    ImageMetric(structural_similarity.MULTI_SCALE_CARD, ms_ssim),
)

# Every card of this room, in the order of the reference pages.
CATALOGUE: tuple[Card, ...] = (
    *(metric.card for metric in IMAGE_METRICS),
    *(metric.card for metric in SET_METRICS),
    statistics.BOOTSTRAP_CARD,
    statistics.SIGN_FLIP_CARD,
    statistics.HOLM_CARD,
)

__all__ = [
    "CATALOGUE",
    "DISTANCES",
    "IMAGE_METRICS",
    "SET_METRICS",
    "Difference",
    "Estimate",
    "ImageMetric",
    "SetMetric",
    "difference_score",
    "frechet_distance",
    "frechet_distance_shrunk",
    "gaussian_frechet",
    "holm",
    "jackknife_interval",
    "kernel_distance",
    "mean_score",
    "ms_ssim",
    "paired_bootstrap",
    "paired_difference",
    "psnr",
    "sign_flip_p",
    "split_half",
    "ssim",
]

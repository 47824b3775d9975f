"""Scores that know no eyes: fidelity of pairs, distances of sets, and their statistics."""

from retinaforge.core import Card
from retinaforge.metrics import agreement, signal_to_noise, statistics, structural_similarity
from retinaforge.metrics.agreement import icc_a1, limits_of_agreement
from retinaforge.metrics.classification import CLASSIFICATION_CARDS
from retinaforge.metrics.classification_calibration import CALIBRATION_CARDS
from retinaforge.metrics.classification_finding import FINDING_CARDS
from retinaforge.metrics.delong import DELONG_CARD
from retinaforge.metrics.entries import ImageMetric, SetMetric
from retinaforge.metrics.frd import FRD_METRICS, frd, which_features_differ
from retinaforge.metrics.groups import GROUP_GAP_CARD
from retinaforge.metrics.prediction import PREDICTION_CARDS
from retinaforge.metrics.quality_numbers import IMAGE_NUMBERS, ImageNumber, measure_numbers
from retinaforge.metrics.radiomics import (
    RadiomicFeatures,
    colour_features,
    luminance,
    radiomic_features,
)
from retinaforge.metrics.rank_agreement import RANK_CARDS
from retinaforge.metrics.reader_cards import READER_CARDS
from retinaforge.metrics.real_against_real import (
    DISTANCES,
    SET_METRICS,
    jackknife_interval,
    split_half,
)
from retinaforge.metrics.roc_points import REFERENCE_SENSITIVITY_CARD
from retinaforge.metrics.scores import difference_score, mean_score
from retinaforge.metrics.sets import (
    FEATURE_METRICS,
    INCEPTION_CARD,
    SetResult,
    compare_class_probabilities,
    compare_feature_sets,
    compare_sets,
    inception_score,
    score_feature_sets,
)
from retinaforge.metrics.sets.diversity import vendi
from retinaforge.metrics.sets.extrapolate import frechet_distance_extrapolated
from retinaforge.metrics.sets.frechet import (
    frechet_distance,
    frechet_distance_shrunk,
    gaussian_frechet,
)
from retinaforge.metrics.sets.kernels import CMMD_CARD, kernel_distance, mmd_gaussian
from retinaforge.metrics.sets.neighbours import coverage, density, precision, recall
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
    *(metric.card for metric in FEATURE_METRICS),
    CMMD_CARD,
    INCEPTION_CARD,
    *(metric.card for metric in FRD_METRICS),
    *(number.card for number in IMAGE_NUMBERS),
    statistics.BOOTSTRAP_CARD,
    statistics.SIGN_FLIP_CARD,
    statistics.HOLM_CARD,
    agreement.ICC_CARD,
    agreement.LIMITS_CARD,
    *PREDICTION_CARDS,
    *CLASSIFICATION_CARDS,
    *FINDING_CARDS,
    *CALIBRATION_CARDS,
    REFERENCE_SENSITIVITY_CARD,
    DELONG_CARD,
    *RANK_CARDS,
    GROUP_GAP_CARD,
    *READER_CARDS,
)

__all__ = [
    "CATALOGUE",
    "DISTANCES",
    "FEATURE_METRICS",
    "FRD_METRICS",
    "IMAGE_METRICS",
    "IMAGE_NUMBERS",
    "SET_METRICS",
    "Difference",
    "Estimate",
    "ImageMetric",
    "ImageNumber",
    "RadiomicFeatures",
    "SetMetric",
    "SetResult",
    "colour_features",
    "compare_class_probabilities",
    "compare_feature_sets",
    "compare_sets",
    "coverage",
    "density",
    "difference_score",
    "frd",
    "frechet_distance",
    "frechet_distance_extrapolated",
    "frechet_distance_shrunk",
    "gaussian_frechet",
    "holm",
    "icc_a1",
    "inception_score",
    "jackknife_interval",
    "kernel_distance",
    "limits_of_agreement",
    "luminance",
    "mean_score",
    "measure_numbers",
    "mmd_gaussian",
    "ms_ssim",
    "paired_bootstrap",
    "paired_difference",
    "precision",
    "psnr",
    "radiomic_features",
    "recall",
    "score_feature_sets",
    "sign_flip_p",
    "split_half",
    "ssim",
    "vendi",
    "which_features_differ",
]

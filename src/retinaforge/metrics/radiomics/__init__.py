"""Radiomic features: texture and intensity of one channel inside a mask."""

from retinaforge.metrics.radiomics.features import (
    RadiomicFeatures,
    Version,
    colour_features,
    luminance,
    opponents,
    radiomic_features,
)

__all__ = [
    "RadiomicFeatures",
    "Version",
    "colour_features",
    "luminance",
    "opponents",
    "radiomic_features",
]

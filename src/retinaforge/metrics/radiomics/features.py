"""The feature vectors of FRD v0, FRD v1 and the colour variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Num
from scipy import ndimage

from retinaforge.core import Refusal
from retinaforge.metrics.pairs import Image, Mask
from retinaforge.metrics.radiomics.cooccurrence import NAMES, cooccurrence
from retinaforge.metrics.radiomics.filters import halved, normalised, wavelet
from retinaforge.metrics.radiomics.first_order import first_order
from retinaforge.metrics.radiomics.grey import Grey, Vector, bounding_box, grey_levels
from retinaforge.metrics.radiomics.shape import shape_features
from retinaforge.metrics.radiomics.sizes import (
    dependence_features,
    run_features,
    zone_features,
)
from retinaforge.metrics.radiomics.tones import tone_features

Version = Literal["v0", "v1"]

V0_BIN = 25.0
V1_BIN = 5.0
V1_SHIFT = 300.0
COLOUR_BIN = 4.0
SMALLEST_BOX = 8

# frd-score v1 asks for these by name, in this order.
_V1_NAMES = (
    "Autocorrelation", "JointAverage", "ClusterProminence", "ClusterShade", "ClusterTendency",
    "Contrast", "Correlation", "DifferenceAverage", "DifferenceEntropy", "DifferenceVariance",
    "JointEnergy", "JointEntropy", "Imc1", "Imc2", "Idm", "Idmn", "Id", "Idn", "InverseVariance",
    "MaximumProbability", "SumEntropy", "SumSquares",
)  # fmt: skip


@dataclass(frozen=True)
class RadiomicFeatures:
    """The features of one image.

    Attributes:
        names: one name a value, as frd-score names them.
        values: shape (features,); finite.
    """

    names: tuple[str, ...]
    values: Vector


def luminance(pixels: Image) -> Float[np.ndarray, "height width"]:
    """Return 0.2125 R + 0.7154 G + 0.0721 B, as frd-score reads colour images.

    Args:
        pixels: RGB, 0-255.

    Returns:
        Grey in [0, 255], float32: ITK rounds to it, and bins depend on it.

    References:
        ITK 5, itkConvertPixelBuffer, ConvertRGBToGray.
    """
    weights = np.array([2125.0, 7154.0, 721.0])
    return (pixels.astype(np.float64) @ weights / 10000.0).astype(np.float32)


def opponents(pixels: Image) -> dict[str, Float[np.ndarray, "height width"]]:
    """Return the red-green and yellow-blue opponent channels.

    (R - G) / √2 and (R + G - 2B) / √6: an orthogonal frame with grey, in which grey is 0.

    Args:
        pixels: RGB, 0-255.

    Returns:
        Two channels by name, in units of 8-bit intensity.

    References:
        van de Sande et al., IEEE TPAMI 32, 2010, eq. 3.
    """
    red, green, blue = np.moveaxis(pixels.astype(np.float64), 2, 0)
    return {
        "red-green": (red - green) / np.sqrt(2.0),
        "yellow-blue": (red + green - 2 * blue) / np.sqrt(6.0),
    }


def radiomic_features(
    channel: Num[np.ndarray, "height width"],
    mask: Bool[np.ndarray, "height width"],
    *,
    version: Version,
) -> RadiomicFeatures:
    """Return the features from which FRD is taken, equal to those of frd-score 1.0.1.

    v0: 102 features of the channel as it is, bins 25 wide (shape, first order, GLCM, GLRLM, GLDM,
    GLSZM, NGTDM). v1: 398 of the channel normalised over the frame and halved, bins 5 wide: 77
    (first order, GLCM, GLRLM, GLSZM, NGTDM) of it and of each of its four wavelet bands, and 13
    plain statistics. frd-score asks for Laplacians of Gaussians too, which PyRadiomics leaves out
    without a word for an image of one slice.

    Args:
        channel: grey, 0-255; `luminance` of a colour image.
        mask: field of view.
        version: "v0" or "v1".

    Returns:
        Names and values. A flat region has PyRadiomics' arbitrary values: correlation 1,
        coarseness 1e6, skewness 0.

    Raises:
        Refusal: "expected a channel and a mask of its size ...; got ...".

    References:
        Konz et al., arXiv 2412.01496 (v1); Osuala et al. 2024 (v0); RichardObi/frd-score 1.0.1.
    """
    _check(channel, mask)
    named = _v0(channel, mask) if version == "v0" else _v1(channel, mask)
    return RadiomicFeatures(tuple(named), np.array(list(named.values())))


def colour_features(pixels: Image, mask: Mask) -> RadiomicFeatures:
    """Return the features of colour alone, from which the colour variant of FRD is taken.

    77 features (v1's, without wavelet) of each of two opponent channels, halved, inside the field
    of view. The channels are not normalised: how much colour there is must count. Halving loses
    nothing that 4:2:0 JPEG kept.

    Args:
        pixels: RGB, 0-255.
        mask: field of view, of the same size.

    Returns:
        154 names and values.

    Raises:
        Refusal: "expected a channel and a mask of its size ...; got ...".
    """
    named: dict[str, float] = {}
    for name, channel in opponents(pixels).items():
        _check(channel, mask)
        small, region = halved(channel, mask)
        grey = grey_levels(small, region, bin_width=COLOUR_BIN)
        named |= {f"{name}_{key}": value for key, value in _textures(grey, shift=0.0).items()}
    return RadiomicFeatures(tuple(named), np.array(list(named.values())))


def _v0(channel: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    grey = grey_levels(channel, mask, bin_width=V0_BIN)
    glcm = cooccurrence(grey, with_mcc=True)
    parts = {
        "shape2D": shape_features(mask[bounding_box(mask)]),
        "firstorder": first_order(grey, shift=0.0, pixel_area=1.0),
        "glcm": {name: glcm[name] for name in sorted(NAMES)},
        "glrlm": run_features(grey),
        "gldm": dependence_features(grey),
        "glszm": zone_features(grey),
        "ngtdm": tone_features(grey),
    }
    return _joined(parts)


def _v1(channel: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    if channel.min() == channel.max():
        raise Refusal("an image that is not flat", "one grey level everywhere", "leave it out")
    small, region = halved(normalised(channel), mask)
    named = _statistics(channel, mask, small, region)
    for band, filtered in ({"": small} | wavelet(small)).items():
        grey = grey_levels(filtered, region, bin_width=V1_BIN)
        prefix = f"wavelet-{band}_" if band else ""
        textures = _textures(grey, shift=V1_SHIFT)
        named |= {prefix + name: value for name, value in textures.items()}
    return named


def _textures(grey: Grey, *, shift: float) -> dict[str, float]:
    glcm = cooccurrence(grey, with_mcc=False)
    parts = {
        "firstorder": first_order(grey, shift=shift, pixel_area=4.0),
        "glcm": {name: glcm[name] for name in _V1_NAMES},
        "glrlm": run_features(grey),
        "glszm": zone_features(grey),
        "ngtdm": tone_features(grey),
    }
    return _joined(parts)


def _joined(parts: dict[str, dict[str, float]]) -> dict[str, float]:
    return {f"{part}_{name}": one for part, group in parts.items() for name, one in group.items()}


def _statistics(
    channel: np.ndarray, mask: np.ndarray, small: np.ndarray, region: np.ndarray
) -> dict[str, float]:
    """Return what frd-score v1 keeps of PyRadiomics' diagnostics, which enter its distance."""
    return {
        f"diagnostics_{name}": float(value)
        for name, value in (
            ("Image-original_Mean", channel.astype(np.float64).mean()),
            ("Image-original_Minimum", channel.min()),
            ("Image-original_Maximum", channel.max()),
            ("Mask-original_VoxelNum", mask.sum()),
            ("Mask-original_VolumeNum", _pieces(mask)),
            ("Image-interpolated_Mean", small.mean()),
            ("Image-interpolated_Minimum", small.min()),
            ("Image-interpolated_Maximum", small.max()),
            ("Mask-interpolated_VoxelNum", region.sum()),
            ("Mask-interpolated_VolumeNum", _pieces(region)),
            ("Mask-interpolated_Mean", small[region].mean()),
            ("Mask-interpolated_Minimum", small[region].min()),
            ("Mask-interpolated_Maximum", small[region].max()),
        )
    }


def _pieces(mask: np.ndarray) -> int:
    labels = np.zeros(mask.shape, dtype=np.int32)
    count: Any = ndimage.label(mask, np.ones((3, 3)), output=labels)
    return int(count)


def _check(channel: np.ndarray, mask: np.ndarray) -> None:
    fits = channel.ndim == 2 and channel.shape == mask.shape and mask.dtype == np.bool_
    if fits and mask.any() and np.isfinite(channel).all():
        box = bounding_box(mask)
        if all(span.stop - span.start >= SMALLEST_BOX for span in box):
            return
    raise Refusal(
        f"a finite channel and a mask of its size, {SMALLEST_BOX} px or more across",
        f"a channel {channel.shape} and a {mask.dtype} mask {mask.shape} of {int(mask.sum())} px",
        "hand over one channel and the field of view of the same photograph",
    )

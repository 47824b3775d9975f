"""PSNR, SSIM and MS-SSIM: closed forms, oracles and the field of view.

Oracles: scikit-image 0.26.0 (PSNR, SSIM), pytorch-msssim 1.0.0 (MS-SSIM).
"""

from __future__ import annotations

import math
from inspect import unwrap  # past the shape checks of the tests, to ours

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from retinaforge.core import Refusal
from retinaforge.metrics import IMAGE_METRICS, ms_ssim, psnr, ssim
from retinaforge.metrics.structural_similarity import gaussian_window, whole_windows


def smooth_noise(seed: int, size_px: int, sigma_px: float = 2.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(size_px, size_px, 3))
    field = ndimage.gaussian_filter(noise, (sigma_px, sigma_px, 0))
    return np.clip(128 + 60 * field / field.std(), 0, 255).astype(np.uint8)


def disc(size_px: int) -> np.ndarray:
    y, x = np.mgrid[:size_px, :size_px] - (size_px - 1) / 2
    return np.hypot(x, y) < 0.46 * size_px


FULL = np.ones((192, 192), dtype=bool)


def pair(size_px: int = 192) -> tuple[np.ndarray, np.ndarray]:
    original = smooth_noise(0, size_px)
    noise = np.random.default_rng(1).normal(scale=12, size=original.shape)
    return np.clip(original + noise, 0, 255).astype(np.uint8), original


def test_psnr_of_a_constant_difference_is_its_closed_form() -> None:
    original = np.full((20, 20, 3), 100, np.uint8)
    value = psnr(original + np.uint8(5), original, FULL[:20, :20]).value
    assert value == pytest.approx(20 * math.log10(255 / 5))


def test_psnr_does_not_wrap_around_in_uint8() -> None:
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert psnr(black, white, FULL[:4, :4]).value == pytest.approx(0)


def test_psnr_agrees_with_skimage_on_the_full_frame() -> None:
    reconstruction, original = pair()
    expected = peak_signal_noise_ratio(original, reconstruction, data_range=255)
    assert psnr(reconstruction, original, FULL).value == pytest.approx(expected, abs=1e-10)


def test_psnr_of_identical_images_is_undefined_with_a_reason() -> None:
    _, original = pair(32)
    quantity = psnr(original, original, FULL[:32, :32])
    assert math.isnan(quantity.value)
    assert "identical" in quantity.reason


def test_the_window_is_wangs() -> None:
    assert gaussian_window().sum() == pytest.approx(1)
    assert gaussian_window()[5] / gaussian_window()[4] == pytest.approx(math.exp(1 / 4.5))


def test_ssim_agrees_with_skimage_on_the_full_frame() -> None:
    reconstruction, original = pair()
    expected = structural_similarity(
        original,
        reconstruction,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert ssim(reconstruction, original, FULL).value == pytest.approx(expected, abs=1e-10)


def test_ssim_of_two_constants_is_the_luminance_term() -> None:
    a, b = np.full((16, 16, 3), 100, np.uint8), np.full((16, 16, 3), 150, np.uint8)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert ssim(a, b, FULL[:16, :16]).value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("size_px", [176, 256])
def test_ms_ssim_agrees_with_pytorch_msssim_on_the_full_frame(size_px: int) -> None:
    torch = pytest.importorskip("torch")
    oracle = pytest.importorskip("pytorch_msssim")
    reconstruction, original = pair(size_px)
    tensors = [
        torch.from_numpy(image).permute(2, 0, 1)[None].double()
        for image in (reconstruction, original)
    ]
    expected = float(oracle.ms_ssim(*tensors, data_range=255))
    full = np.ones((size_px, size_px), dtype=bool)
    assert ms_ssim(reconstruction, original, full).value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("metric", IMAGE_METRICS, ids=lambda m: m.card.name)
def test_nothing_outside_the_field_of_view_has_a_say(metric) -> None:
    reconstruction, original = pair(256)
    fov = disc(256)
    before = metric.compare(reconstruction, original, fov)
    damaged = reconstruction.copy()
    damaged[~fov] = 255
    assert not math.isnan(before.value)
    assert metric.compare(damaged, original, fov).value == before.value


@pytest.mark.parametrize("metric", IMAGE_METRICS, ids=lambda m: m.card.name)
def test_more_noise_scores_lower_and_order_does_not_matter(metric) -> None:
    original, fov = smooth_noise(0, 256), disc(256)
    rng = np.random.default_rng(3)
    noise = rng.normal(size=original.shape)
    noisy = [np.clip(original + s * noise, 0, 255).astype(np.uint8) for s in (4, 12, 40)]
    values = [metric.compare(image, original, fov).value for image in noisy]
    assert values == sorted(values, reverse=True)
    swapped = metric.compare(original, noisy[0], fov).value
    assert swapped == pytest.approx(values[0], rel=1e-12)


@pytest.mark.parametrize("metric", IMAGE_METRICS, ids=lambda m: m.card.name)
def test_an_empty_field_of_view_is_undefined_with_a_reason(metric) -> None:
    reconstruction, original = pair(32)
    quantity = metric.compare(reconstruction, original, np.zeros((32, 32), dtype=bool))
    assert math.isnan(quantity.value)
    assert "field of view" in quantity.reason


def test_ms_ssim_of_a_small_image_names_the_coarsest_scale() -> None:
    reconstruction, original = pair(96)
    quantity = ms_ssim(reconstruction, original, FULL[:96, :96])
    assert math.isnan(quantity.value)
    assert "coarsest of five scales" in quantity.reason


def test_identical_images_score_one() -> None:
    _, original = pair(256)
    assert ssim(original, original, disc(256)).value == pytest.approx(1, abs=1e-12)
    assert ms_ssim(original, original, disc(256)).value == pytest.approx(1, abs=1e-12)


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_whole_windows_are_an_erosion_by_the_window(seed: int) -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(40, 50)), 6) > -0.02
    expected = ndimage.binary_erosion(mask, np.ones((11, 11)), border_value=0)
    assert np.array_equal(whole_windows(mask), expected)


@pytest.mark.parametrize("metric", IMAGE_METRICS, ids=lambda m: m.card.name)
def test_images_of_different_size_are_refused(metric) -> None:
    a, b = np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 3), np.uint8)
    with pytest.raises(Refusal, match=r"expected 8-bit RGB images of one size.*got uint8 \(8, 8"):
        unwrap(metric.compare)(a, b, np.ones((8, 8), dtype=bool))


def test_float_images_are_refused() -> None:
    with pytest.raises(Refusal, match=r"expected 8-bit RGB.*got float64"):
        unwrap(psnr)(np.zeros((8, 8, 3)), np.zeros((8, 8, 3)), np.ones((8, 8), dtype=bool))

"""Every loss against a value that can be worked out by hand, or another implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.feature import hessian_matrix, hessian_matrix_eigvals

from retinaforge.core import Refusal
from retinaforge.losses import build_terms
from retinaforge.losses.canny import soft_edges
from retinaforge.losses.deep import headed_distance, unit_distance
from retinaforge.losses.filters import (
    derivatives,
    gradient,
    laplacian_filter,
    log_filter,
    magnitude,
    radius_of,
)
from retinaforge.losses.frangi import BETA, vesselness

FULL = torch.ones(1, 1, 64, 64)


def _value(expression: str, x: torch.Tensor, y: torch.Tensor, fov: torch.Tensor = FULL) -> float:
    (term,) = build_terms(expression, encoders={})
    return term.loss(x, y, fov).item()


def _axes(side_px: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    axis = torch.arange(side_px, dtype=torch.float32) - side_px // 2
    return axis[None, :].expand(side_px, -1), axis[:, None].expand(-1, side_px)


def _images(plane: torch.Tensor) -> torch.Tensor:
    return plane.expand(1, 3, *plane.shape).contiguous()


def test_pixel_losses_of_a_constant_difference():
    x, y = torch.full((1, 3, 64, 64), 0.3), torch.zeros(1, 3, 64, 64)
    assert _value("l1", x, y) == pytest.approx(0.3)
    assert _value("l2", x, y) == pytest.approx(0.09)
    assert _value("charbonnier", x, y) == pytest.approx(math.sqrt(0.09 + 1e-6) - 1e-3)
    assert _value("charbonnier(eps=0.4)", x, y) == pytest.approx(0.5 - 0.4)


@pytest.mark.parametrize("name", ["sobel", "scharr"])
def test_first_derivatives_of_a_ramp_and_of_a_step(name):
    across, _ = _axes()
    flat = torch.zeros(1, 3, 64, 64)
    ramp = _value(name, _images(0.01 * across), flat)
    assert ramp == pytest.approx(math.sqrt(0.01**2 + 1e-6) - 1e-3, rel=1e-4)
    # A step of height 1 has slope 1/2 in the two columns beside it, 62 of 64 columns being valid.
    step = _value(name, _images((across >= 0).float()), flat)
    assert step == pytest.approx(2 / 62 * (math.sqrt(0.25 + 1e-6) - 1e-3), rel=1e-4)


def test_scharr_turns_with_the_ramp_and_sobel_weights_are_sobels():
    across, down = _axes()
    oblique = (0.6 * across + 0.8 * down)[None, None]
    for smoothing in ((1.0, 2.0), (3.0, 10.0)):
        m = magnitude(*gradient(oblique, *smoothing))
        torch.testing.assert_close(m, torch.ones_like(m), rtol=1e-4, atol=0)
    impulse = torch.zeros(1, 1, 5, 5)
    impulse[..., 2, 2] = 8
    across_response, _ = gradient(impulse, 1.0, 2.0)
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    torch.testing.assert_close(across_response[0, 0], sobel)


def test_second_derivatives_of_a_quadratic():
    across, down = _axes()
    bowl = (0.001 * across**2 + 0.002 * down**2)[None, None]
    expected = 2 * 0.001 + 2 * 0.002
    torch.testing.assert_close(
        laplacian_filter(bowl), torch.full((1, 1, 62, 62), expected), rtol=1e-3, atol=1e-6
    )
    for sigma in (1.0, 2.0):
        answer = log_filter(bowl, sigma)
        wanted = torch.full_like(answer, sigma**2 * expected)
        torch.testing.assert_close(answer, wanted, rtol=2e-3, atol=1e-6)
    flat = torch.zeros(1, 3, 64, 64)
    assert _value("laplacian", _images(bowl[0, 0]), flat) == pytest.approx(expected, rel=1e-3)
    both = _value("log", _images(bowl[0, 0]), flat)
    assert both == pytest.approx(expected * (1 + 4) / 2, rel=1e-3)


@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
def test_log_of_a_gaussian_blob(sigma):
    """LoG of exp(-r^2 / 2 b^2) at its centre is -2 sigma^2 b^2 / (b^2 + sigma^2)^2."""
    across, down = _axes(65)
    blob_px = 4.0
    blob = torch.exp(-(across**2 + down**2) / (2 * blob_px**2))[None, None]
    answer = log_filter(blob, sigma)
    centre = 32 - radius_of(sigma)
    expected = -2 * sigma**2 * blob_px**2 / (blob_px**2 + sigma**2) ** 2
    assert answer[0, 0, centre, centre].item() == pytest.approx(expected, rel=0.02)


def test_mixed_gaussian_derivative_of_a_saddle():
    across, down = _axes()
    (mixed,) = derivatives((across * down)[None, None], 1.0, ((1, 1),))
    torch.testing.assert_close(mixed, torch.ones_like(mixed), rtol=1e-3, atol=1e-3)


def test_canny_marks_a_step_once_and_a_flat_or_faint_image_not_at_all():
    across, _ = _axes()
    edges = soft_edges((across >= 0).float()[None, None])[0, 0]
    profile = edges[edges.shape[0] // 2]
    # The step lies between two columns, which are equally strong: both keep half.
    assert (profile > 0.4).sum() == 2
    assert torch.sort(profile).values[:-2].max() < 0.05
    assert soft_edges(torch.zeros(1, 1, 32, 32)).max() < 0.05
    assert soft_edges(0.001 * across[None, None]).max() < 0.05


def test_canny_thins_an_oblique_ridge_of_gradient():
    across, down = _axes()
    slope = torch.sigmoid((across + 0.5 * down) / 1.5)[None, None]
    edges = soft_edges(slope)[0, 0]
    assert (edges > 0.5).any(dim=1).float().mean() > 0.9
    assert (edges > 0.3).sum(dim=1).max() <= 2


def test_frangi_of_a_valley_has_its_closed_form_and_a_ridge_none():
    """In a valley I = a x^2 eigenvalues are (h, 0), h = 2 a s^2: V = 1 - exp(-h^2 / 2c^2)."""
    across, _ = _axes()
    a, sigma, c = 0.01, 2.0, 0.05
    valley = (a * across**2)[None, None]
    answer = vesselness(valley, sigma, radius_px=8, c=c)
    expected = 1 - math.exp(-((2 * a * sigma**2) ** 2) / (2 * c**2))
    torch.testing.assert_close(answer, torch.full_like(answer, expected), rtol=2e-3, atol=1e-4)
    assert vesselness(-valley, sigma, radius_px=8, c=c).max() < 1e-6


def test_frangi_agrees_with_skimages_hessian_where_eigenvalues_are_ordered_alike():
    """Oracle: scikit-image 0.26, `hessian_matrix` by Gaussian derivatives."""
    rng = np.random.default_rng(0)
    coarse = torch.tensor(rng.normal(size=(1, 1, 12, 12)), dtype=torch.float32)
    image = torch.nn.functional.interpolate(coarse, (96, 96), mode="bicubic") * 0.2
    sigma, c, radius = 2.0, 0.05, 8
    ours = vesselness(image, sigma, radius_px=radius, c=c)[0, 0].numpy()
    hessian = hessian_matrix(
        image[0, 0].numpy().astype(float), sigma=sigma, use_gaussian_derivatives=True
    )
    high, low = (
        sigma**2 * e[radius:-radius, radius:-radius] for e in hessian_matrix_eigvals(hessian)
    )
    alike = (high > 0.01) & (high >= np.abs(low))
    assert alike.mean() > 0.2
    frangi = np.exp(-((low / high) ** 2) / (2 * BETA**2)) * (
        1 - np.exp(-(high**2 + low**2) / (2 * c**2))
    )
    np.testing.assert_allclose(ours[alike], frangi[alike], atol=0.02)


def test_unit_distance_is_the_distance_of_unit_vectors_and_its_gradient_is_right():
    rng = torch.Generator().manual_seed(0)
    f = torch.randn(2, 5, 3, 3, generator=rng, requires_grad=True)
    g = torch.randn(2, 5, 3, 3, generator=rng)
    plain = (
        torch.nn.functional.normalize(f, dim=1) - torch.nn.functional.normalize(g, dim=1)
    ).square()
    (wanted,) = torch.autograd.grad(plain.sum(), f)
    ours = unit_distance(f, g)
    torch.testing.assert_close(ours, plain.sum(1, keepdim=True), rtol=1e-4, atol=1e-6)
    (came,) = torch.autograd.grad(ours.sum(), f)
    torch.testing.assert_close(came, wanted, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        ones = headed_distance(f, g, torch.ones(1, 5, 1, 1))
        torch.testing.assert_close(ones, ours, rtol=1e-4, atol=1e-6)


def test_unit_distance_of_orthogonal_opposite_and_scaled_vectors():
    f = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    for g, expected in (((0.0, 3.0), 2.0), ((-2.0, 0.0), 4.0), ((7.0, 0.0), 0.0)):
        distance = unit_distance(f, torch.tensor(g).view(1, 2, 1, 1))
        assert distance.item() == pytest.approx(expected, abs=1e-6)


def test_lpips_with_heads_of_ones_is_the_unweighted_distance(encoders, batch):
    lpips, perceptual = build_terms("lpips(cnn) + perceptual(cnn)", encoders=encoders)
    one = lpips.loss(batch.reconstruction, batch.target, batch.fov)
    two = perceptual.loss(batch.reconstruction, batch.target, batch.fov)
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_features_average_their_blocks(encoders, batch):
    text = "features(vit) + features(vit, blocks=1) + features(vit, blocks=2) "
    text += "+ features(vit, blocks=3) + features(vit, blocks=4)"
    values = [
        term.loss(batch.reconstruction, batch.target, batch.fov).item()
        for term in build_terms(text, encoders=encoders)
    ]
    assert values[0] == pytest.approx(sum(values[1:]) / 4, rel=1e-4)


def test_edges_of_the_field_of_view_are_not_scored():
    """A disc border of any contrast lies where the filters would read beyond it."""
    fov = torch.zeros(1, 1, 64, 64)
    fov[..., 16:48, 16:48] = 1
    x, y = 0.5 * fov.expand(1, 3, -1, -1), torch.zeros(1, 3, 64, 64)
    for name in ("sobel", "scharr", "laplacian", "log", "canny", "frangi(sigma=1;2)"):
        assert _value(name, x, y, fov) == pytest.approx(0, abs=1e-6), name


@pytest.mark.parametrize(
    ("expression", "least"),
    [("sobel", 3), ("log(sigma=3)", 25), ("ssim", 11), ("ms_ssim", 161), ("frangi", 25)],
)
def test_refuses_images_too_small_and_says_the_least_size(expression, least):
    (term,) = build_terms(expression, encoders={})
    for side, fits in ((least, True), (least - 1, False)):
        image, fov = torch.zeros(1, 3, side, side), torch.ones(1, 1, side, side)
        if fits:
            term.loss(image, image, fov)
        else:
            with pytest.raises(Refusal, match=f"at least {least} px"):
                term.loss(image, image, fov)

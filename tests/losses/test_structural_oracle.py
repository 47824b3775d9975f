"""SSIM and MS-SSIM against pytorch-msssim 1.0.0 on whole frames."""

from __future__ import annotations

import pytest
import torch
from pytorch_msssim import ms_ssim, ssim

from retinaforge.losses import build_terms


@pytest.mark.parametrize(("name", "oracle"), [("ssim", ssim), ("ms_ssim", ms_ssim)])
@pytest.mark.parametrize("size", [(176, 176), (177, 203)])
def test_agrees_with_pytorch_msssim(name, oracle, size):
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 20, 20, generator=rng)
    y = torch.nn.functional.interpolate(coarse, size, mode="bilinear")
    x = (y + 0.1 * torch.randn(y.shape, generator=rng)).clamp(0, 1)
    (term,) = build_terms(name, encoders={})
    ours = term.loss(2 * x - 1, 2 * y - 1, torch.ones(2, 1, *size))
    assert ours.item() == pytest.approx(1 - oracle(x, y, data_range=1.0).item(), abs=1e-5)


def test_ssim_of_constant_images_is_its_luminance_term():
    (term,) = build_terms("ssim", encoders={})
    x, y = torch.full((1, 3, 32, 32), 0.0), torch.full((1, 3, 32, 32), 0.4)
    value = (2 * 0.5 * 0.7 + 1e-4) / (0.25 + 0.49 + 1e-4)
    # Variances of constants are differences of equal numbers: float32 leaves 1e-7 beside C2 = 9e-4.
    assert term.loss(x, y, torch.ones(1, 1, 32, 32)).item() == pytest.approx(1 - value, abs=5e-4)

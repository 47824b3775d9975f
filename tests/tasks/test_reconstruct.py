"""A photograph goes through an autoencoder and comes back into its own coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from retinaforge.autoencoders import Autoencoder, AutoencoderConfig
from retinaforge.core import Fov, Photograph
from retinaforge.metrics import psnr
from retinaforge.phantoms import draw_phantom
from retinaforge.tasks.reconstruct import reconstruct_photograph, save_synthetic


@pytest.fixture(scope="module")
def eye() -> tuple[Photograph, Fov]:
    phantom = draw_phantom(3, size_px=200)
    return phantom.photograph, phantom.fov


def test_resizing_alone_keeps_the_photograph(eye: tuple[Photograph, Fov]) -> None:
    photo, fov = eye
    result = reconstruct_photograph(None, photo, fov, size_px=256)
    assert psnr(result.native.pixels, photo.pixels, fov.mask).value > 35
    assert result.native.size_px == photo.size_px
    outside = ~fov.mask
    assert np.array_equal(result.native.pixels[outside], photo.pixels[outside])


def test_a_model_is_used_and_what_it_makes_is_synthetic(eye: tuple[Photograph, Fov]) -> None:
    photo, fov = eye
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(widths=(8, 8)))
    result = reconstruct_photograph(model, photo, fov, size_px=64)
    assert result.square.size_px == (64, 64)
    assert result.square.synthetic
    assert "reconstructed by an autoencoder" in result.native.history
    assert psnr(result.native.pixels, photo.pixels, fov.mask).value < 30
    outside = ~result.original.fov.mask
    assert not result.square.pixels[outside].any()


def test_the_file_says_that_it_is_synthetic(eye: tuple[Photograph, Fov], tmp_path: Path) -> None:
    photo, fov = eye
    result = reconstruct_photograph(None, photo, fov, size_px=64)
    path = save_synthetic(result.square, tmp_path, "eye", model="none")
    assert path.name == "synthetic_eye.png"
    with Image.open(path) as image:
        assert image.text["Synthetic"] == "true"
        assert "resized there and back" in image.text["History"]
        assert np.array_equal(np.asarray(image), result.square.pixels)

"""Frames about a point may reach beyond the photograph and come back to the same place."""

from __future__ import annotations

import numpy as np
import pytest

from retinaforge.anatomy.frame import enter, leave, near_frame, resize_pixels, working_frame
from retinaforge.core import Fov, Photograph


def field(height: int, width: int) -> Fov:
    return Fov(np.ones((height, width), dtype=bool), (width / 2, height / 2), width / 2, "circle")


def blob(height: int, width: int, *, x: float, y: float, sigma: float) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))


@pytest.mark.parametrize("at", [(60.0, 50.0), (4.0, 90.0), (118.0, 3.0)])
def test_a_blob_near_or_beyond_a_border_returns_to_its_place(at: tuple[float, float]) -> None:
    image = blob(96, 120, x=at[0], y=at[1], sigma=5.0)
    pixels = np.repeat((image * 255).astype(np.uint8)[..., None], 3, axis=2)
    fov = field(96, 120)
    frame = near_frame(at, reach_px=32, side_px=96)
    images, inside = enter(Photograph(pixels, "blob"), fov, frame)
    assert images.shape == (1, 3, 96, 96)
    assert inside.shape == (1, 1, 96, 96)
    back = leave((images[0, 0].numpy() + 1) / 2, fov, frame)
    assert back.shape == (96, 120)
    # The outermost pixels mix with the black beyond.
    assert np.abs(back - image)[1:-1, 1:-1].max() < 0.03


def test_beyond_the_border_is_black_and_no_field() -> None:
    frame = near_frame((0.0, 0.0), reach_px=10, side_px=20)
    pixels = resize_pixels(np.full((40, 40), 255, dtype=np.uint8), frame)
    # The left upper corner at (-0.5, -0.5) is the middle of the frame.
    assert pixels[:9].max() == 0
    assert pixels[:, :9].max() == 0
    assert pixels[11:, 11:].min() == 255


def test_the_whole_field_is_as_wide_as_asked_for() -> None:
    frame = working_frame(field(120, 120), diameter_px=60)
    assert frame.size_px == (60, 60)
    assert frame.box == (0, 0, 120, 120)

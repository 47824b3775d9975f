"""Do images follow their masks? On drawn bars, with answers known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from mask_toys import bar, eye

from retinaforge.core import Refusal
from retinaforge.tasks.obey_masks import AskedMask, contrasts, dice, mask_obedience, overlap

SIDE = 48


def piece(at: int) -> np.ndarray:
    """Return a bar with ends: moved along itself it is another."""
    mask = bar(at, SIDE)
    mask[:12], mask[36:] = 0, 0
    return mask


def asked(places: list[int], drawn: list[int] | None = None) -> list[AskedMask]:
    rng = np.random.default_rng(1)
    return [
        AskedMask(eye(piece(shown), rng), piece(at) > 0, f"{at}")
        for at, shown in zip(places, drawn or places, strict=True)
    ]


def test_images_of_their_masks_follow_them() -> None:
    told = mask_obedience("vessel", asked([8, 16, 24, 32]))
    assert told["follows"]["value"] == 1
    assert told["contrast"]["value"] > 2
    assert abs(told["contrast_aside"]["value"]) < 0.5
    low, high = told["contrast"]["interval"]
    assert low <= told["contrast"]["value"] <= high
    assert "dice" not in told


def test_images_of_other_masks_do_not() -> None:
    told = mask_obedience("vessel", asked([8, 16, 24, 32], [16, 24, 32, 8]))
    assert told["follows"]["value"] == 0
    assert told["contrast"]["value"] < 0.3


def test_bright_things_are_sought_bright() -> None:
    (one,) = asked([20])
    bright = 255 - one.pixels
    assert contrasts("lesion:hard_exudate", bright, one.mask)["contrast"] > 2
    assert contrasts("lesion:hard_exudate", one.pixels, one.mask)["contrast"] < -2


def test_what_has_no_brightness_and_empty_masks_are_undefined_with_a_reason() -> None:
    told = mask_obedience("fov", asked([8, 16]))
    assert told["contrast"]["value"] is None
    assert told["contrast"]["reason"] == "fov is neither darker nor brighter than its surroundings"
    empty = AskedMask(asked([8])[0].pixels, np.zeros((SIDE, SIDE), bool), "none")
    told = mask_obedience("vessel", [empty])
    assert told["contrast"]["value"] is None
    assert "no image has a value" in told["contrast"]["reason"]


def test_a_black_image_follows_nothing() -> None:
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    assert np.isnan(contrasts("vessel", black, bar(8, SIDE) > 0)["contrast"])


def test_a_segmenter_that_sees_dark_bars() -> None:
    told = mask_obedience("vessel", asked([8, 16, 24]), segment=lambda pixels: pixels[..., 1] < 100)
    assert told["dice"]["value"] == told["centreline"]["value"] == 1
    assert told["dice_others"]["value"] == told["centreline_others"]["value"] == 0


def test_a_centreline_is_found_a_pixel_aside() -> None:
    mask, aside = bar(8, SIDE) > 0, bar(10, SIDE, width=1) > 0
    found = overlap(aside, mask, [])
    assert found["centreline"] == 1
    assert found["dice"] == pytest.approx(2 * 48 / (3 * 48 + 48))
    assert np.isnan(found["dice_others"])
    assert np.isnan(dice(np.zeros((2, 2), bool), np.zeros((2, 2), bool)))


def test_one_mask_drawn_often_counts_once() -> None:
    several = asked([8, 8, 8])
    told = mask_obedience("vessel", several)
    assert told["masks"] == 1
    assert told["contrast"]["interval"] is None


def test_another_size_is_refused() -> None:
    with pytest.raises(Refusal, match="a mask of 48x48 px as its image; got 24x24 px"):
        contrasts("vessel", asked([8])[0].pixels, bar(8) > 0)

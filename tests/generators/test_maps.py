"""Masks beside the latent: nothing lost, nothing moved; sizes keep the field whole."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from retinaforge.core import Refusal
from retinaforge.generators.maps import MapPlan, drop_maps
from retinaforge.generators.resolution import canvas_of, on_canvas, shift_for


def masks(batch=2, kinds=2, side=16):
    return (
        torch.rand(batch, kinds, side, side, generator=torch.Generator().manual_seed(1)) > 0.8
    ).float()


def test_pixels_keep_the_whole_mask():
    plan = MapPlan(("vessel", "disc"), 4)
    maps = plan.encode(masks())
    assert maps.shape == (2, plan.channels, 4, 4) == (2, 32, 4, 4)
    assert torch.equal((F.pixel_shuffle(maps, 4) + 1) / 2, masks())


def test_area_keeps_the_share():
    plan = MapPlan(("vessel",), 8, "area")
    one = torch.zeros(1, 1, 16, 16)
    one[0, 0, :, 3] = 1
    assert plan.channels == 1
    assert plan.encode(one)[0, 0].tolist() == [[-0.75, -1.0]] * 2


def test_an_absent_mask_is_neither_full_nor_empty():
    plan = MapPlan(("vessel",), 4)
    assert plan.absent(2, 3, 5).shape == (2, 16, 3, 5)
    assert not plan.absent(2, 3, 5).any()
    maps = drop_maps(plan.encode(masks(kinds=1)), [True, False])
    assert not maps[0].any()
    assert maps[1].any()


def test_plans_survive_plain_data():
    plan = MapPlan(("vessel", "disc"), 4, "area")
    assert MapPlan.from_dict(plan.as_dict()) == plan


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.zeros(1, 2, 18, 16), "multiples of 4; got 2 masks of 16x18 px"),
        (torch.zeros(1, 1, 16, 16), "masks of vessel, disc"),
        (torch.full((1, 2, 16, 16), 255.0), "masks from 0 to 1"),
    ],
)
def test_masks_that_do_not_fit(given, words):
    with pytest.raises(Refusal, match=words):
        MapPlan(("vessel", "disc"), 4).encode(given)


def test_unknown_keeping():
    with pytest.raises(Refusal, match="keeping pixels or area; got 'all'"):
        MapPlan(("vessel",), 4, "all")


@pytest.mark.parametrize(
    ("size", "sides"),
    [("128", (128, 128, 128)), ("192x128", (192, 128, 128)), ("128x193", (128, 193, 128)),
     (64, (64, 64, 64))],
)  # fmt: skip
def test_the_shorter_side_holds_the_field(size, sides):
    canvas = canvas_of(size, unit=16)
    assert (canvas.width, canvas.height, canvas.side) == sides


def test_squares_stand_whole_on_a_black_canvas():
    canvas = canvas_of("24x17", unit=1)
    square = torch.rand(1, 3, 17, 17)
    image = on_canvas(square, canvas)
    left, top = canvas.corner
    assert image.shape == (1, 3, 17, 24)
    assert torch.equal(image[:, :, top : top + 17, left : left + 17], square)
    assert (image[..., :left] == -1).all()
    assert (image[..., left + 17 :] == -1).all()


@pytest.mark.parametrize("size", ["", "big", "12x", "1x2x3", "-64", "64.5", "9000"])
def test_words_that_are_no_size(size):
    with pytest.raises(Refusal, match="a size as 128 or 192x128"):
        canvas_of(size, unit=8)


@pytest.mark.parametrize(("size", "advice"), [("100", "96 or 112 px"), ("8", "16 or 32 px")])
def test_sizes_between_units(size, advice):
    with pytest.raises(Refusal, match=advice):
        canvas_of(size, unit=16)


def test_larger_pictures_shift_times():
    assert shift_for(256, 64) == 4
    assert shift_for(32, 64) == 1

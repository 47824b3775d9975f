"""Masks in whatever way people draw them, and landmarks from tables and masks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from drawn_eyes import ARTERY, VEIN, colours, draw, photograph, save, vessel_mask

from retinaforge.core import Landmarks, Refusal
from retinaforge.images import MaskSizeError
from retinaforge.tasks.landmarks_table import first_known, landmarks_for, read_landmarks
from retinaforge.tasks.vessel_masks import (
    circle_in_frame,
    fitted,
    fov_of_mask,
    landmarks_of_masks,
    read_kind_mask,
    read_vessel_mask,
    whole_frame,
)


@pytest.mark.parametrize("top", [1, 2, 255])
def test_a_vessel_mask_of_small_numbers_or_white(tmp_path: Path, top: int) -> None:
    path = save(tmp_path / "mask.png", vessel_mask().astype(np.uint8) * top)
    assert (read_vessel_mask(path) == vessel_mask()).all()


def test_an_empty_mask_is_empty(tmp_path: Path) -> None:
    assert not read_vessel_mask(save(tmp_path / "m.png", np.zeros((20, 20), bool))).any()


def test_a_mask_saved_as_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "mask.jpg"
    Image.fromarray(vessel_mask().astype(np.uint8) * 255).save(path, quality=90)
    assert (read_vessel_mask(path) != vessel_mask()).mean() < 0.002


def test_kinds_in_colours_and_in_numbers(tmp_path: Path) -> None:
    index = draw(ARTERY) * 1 + draw(VEIN) * 2
    for pixels in (colours(), index.astype(np.uint8)):
        found = read_kind_mask(save(tmp_path / "kinds.png", pixels))
        assert (found.artery == draw(ARTERY)).all()
        assert (found.vein == draw(VEIN)).all()


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    path = save(tmp_path / "eye.png", photograph())
    for read in (read_vessel_mask, read_kind_mask):
        with pytest.raises(Refusal, match=r"expected a mask of black and full colours; got .* is"):
            read(path)


def test_disc_and_cup_of_masks(tmp_path: Path) -> None:
    both = np.zeros((100, 80), np.uint8)
    both[20:60, 10:40], both[30:50, 20:30] = 1, 2
    both[90, 70] = 1  # a speck
    path = save(tmp_path / "disc_cup.png", both)
    found = landmarks_of_masks({"disc": path, "cup": path}, size_px=(200, 160))
    assert found.disc_centre_px == (49.5, 79.5)
    assert found.disc_axes_px == (30.0, 40.0)
    assert found.cup_centre_px == (49.5, 79.5)
    assert found.cup_axes_px == (10.0, 20.0)
    with pytest.raises(MaskSizeError, match="expected a mask of the shape of its frame, 100x100"):
        landmarks_of_masks({"disc": path}, size_px=(100, 100))
    assert landmarks_of_masks({}, size_px=(9, 9)) == Landmarks()


def test_fields_of_view_without_a_photograph() -> None:
    whole = whole_frame((30, 40))
    assert (whole.centre_px, whole.radius_px, whole.kind) == ((19.5, 14.5), 25.0, "full frame")
    circle = circle_in_frame((101, 101))
    assert circle.mask.sum() == pytest.approx(np.pi * 50.5**2, rel=0.02)
    again = fov_of_mask(circle.mask)
    assert (again.kind, again.centre_px, again.radius_px) == ("circle", (50.0, 50.0), 50.5)
    assert fov_of_mask(circle.mask[20:]).kind == "cut circle"
    assert fov_of_mask(whole.mask).kind == "full frame"
    with pytest.raises(Refusal, match="expected a mask of the field of view; got an empty one"):
        fov_of_mask(np.zeros((5, 5), bool))


def test_a_mask_at_another_size() -> None:
    assert (
        fitted(np.repeat(np.repeat(vessel_mask(), 2, 0), 2, 1), (200, 200)) == vessel_mask()
    ).all()


def test_landmarks_of_a_table(tmp_path: Path) -> None:
    table = tmp_path / "landmarks.csv"
    table.write_text(
        "file_name,eye,disc_x_px,disc_y_px,disc_width_px,disc_height_px,fovea_x_px,fovea_y_px,um_per_px\n"
        "images/1.png,right,10,20,30,40,50,,7.5\n"
        "2.png,,,,,,,,\n"
    )
    found = read_landmarks(table)
    one = landmarks_for(found, "images/1.png")
    assert one == Landmarks(eye="OD", disc_centre_px=(10, 20), disc_axes_px=(15, 20), um_per_px=7.5)
    assert landmarks_for(found, "deep/2.png") == Landmarks()
    assert landmarks_for(found, "images/3.png") == Landmarks()
    merged = first_known(one, Landmarks(eye="OS", fovea_px=(3, 4)))
    assert (merged.eye, merged.fovea_px, merged.um_per_px) == ("OD", (3, 4), 7.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,eye\n1,OD\n", "expected the columns file_name, .*; got name"),
        ("file_name,disc_x\n1,2\n", "got disc_x in"),
        (
            "file_name,fovea_x_px,fovea_y_px\n1,left,2\n",
            "expected a number in fovea_x_px; got 'left' for 1",
        ),
        ("file_name,eye\n1,third\n", "expected an eye OD or OS; got 'third'"),
        ("file_name,um_per_px\n1,0\n", "expected um_per_px above 0; got 0"),
        (
            "file_name,cup_width_px,cup_height_px\n1,-1,3\n",
            "expected cup_width_px and cup_height_px above 0; got -1",
        ),
        ("", "got no row in"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "landmarks.csv"
    table.write_text(text)
    with pytest.raises(Refusal, match=message):
        read_landmarks(table)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="expected a CSV file of landmarks"):
        read_landmarks(tmp_path / "none.csv")

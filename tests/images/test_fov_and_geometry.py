"""The field of view of drawn photographs, and the way to the square and back."""

import json
from pathlib import Path

import numpy as np
import pytest

from retinaforge.core import Fov, Photograph, Refusal
from retinaforge.images import Geometry, find_fov, normalise, read_mask, read_photograph
from retinaforge.images.records import read_records

DATA = Path(__file__).parents[2] / "../shared/data"


def _ellipse(size_px: tuple[int, int], x: float, y: float, a: float, b: float) -> np.ndarray:
    rows, columns = np.mgrid[: size_px[0], : size_px[1]]
    return ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 <= 1


def _photo(mask: np.ndarray, *, black: float = 0, bright: float = 1) -> Photograph:
    """Draw a fundus: red-brown, darker to one side, with noise, on the camera's black."""
    height, width = mask.shape
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.5, 1, width)[None, :, None] * np.array([190, 110, 60])
    retina = bright * ramp + rng.normal(0, 3, (height, width, 3))
    ground = black + rng.normal(0, 1, (height, width, 3))
    return Photograph(
        np.where(mask[..., None], retina, ground).clip(0, 255).astype(np.uint8), "drawn"
    )


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


CASES = {
    "whole": ((300, 340), (170, 150, 130, 130), "circle"),
    "cut above and below": ((220, 340), (160, 112, 140, 140), "cut circle"),
    "cut left": ((300, 300), (110, 150, 135, 135), "cut circle"),
    "stretched": ((300, 300), (150, 150, 145, 110), "circle"),
    "stretched and cut": ((300, 300), (150, 150, 145, 190), "cut circle"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("black", "bright"), [(0, 1), (25, 1), (0, 0.35)])
def test_find_fov_on_drawn_photographs(case: str, black: float, bright: float) -> None:
    size_px, (x, y, a, b), kind = CASES[case]
    mask = _ellipse(size_px, x, y, a, b)
    fov = find_fov(_photo(mask, black=black, bright=bright))
    assert _iou(fov.mask, mask) > 0.97
    assert fov.kind == kind
    assert np.hypot(fov.centre_px[0] - x, fov.centre_px[1] - y) < 3
    assert abs(fov.radius_px - max(a, b)) < 0.03 * max(a, b)


def test_a_notch_does_not_pull_the_circle() -> None:
    mask = _ellipse((300, 340), 170, 150, 130, 130)
    notched = mask | _ellipse((300, 340), 170 + 95, 150 - 95, 12, 12)
    assert _iou(find_fov(_photo(notched)).mask, mask) > 0.98


def test_white_margins_read_as_black() -> None:
    mask = _ellipse((300, 340), 170, 150, 120, 120)
    pixels = _photo(mask).pixels.copy()
    pixels[:, :20] = pixels[:, -20:] = 255
    assert _iou(find_fov(Photograph(pixels, "drawn")).mask, mask) > 0.98


def test_straight_cuts_inside_the_frame() -> None:
    mask = _ellipse((300, 340), 170, 150, 140, 140)
    mask[:40] = mask[-40:] = False
    fov = find_fov(_photo(mask))
    assert fov.kind == "cut circle"
    assert _iou(fov.mask, mask) > 0.97


@pytest.mark.parametrize("depth_px", [8, 15, 24])
def test_shallow_cuts_on_all_four_sides_are_found(depth_px: int) -> None:
    """A camera's flat sides: a chord of 0.25 to 0.43 diameters, at 512 px."""
    whole = _ellipse((512, 512), 255.5, 255.5, 247, 247)
    rows, columns = np.mgrid[:512, :512]
    near = 247 - depth_px
    cut = whole & (abs(rows - 255.5) < near) & (abs(columns - 255.5) < near)
    found = find_fov(_photo(cut)).mask
    assert _iou(found, cut) > 0.99


def test_a_whole_circle_is_not_cut() -> None:
    whole = _ellipse((512, 512), 255.5, 255.5, 247, 247)
    fov = find_fov(_photo(whole))
    assert (fov.kind, _iou(fov.mask, whole) > 0.99) == ("circle", True)


@pytest.mark.parametrize("level", [0, 90, 255])
def test_without_a_border_the_whole_frame_is_the_field_of_view(level: int) -> None:
    fov = find_fov(Photograph(np.full((80, 120, 3), level, np.uint8), "flat"))
    assert fov.kind == "full frame"
    assert fov.mask.all()
    assert fov.radius_px == pytest.approx(np.hypot(80, 120) / 2)


@pytest.fixture(params=["downscaled", "equal scale", "upscaled", "cut"])
def case(request: pytest.FixtureRequest) -> tuple[Photograph, Fov, int]:
    size_px, x, y, r, side = {
        "downscaled": ((300, 340), 168.3, 151.8, 130.4, 128),
        "equal scale": ((300, 340), 168.3, 151.8, 130.0, 260),
        "upscaled": ((150, 170), 84.0, 75.0, 60.0, 256),
        "cut": ((220, 340), 160.2, 112.0, 140.0, 280),
    }[request.param]
    mask = _ellipse(size_px, x, y, r, r)
    return _photo(mask), Fov(mask, (x, y), r, "circle"), side


def test_points_go_there_and_back(case: tuple[Photograph, Fov, int]) -> None:
    photo, fov, side = case
    geometry = normalise(photo, fov, size_px=side).geometry
    points = np.random.default_rng(1).uniform(0, 150, (50, 2))
    np.testing.assert_allclose(geometry.undo_points(geometry.carry_points(points)), points)
    middle = (side - 1) / 2
    np.testing.assert_allclose(geometry.carry_points(np.array([fov.centre_px])), [[middle] * 2])


def test_masks_maps_and_points_land_in_the_same_place(case: tuple[Photograph, Fov, int]) -> None:
    photo, fov, side = case
    geometry = normalise(photo, fov, size_px=side).geometry
    x, y = fov.centre_px[0] + 20, fov.centre_px[1] - 15
    blob = _ellipse(photo.size_px, x, y, 14, 14)
    expected = geometry.carry_points(np.array([[x, y]]))[0]
    as_image = np.repeat(blob[..., None] * np.uint8(255), 3, axis=2)
    for carried in (
        geometry.carry_mask(blob), geometry.carry_map(blob.astype(np.float32)),
        geometry.carry_image(as_image)[..., 0],
    ):  # fmt: skip
        rows, columns = np.mgrid[:side, :side]
        weight = carried.astype(float) / carried.sum()
        centre = ((columns * weight).sum(), (rows * weight).sum())
        np.testing.assert_allclose(centre, expected, atol=0.5)


def test_masks_and_maps_come_back(case: tuple[Photograph, Fov, int]) -> None:
    photo, fov, side = case
    geometry = normalise(photo, fov, size_px=side).geometry
    blob = _ellipse(photo.size_px, fov.centre_px[0] + 5, fov.centre_px[1] - 9, 40, 25)
    least = 0.98 if geometry.scale >= 0.99 else 0.94
    assert _iou(geometry.undo_mask(geometry.carry_mask(blob)), blob) > least
    back = geometry.undo_map(geometry.carry_map(blob.astype(np.float32)))
    assert back.shape == photo.size_px
    assert _iou(back > 0.5, blob) > least


def test_image_comes_back_inside_the_field_of_view() -> None:
    rows, columns = np.mgrid[:200, :220]
    smooth = np.stack([columns, rows, (columns + rows) / 2], axis=2).astype(np.uint8)
    fov = Fov(_ellipse((200, 220), 108, 99, 90, 90), (108.0, 99.0), 90.0, "circle")
    square = normalise(Photograph(smooth, "ramp"), fov, size_px=256)
    back = square.geometry.undo_image(square.photograph.pixels)
    core = _ellipse((200, 220), 108, 99, 84, 84)
    assert np.abs(back[core].astype(int) - smooth[core]).max() <= 2


def test_normalised_is_centred_black_outside_and_written_down() -> None:
    mask = _ellipse((220, 340), 160, 112, 140, 140)
    done = normalise(_photo(mask, black=30), Fov(mask, (160, 112), 140, "cut circle"), size_px=100)
    assert done.photograph.size_px == (100, 100)
    assert done.photograph.pixels[~done.fov.mask].max() == 0
    assert done.fov.centre_px == (49.5, 49.5)
    assert done.fov.radius_px == pytest.approx(50)
    assert done.original_size_px == (220, 340)
    assert "resized to 100 px" in done.photograph.history[-1]


def test_full_frame_is_not_cropped() -> None:
    photo = Photograph(np.full((60, 100, 3), 99, np.uint8), "flat")
    done = normalise(photo, find_fov(photo), size_px=50)
    assert done.fov.mask.sum() == 50 * 30


def test_geometry_survives_json() -> None:
    geometry = Geometry((220, 340), (160.25, 112.5), 140.75, 256)
    assert Geometry.from_dict(json.loads(json.dumps(geometry.as_dict()))) == geometry


def test_geometry_refuses_the_wrong_frame() -> None:
    geometry = Geometry((20, 30), (15.0, 10.0), 10.0, 16)
    with pytest.raises(Refusal, match="an array of 30x20 px in the native frame; got 16x16 px"):
        geometry.carry_mask(np.zeros((16, 16), bool))
    with pytest.raises(Refusal, match="an array of 16x16 px in the square frame; got 30x20 px"):
        geometry.undo_mask(np.zeros((20, 30), bool))


def test_tiny_squares_are_refused() -> None:
    photo = Photograph(np.full((60, 100, 3), 99, np.uint8), "flat")
    with pytest.raises(Refusal, match="size_px of at least 8; got 4"):
        normalise(photo, find_fov(photo), size_px=4)


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="no photographs in ../shared/data")
@pytest.mark.parametrize("dataset", ["chase_db1", "drive", "hrf", "les_av"])
def test_find_fov_on_real_photographs(dataset: str) -> None:
    for record in read_records(DATA / dataset)[:3]:
        photo = read_photograph(record.path)
        mask = read_mask(record.masks["fov"], size_px=photo.size_px)
        assert _iou(find_fov(photo).mask, mask) > 0.98, record.name


@pytest.mark.parametrize("kept", [0.62, 0.74, 0.88])
def test_a_cut_circle_amid_black_bars_is_found(kept):
    """As cameras' pictures look once they were padded to a square."""
    mask = _ellipse((256, 256), 127.5, 127.5, 123, 123)
    rows = np.abs(np.arange(256) - 127.5) <= kept * 123
    mask &= rows[:, None]
    fov = find_fov(_photo(mask))
    assert (fov.mask & mask).sum() / (fov.mask | mask).sum() > 0.97
    assert fov.kind == "cut circle"
    assert fov.radius_px == pytest.approx(123, abs=2)


def test_black_bars_round_a_picture_without_a_rim_leave_it_whole():
    pixels = np.full((200, 200, 3), 120, np.uint8)
    pixels[:40] = pixels[-40:] = 0
    assert find_fov(Photograph(pixels, "bars")).kind == "full frame"

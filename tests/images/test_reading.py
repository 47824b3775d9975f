"""Every kind of file that people have, and every kind that must be refused by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.images import (
    MaskSizeError,
    UnreadableImage,
    image_size,
    read_index_mask,
    read_mask,
    read_photograph,
)


@pytest.fixture
def picture() -> np.ndarray:
    ramp = np.linspace(0, 255, 40).astype(np.uint8)
    return np.stack([np.tile(ramp, (30, 1)), np.full((30, 40), 90, np.uint8)] * 2, axis=2)[..., :3]


def _saved(path: Path, pixels: np.ndarray | Image.Image, **options: object) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def test_png_comes_back_as_it_was(tmp_path: Path, picture: np.ndarray) -> None:
    photo = read_photograph(_saved(tmp_path / "a.png", picture), eye="OS")
    np.testing.assert_array_equal(photo.pixels, picture)
    assert (photo.history, photo.eye, photo.source) == ((), "OS", str(tmp_path / "a.png"))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_by_its_own_range(tmp_path: Path, suffix: str) -> None:
    deep = np.array([[0, 1000], [2000, 4095]], np.uint16)
    photo = read_photograph(_saved(tmp_path / f"a.{suffix}", deep))
    np.testing.assert_array_equal(photo.pixels[..., 0], [[0, 62], [125, 255]])
    assert "scaled from 0-4095 to 0-255" in photo.history


def test_16_bit_colour_says_that_it_lost_its_low_bytes(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 9, 3), 256 * 77, np.uint16))
    photo = read_photograph(tmp_path / "a.tif")
    assert (photo.pixels == 77).all()
    assert photo.history == ("16 bits per channel reduced to 8",)


@pytest.mark.parametrize(
    ("mode", "suffix", "word"),
    [
        ("CMYK", "jpg", "converted from CMYK"),
        ("L", "jpg", "grey copied to three channels"),
        ("P", "png", "palette applied"),
        ("RGBA", "png", "mode RGBA laid on black (alpha)"),
    ],
)
def test_other_modes_become_rgb_and_say_so(
    tmp_path: Path, picture: np.ndarray, mode: str, suffix: str, word: str
) -> None:
    image = Image.fromarray(picture).convert(mode)
    photo = read_photograph(_saved(tmp_path / f"a.{suffix}", image))
    expected = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(photo.pixels - expected).mean() < 3
    assert photo.history == (word,)


def test_transparent_is_black(tmp_path: Path) -> None:
    clear = np.full((5, 5, 4), 200, np.uint8)
    clear[..., 3] = 0
    assert read_photograph(_saved(tmp_path / "a.png", clear)).pixels.max() == 0


def test_exif_rotation_is_applied(tmp_path: Path, picture: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = read_photograph(_saved(tmp_path / "a.png", picture, exif=exif))
    np.testing.assert_array_equal(photo.pixels, np.rot90(picture, -1))
    assert photo.history == ("turned upright (EXIF orientation 6)",)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_truncated_is_refused_by_name(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    path = _saved(tmp_path / f"cut.{suffix}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableImage, match=rf"truncated or damaged .*cut\.{suffix}"):
        read_photograph(path)


def test_jpeg_cut_and_padded_with_zeros_is_refused(tmp_path: Path, picture: np.ndarray) -> None:
    path = _saved(tmp_path / "cut.jpg", picture)
    whole = path.read_bytes()
    path.write_bytes(whole[:-60] + bytes(60))
    with pytest.raises(UnreadableImage, match="the JPEG never ends"):
        read_photograph(path)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "an empty file"), (b"hello, eye", "a file that is no image")]
)
def test_empty_and_non_images(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match=rf"a whole image file; got {message}: .*odd"):
        read_photograph(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="cannot be opened"):
        read_photograph(tmp_path / "none.png")
    with pytest.raises(UnreadableImage, match="got a folder"):
        read_photograph(tmp_path)


def test_float_pixels_are_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path / "f.tif", np.zeros((4, 4), np.float32))
    with pytest.raises(UnreadableImage, match="floating-point pixels"):
        read_photograph(path)


def test_decompression_bomb(
    tmp_path: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _saved(tmp_path / "bomb.png", picture)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnreadableImage, match=r"ordinary size.*bomb\.png"):
        read_photograph(path)


def test_mask_palette_is_applied_before_the_threshold(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8))
    image.putpalette([255, 255, 255, 0, 0, 0])
    path = _saved(tmp_path / "m.gif", image)
    np.testing.assert_array_equal(read_mask(path), [[True, False], [False, True]])


def test_index_mask(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([0, 0, 0, 90, 0, 0, 0, 90, 0])
    path = _saved(tmp_path / "m.png", image)
    np.testing.assert_array_equal(read_index_mask(path), [[False, True, True]])
    np.testing.assert_array_equal(read_index_mask(path, at_least=2), [[False, False, True]])


def test_index_mask_refuses_colour(tmp_path: Path, picture: np.ndarray) -> None:
    with pytest.raises(UnreadableImage, match="a mask of one channel"):
        read_index_mask(_saved(tmp_path / "m.png", picture))


def test_mask_of_another_size(tmp_path: Path) -> None:
    path = _saved(tmp_path / "m.png", np.zeros((4, 6), np.uint8))
    assert read_mask(path, size_px=(4, 6)).shape == (4, 6)
    with pytest.raises(MaskSizeError, match=r"a mask of 8x4 px .*; got 6x4 px: .*m\.png"):
        read_mask(path, size_px=(4, 8))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_size_is_told_of_whole_files_alone(
    tmp_path: Path, picture: np.ndarray, suffix: str
) -> None:
    path = _saved(tmp_path / f"a.{suffix}", picture)
    assert image_size(path) == (30, 40)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UnreadableImage, match=rf"truncated or damaged .*a\.{suffix}"):
        image_size(path)
    path.write_bytes(b"no image")
    with pytest.raises(UnreadableImage, match="no image"):
        image_size(path)
    path.unlink()
    with pytest.raises(UnreadableImage, match="cannot be opened"):
        image_size(path)

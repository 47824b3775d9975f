"""Two folders are brought to the same size and codec, and it is said how."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retinaforge.core import Photograph, rng_for
from retinaforge.validation import footing


def picture(size: tuple[int, int] = (96, 96)) -> Image.Image:
    noise = rng_for(1, "footing").integers(0, 255, (*size[::-1], 3))
    return Image.fromarray(noise.astype(np.uint8))


def save(folder: Path, name: str, *, size: tuple[int, int] = (96, 96), **how: object) -> Path:
    folder.mkdir(exist_ok=True)
    picture(size).save(folder / name, **how)
    return folder / name


@pytest.mark.parametrize("quality", [30, 40, 49, 50, 60, 75, 85, 90, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int) -> None:
    buffer = io.BytesIO()
    picture().save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        assert footing.jpeg_quality_of(image.quantization) == quality


def test_headers_say_size_and_codec(tmp_path: Path) -> None:
    jpeg = footing.look_at(save(tmp_path, "a.jpg", size=(120, 80), quality=75))
    assert jpeg == footing.FileLook((80, 120), "JPEG", 75)
    assert footing.look_at(save(tmp_path, "b.png")) == footing.FileLook((96, 96), "PNG", None)
    (tmp_path / "c.png").write_bytes(b"not an image")
    assert footing.look_at(tmp_path / "c.png") is None
    assert footing.look_at(tmp_path / "gone.png") is None


def test_a_file_that_calls_itself_synthetic_is_counted(tmp_path: Path) -> None:
    said = PngInfo()
    said.add_text("Synthetic", "true")
    paths = [
        save(tmp_path, "synthetic_1.png"), save(tmp_path, "eye.png", pnginfo=said),
        save(tmp_path, "other.png"),
    ]  # fmt: skip
    assert footing.look_at_side(paths).say_synthetic == 2


def test_a_png_side_is_sent_through_the_jpeg_of_the_other(tmp_path: Path) -> None:
    real = [save(tmp_path, f"{k}.jpg", quality=80) for k in range(3)]
    synthetic = [save(tmp_path, f"{k}.png") for k in range(3)]
    found = footing.footing_of({"real": real, "synthetic": synthetic})
    assert found.recompress == {"synthetic": 80}
    assert "JPEG-matched: the synthetic images (PNG) were sent through JPEG at quality 80" in (
        " ".join(found.words)
    )
    swapped = footing.footing_of({"real": synthetic, "synthetic": real})
    assert swapped.recompress == {"real": 80}


@pytest.mark.parametrize(("other", "matched"), [(84, {}), (95, {"synthetic": 78})])
def test_two_jpeg_sides_are_matched_where_they_differ(
    tmp_path: Path, other: int, matched: dict[str, int]
) -> None:
    real = [save(tmp_path, "a.jpg", quality=79 if other == 84 else 78)]
    synthetic = [save(tmp_path, "b.jpg", quality=other)]
    assert footing.footing_of({"real": real, "synthetic": synthetic}).recompress == matched


def test_two_lossless_sides_are_left_alone(tmp_path: Path) -> None:
    sides = {"real": [save(tmp_path, "a.png")], "synthetic": [save(tmp_path, "b.png")]}
    found = footing.footing_of(sides)
    assert found.recompress == {}
    assert "JPEG" not in " ".join(found.words)


@pytest.mark.parametrize(
    ("real_px", "synthetic_px", "chosen"),
    [(1000, 256, 256), (1000, 700, 512), (40, 300, 64), (256, 256, 256)],
)
def test_the_square_is_as_wide_as_the_smaller_side(
    tmp_path: Path, real_px: int, synthetic_px: int, chosen: int
) -> None:
    sides = {
        "real": [save(tmp_path, "a.png", size=(real_px + 50, real_px))],
        "synthetic": [save(tmp_path, "b.png", size=(synthetic_px, synthetic_px))],
    }
    found = footing.footing_of(sides)
    assert found.size_px == chosen
    assert f"resized to {chosen} x {chosen} px" in found.words[0]
    unlike = max(real_px, synthetic_px) > 1.5 * min(real_px, synthetic_px)
    assert ("different resolutions" in " ".join(found.words)) is unlike
    assert footing.footing_of(sides, size_px=128).size_px == 128


def test_a_side_without_a_header_leaves_the_choice_to_the_other(tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(b"nothing")
    sides = {"real": [tmp_path / "c.png"], "synthetic": [save(tmp_path, "b.jpg", size=(90, 90))]}
    found = footing.footing_of(sides)
    assert (found.size_px, found.recompress, found.sides["real"].unreadable) == (90, {}, 1)


def test_recompression_stands_in_the_history() -> None:
    photo = Photograph(np.asarray(picture()), source="a")
    sent = footing.through_jpeg(photo, 30)
    assert sent.history[-1] == "JPEG at 30"
    assert 1 < np.abs(sent.pixels.astype(int) - photo.pixels).mean() < 80

"""Nothing but what an image shows tells what it is: files, answers of the server, orders."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripted import Stage, close, draw_eye, enter, make_stage, say

from retinaforge.tasks.reader_study import read_key, read_study

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from reader_blinding import came_in, judged, skeleton, table_of

sys.path.pop(0)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A study of large cut JPEGs with EXIF and small whole PNGs, 24 of each."""
    folder = tmp_path_factory.mktemp("blind")
    exif = Image.Exif()
    exif[271] = "a real camera"
    for k in range(24):
        draw_eye(folder / "real" / f"photo_{k}.jpg", k, side_px=150 + k, quality=80, exif=exif)
        with Image.open(folder / "real" / f"photo_{k}.jpg") as image:
            cut = image.crop((0, 14, image.width, image.height - 14))
        cut.save(folder / "real" / f"photo_{k}.jpg", quality=80, exif=exif)
        draw_eye(folder / "fake" / f"synthetic_{k}.png", 1000 + k, side_px=96)
    return make_stage(folder / "study", (folder / "real", folder / "fake"), readers=3)


def test_a_classifier_on_bytes_and_orders_is_at_chance(stage: Stage) -> None:
    area, by_chance = judged(*table_of(read_study(stage.folder), stage.kinds))
    assert area <= max(by_chance, 0.65), (area, by_chance)


def test_the_same_classifier_knows_the_files_that_came_in(stage: Stage) -> None:
    """It can fail: on the files before they were made alike it is never wrong."""
    images = read_key(read_study(stage.folder))["images"]
    assert judged(*came_in(images), shuffles=1)[0] == 1


def test_files_differ_in_nothing_but_pixels(stage: Stage) -> None:
    """Chunks, deflate blocks, lengths, times: equal byte for byte, so there is nothing to learn."""
    files = list((stage.folder / "images").iterdir())
    assert len({skeleton(path.read_bytes()) for path in files}) == 1
    assert len({path.stat().st_mtime_ns for path in files}) == 1
    assert len({path.stat().st_mode for path in files}) == 1


def test_all_images_have_one_shape_and_one_black(stage: Stage) -> None:
    """Cut fields and whole ones: what one image lacks is black in all."""
    black = []
    for path in (stage.folder / "images").iterdir():
        with Image.open(path) as image:
            black.append(np.asarray(image).max(axis=2) == 0)
    middle = black[0].shape[0] // 2
    assert all((one == black[0]).mean() > 0.995 for one in black)
    # The real side's flat top lies within the circle that the synthetic side fills.
    assert black[0][4, middle]
    assert not black[0][middle, 4]


def test_answers_with_images_differ_in_nothing_but_the_image(stage: Stage) -> None:
    with stage.client() as client:
        headers = enter(client, stage.told["codes"]["R1"])
        count, heads, lengths = client.get("/api/state").json()["count"], set(), set()
        for position in range(min(count, 12)):
            found = client.get(f"/image/R1/{position}/0")
            heads.add(tuple(sorted((k, v) for k, v in found.headers.items() if k != "date")))
            lengths.add(len(found.content))
            for what, value in (("verdict", "real"), ("confidence", "1")):
                say(client, headers, position, what, value)
            close(client, headers, position)
    assert len(heads) == len(lengths) == 1
    names = {k for k, _ in next(iter(heads))}
    assert not names & {"etag", "last-modified", "content-disposition", "server", "x-image"}


def test_what_is_kept_of_each_image_says_what_was_cut(stage: Stage) -> None:
    folder = stage.folder.parent
    own = make_stage(folder / "own", (folder / "real", folder / "fake"), field="own", images=8)
    circle = make_stage(folder / "c", (folder / "real", folder / "fake"), field="circle", images=8)
    for told in (own.told, circle.told):
        assert any("its shape can tell them apart: take --field shared" in w
                   for w in told["warnings"])  # fmt: skip
    assert not any("shape" in w for w in stage.told["warnings"])
    assert Path(stage.told["folder"]).name == "study"

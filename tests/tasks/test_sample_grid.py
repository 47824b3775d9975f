"""Contact sheets: every image and caption in its place."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sample_stand_ins import painter

from retinaforge.tasks.sample import sample_images
from retinaforge.tasks.sample_draw import SamplePlan
from retinaforge.tasks.sample_grid import contact_sheet, folder_sheet, spread
from retinaforge.tasks.sample_requests import Wording, requests_of


def plain(*levels):
    return [Image.new("RGB", (32, 32), (level,) * 3) for level in levels]


def test_images_in_reading_order_with_words_below(tmp_path):
    path = contact_sheet(
        plain(10, 60, 110), ["one", "two " * 60, "three"], tmp_path / "s.png", columns=2, cell_px=64
    )
    with Image.open(path) as image:
        assert image.text["Synthetic"] == "true"
        sheet = np.asarray(image.convert("RGB"))
    assert sheet.shape[1] == 2 * 64 + 3 * 8
    assert [sheet[20, 20, 0], sheet[20, 100, 0]] == [10, 60]
    pitch = sheet.shape[0] // 2
    assert sheet[pitch + 20, 20, 0] == 110
    assert (sheet[73 : pitch - 2, :72] < 200).any()
    assert (sheet[pitch:, 90:] == 255).all()


def test_heads_of_a_ladder_stand_above(tmp_path):
    path = contact_sheet(
        [*plain(10, 60), None, *plain(90)], ["few", "many", "", ""], tmp_path / "s.png",
        columns=2, cell_px=64, heads=True,
    )  # fmt: skip
    sheet = np.asarray(Image.open(path).convert("RGB"))
    assert (sheet[:20] < 200).any()
    assert sheet[-20, 20, 0] == 0
    assert sheet[-20, 100, 0] == 90


@pytest.mark.parametrize("form", ["imagefolder", "webdataset"])
def test_sheets_of_a_run(tmp_path, form):
    asked = requests_of([Wording("a left eye")], seed=0, per_caption=3)
    sample_images(painter(), asked, SamplePlan(size="16", steps=2), tmp_path, form=form)
    stems = [*(one.stem for one in asked), "absent"]
    path = folder_sheet(tmp_path, stems, ["eye"] * 4, tmp_path / "grid.png", columns=4, cell_px=16)
    sheet = np.asarray(Image.open(path).convert("RGB"))
    assert not sheet[8:24, 80:96].any()
    assert all(sheet[8:24, left : left + 16].std() > 5 for left in (8, 32, 56))


def test_spread():
    assert spread(3, 5) == [0, 1, 2]
    assert spread(100, 4) == [0, 25, 50, 75]

"""Artery/vein masks in colours: names, crossings, uncertainty, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.core import Refusal
from retinaforge.images import MaskSizeError
from retinaforge.images.artery_vein import read_artery_vein_mask

COLOURS = ((255, 0, 0), (0, 0, 255), (0, 255, 0), (255, 0, 255), (255, 255, 255), (0, 0, 0))


def drawn(folder: Path, *colours: tuple[int, int, int]) -> Path:
    path = folder / "mask.png"
    Image.fromarray(np.array([colours], np.uint8)).save(path)
    return path


def test_each_colour_has_its_names(tmp_path: Path) -> None:
    named = read_artery_vein_mask(drawn(tmp_path, *COLOURS), size_px=(1, 6))
    assert named.vessel[0].tolist() == [True, True, True, True, True, False]
    assert named.artery[0].tolist() == [True, False, True, True, False, False]
    assert named.vein[0].tolist() == [False, True, True, True, False, False]
    assert named.uncertain[0].tolist() == [False, False, False, False, True, False]
    assert named.one_name[0].tolist() == [True, True, False, False, False, False]


def test_a_mask_without_vessels_has_no_names(tmp_path: Path) -> None:
    assert not read_artery_vein_mask(drawn(tmp_path, (0, 0, 0))).vessel.any()


def test_a_black_and_white_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="arteries in red and veins in blue; got one without either"):
        read_artery_vein_mask(drawn(tmp_path, (255, 255, 255), (0, 0, 0)))


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskSizeError, match="an artery/vein mask of 9x9 px like its photograph"):
        read_artery_vein_mask(drawn(tmp_path, *COLOURS), size_px=(9, 9))

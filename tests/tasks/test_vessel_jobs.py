"""What is found in a file, a folder, a data set, and in what VascX and AutoMorph wrote."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from drawn_eyes import (
    automorph_folder,
    colours,
    photograph,
    save,
    vascx_folder,
    vessel_mask,
)

from retinaforge.core import Refusal
from retinaforge.phantoms import write_phantoms
from retinaforge.tasks.vessel_jobs import list_jobs


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, count=2, size_px=64, seed=1)
    return folder


def test_one_photograph(tmp_path: Path) -> None:
    path = save(tmp_path / "eye.png", photograph())
    (job,), taken_for = list_jobs(path)
    assert (job.name, job.stem, job.photo, taken_for) == ("eye.png", "eye", path, "photographs")


def test_every_eye_has_a_stem_of_its_own(tmp_path: Path) -> None:
    names = ("a/1.png", "b/1.png", "1.png", "1.jpg", "B/1.PNG", "b_1.png", "2.png")
    for name in names:
        save(tmp_path / name, photograph(64))
    jobs, _ = list_jobs(tmp_path)
    stems = {job.name: job.stem for job in jobs}
    assert set(stems) == set(names)
    assert len({stem.casefold() for stem in stems.values()}) == len(names)
    assert (stems["2.png"], stems["a/1.png"], stems["1.jpg"]) == ("2", "a_1", "1_jpg")


def test_a_data_set_is_photographed_or_measured_by_its_masks(phantoms: Path) -> None:
    photographs, _ = list_jobs(phantoms)
    assert [set(job.masks) for job in photographs] == [{"fov", "disc", "cup"}] * 2
    assert {job.landmarks.eye for job in photographs} == {"OD", "OS"}
    masks, taken_for = list_jobs(phantoms, masks_are="artery-vein")
    assert taken_for == "artery-vein masks that a table names"
    assert [set(job.masks) for job in masks] == [{"artery_vein", "fov", "disc", "cup"}] * 2
    assert all(job.photo is not None for job in masks)


def test_masks_meet_their_photographs(tmp_path: Path) -> None:
    save(tmp_path / "masks" / "1.png", vessel_mask())
    save(tmp_path / "masks" / "2.png", vessel_mask())
    photo = save(tmp_path / "photographs" / "1.jpg", photograph())
    jobs, _ = list_jobs(
        tmp_path / "masks", masks_are="vessel", photographs=tmp_path / "photographs"
    )
    assert [job.photo for job in jobs] == [photo, None]
    assert [job.name for job in jobs] == ["1.png", "2.png"]


def test_what_cannot_be_listed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="expected a folder of photographs; got a missing folder"):
        list_jobs(tmp_path / "nowhere")
    with pytest.raises(Refusal, match="a folder without images"):
        list_jobs(tmp_path)
    words = tmp_path / "words.txt"
    words.write_text("words")
    with pytest.raises(Refusal, match=r"expected an image file .* or a folder; got .*words.txt"):
        list_jobs(words)
    save(tmp_path / "masks" / "1.png", vessel_mask())
    save(tmp_path / "photographs" / "other.png", photograph(64))
    with pytest.raises(Refusal, match=r"photographs named like their masks.*no pair, e.g. 1.png"):
        list_jobs(tmp_path / "masks", masks_are="vessel", photographs=tmp_path / "photographs")


def test_a_table_without_such_masks_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "1.png", photograph(64))
    save(tmp_path / "fov.png", np.ones((64, 64), bool))
    (tmp_path / "manifest.csv").write_text("image,fov_mask\n1.png,fov.png\n")
    with pytest.raises(Refusal, match="expected a table that names vessel masks; got none in"):
        list_jobs(tmp_path, masks_are="vessel")


def test_vascx_is_known_by_its_folders(tmp_path: Path) -> None:
    (job,), taken_for = list_jobs(vascx_folder(tmp_path))
    assert taken_for == "output of VascX"
    assert set(job.masks) == {"vessel", "artery_vein", "disc"}
    assert (job.name, job.landmarks.fovea_px) == ("eye.png", (150.4, 99.8))
    assert job.photo == tmp_path / "preprocessed_rgb" / "eye.png"


@pytest.mark.parametrize("named", ["", "Results"])
@pytest.mark.parametrize("slash_forgotten", [False, True])
def test_automorph_is_known_by_its_folders(
    tmp_path: Path, named: str, slash_forgotten: bool
) -> None:
    root = automorph_folder(tmp_path, slash_forgotten=slash_forgotten)
    (job,), taken_for = list_jobs(root / named)
    assert taken_for == "output of AutoMorph"
    assert set(job.masks) == {"vessel", "artery", "vein", "disc_cup"}
    assert job.masks["vessel"].parent.name.endswith("binary_process")
    assert job.landmarks.um_per_px == 14.0


def test_automorph_without_a_pixel_size_has_no_scale(tmp_path: Path) -> None:
    root = automorph_folder(tmp_path)
    table = root / "Results" / "M0" / "crop_info.csv"
    table.write_text(table.read_text().replace("14.0", "1750.0"))
    (job,), _ = list_jobs(root)
    assert job.landmarks.um_per_px is None


def test_automorph_before_its_features_has_the_masks_of_the_crop(tmp_path: Path) -> None:
    root = automorph_folder(tmp_path)
    process = root / "Results" / "M2" / "binary_vessel" / "binary_process" / "eye.png"
    process.unlink()
    save(root / "Results" / "M2" / "artery_vein" / "raw" / "eye.png", colours())
    (job,), _ = list_jobs(root)
    assert set(job.masks) == {"vessel", "artery_vein", "disc_cup"}
    assert job.masks["vessel"].parent.name == "raw_binary"
    assert job.landmarks.um_per_px is None


def test_a_peers_folder_without_masks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vessels").mkdir()
    (tmp_path / "disc").mkdir()
    with pytest.raises(Refusal, match="expected vessel masks in VascX's folder; got none in"):
        list_jobs(tmp_path)

"""Records of phantoms say what their pictures show, and nothing that they do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.captions.facts import check_value
from retinaforge.core import Landmarks, Refusal
from retinaforge.phantoms import write_phantoms
from retinaforge.phantoms.recipe import load_recipe
from retinaforge.tasks.records_file import Known
from retinaforge.tasks.records_phantoms import phantom_records
from retinaforge.tasks.records_places import places_of, regions_of

COUNT = 4


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioned")
    write_phantoms(folder, count=COUNT, size_px=96, seed=5, recipe=load_recipe("captioned"))
    return folder


@pytest.fixture(scope="module")
def known(drawn: Path) -> list[Known]:
    return list(phantom_records(drawn, boxes=True))


def _facts(drawn: Path, each: Known) -> dict:
    return json.loads((drawn / "facts" / f"{each.path.stem}.json").read_text())


def test_every_phantom_has_a_record_of_legal_facts(known: list[Known]) -> None:
    assert len(known) == COUNT
    for each in known:
        assert each.path.is_file()
        assert each.record.synthetic
        assert each.record.split in ("train", "val", "test")
        for fact in each.record.facts.values():
            assert fact.source == "phantom truth"
            check_value(fact.name, fact.value)


def test_lesions_are_those_in_view(drawn: Path, known: list[Known]) -> None:
    outside = 0
    for each in known:
        for kind, truth in _facts(drawn, each)["lesions"].items():
            fact = each.record.facts[kind]
            assert fact.value == truth["count"]
            assert bool(fact.places) == (truth["count"] > 0)
            outside += truth["count_in_eye"] - truth["count"]
    assert outside > 0, "the set has no lesion outside its fields, so the test could not fail"


def test_density_is_that_of_arteries_and_veins(drawn: Path, known: list[Known]) -> None:
    truth = _facts(drawn, known[0])["biomarkers"]
    both = sum(truth[f"{kind}_length_density_mm_per_mm2"] for kind in ("artery", "vein"))
    assert known[0].record.value("vessel_density") == pytest.approx(both, abs=1e-3)


def test_boxes_hold_the_masks(drawn: Path, known: list[Known]) -> None:
    looked = 0
    for each in known:
        for kind, fact in each.record.facts.items():
            path = drawn / "lesions" / kind / each.path.name
            if not fact.boxes or len(fact.boxes) >= 20:
                continue
            mask = np.asarray(Image.open(path).convert("L")) > 127
            for left, top, right, bottom in fact.boxes:
                rows = slice(round(top * 96), round(bottom * 96))
                mask[rows, round(left * 96) : round(right * 96)] = False
            assert not mask.any()
            looked += 1
    assert looked > 0


def test_a_folder_without_facts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"a set of phantoms with their facts; got no facts"):
        list(phantom_records(tmp_path))


RIGHT_EYE = Landmarks(disc_centre_px=(200, 100), disc_axes_px=(18, 20), fovea_px=(100, 105))


@pytest.mark.parametrize(
    ("point", "places"),
    [
        ((100, 105), ("inferior temporal", "fovea")),
        ((150, 80), ("superior temporal", "macula")),
        ((225, 80), ("superior nasal", "disc")),
        ((20, 20), ("superior temporal", "periphery")),
    ],
)
def test_places_of_a_right_eye(point: tuple[int, int], places: tuple[str, ...]) -> None:
    assert places_of([point], RIGHT_EYE) == places


def test_what_landmarks_do_not_settle_is_not_said() -> None:
    disc_only = Landmarks(disc_centre_px=(200, 100), disc_axes_px=(18, 20))
    assert places_of([(20, 20)], disc_only) == ("superior",)
    assert places_of([(190, 90)], disc_only) == ("superior", "disc")
    named = Landmarks(eye="OS", disc_centre_px=(200, 100), disc_axes_px=(18, 20))
    assert places_of([(20, 20)], named) == ("superior nasal",)
    assert places_of([(20, 20)], Landmarks()) == ()


def test_places_stand_in_order_of_frequency() -> None:
    points = [(20, 180), (20, 170), (20, 20)]
    assert places_of(points, RIGHT_EYE)[:2] == ("inferior temporal", "superior temporal")


def test_pieces_that_touch_at_a_corner_are_one() -> None:
    mask = np.zeros((10, 20), bool)
    mask[1, 1] = mask[2, 2] = mask[8, 15:18] = True
    line, pair = regions_of(mask)
    assert (line.area_px, pair.area_px) == (3, 2)
    assert line.box == (0.75, 0.8, 0.9, 0.9)
    assert pair.centre_px == (1.5, 1.5)
    assert len(regions_of(mask, at_least_px=3)) == 1

"""The facts of a phantom agree with its masks, its landmarks and its lesions."""

import json
import math

import numpy as np
import pytest

from retinaforge.phantoms import draw, photograph_fundus
from retinaforge.phantoms.export import encode, masks_of, plain_json
from retinaforge.phantoms.facts import facts_of, place_of, plain, to_picture
from retinaforge.phantoms.fundus import LESION_KINDS
from retinaforge.phantoms.layers import LESION_COLOURS, fact_lines, show_layers
from retinaforge.phantoms.people import phantom_of, places, sit
from retinaforge.phantoms.recipe import parse_recipe

RECIPE = parse_recipe(
    {
        "name": "ill",
        "people": {"visits": 2, "groups": {"one": 1}},
        "anatomy": {"cup_to_disc": 0.8, "notch": 0.5},
        "disease": {"diabetic_grade": 3, "glaucoma": 2},
        "camera": {"model": "like_canon_cr1", "aim": "macula"},
    }
)


@pytest.fixture(scope="module")
def left():
    """Return a left eye with many lesions, its sitting and its facts."""
    place = places(RECIPE, seed=0, count=4)[3]
    sitting = sit(RECIPE, place, seed=0)
    phantom = phantom_of(sitting, size_px=256)
    return phantom, sitting, facts_of(phantom, sitting)


def test_the_record_is_plain_and_says_that_it_is_synthetic(left):
    _, _, facts = left
    assert json.loads(plain_json(facts)) == facts
    assert facts["synthetic"] is True
    assert "phantom" in facts["source"]


def test_person_and_parameters_are_those_of_the_sitting(left):
    _, sitting, facts = left
    assert facts["eye"] == "OS"
    assert facts["person"] == {
        "patient": "synthetic_p00000", "age": round(sitting.age, 2), "sex": sitting.sex,
        "group": "one", "visit": 1, "years": round(sitting.years, 2), "split": "train",
    }  # fmt: skip
    assert facts["parameters"]["disease"]["diabetic_grade"] == 3
    assert facts["camera"]["model"] == "like_canon_cr1"


def test_disc_and_fovea_lie_where_the_masks_have_them(left):
    phantom, _, facts = left
    for at, mask in (
        (facts["disc"]["centre_px"], phantom.disc), (facts["macula"]["fovea_px"], phantom.fovea)
    ):  # fmt: skip
        rows, columns = np.nonzero(mask)
        assert at == pytest.approx((columns.mean(), rows.mean()), abs=1.0)
    height = phantom.disc.any(axis=1).sum() * facts["picture"]["um_per_px"]
    assert facts["disc"]["vertical_diameter_um"] == pytest.approx(height, abs=60)
    distance = math.dist(facts["disc"]["centre_px"], facts["macula"]["fovea_px"])
    in_um = distance * facts["picture"]["um_per_px"]
    assert facts["macula"]["disc_fovea_um"] == pytest.approx(in_um, rel=1e-3)
    assert facts["disc"]["cup_to_disc"] == pytest.approx(0.8)
    assert facts["disc"]["notch_at"] in ("superior", "inferior")


def test_every_kind_of_lesion_is_listed_and_counted_where_it_is_seen(left):
    phantom, _, facts = left
    assert tuple(facts["lesions"]) == LESION_KINDS
    for kind, found in facts["lesions"].items():
        shown = [one for one in found["each"] if one["in_view"]]
        assert found["count"] == len(shown) == sum(found["quadrants"].values())
        assert found["count_in_eye"] == sum(s.kind == kind for s in phantom.fundus.lesions)
        assert sum(found["places"].values()) == len(shown)
    assert facts["lesions"]["microaneurysm"]["count"] > 5


def test_a_lesion_lies_in_the_picture_where_its_mask_is(left):
    phantom, _, facts = left
    # Of a blot the centre is inside; rows and columns of a left eye are the picture's.
    blots = [one for one in facts["lesions"]["haemorrhage_dot"]["each"] if one["in_view"]]
    hits = [phantom.lesions["haemorrhage_dot"][round(y), round(x)]
            for x, y in (one["centre_px"] for one in blots)]  # fmt: skip
    assert len(hits) > 3
    assert np.mean(hits) > 0.8


def test_nasal_is_left_of_the_fovea_in_a_left_eye(left):
    phantom, _, facts = left
    assert facts["disc"]["centre_px"][0] < facts["macula"]["fovea_px"][0]
    for found in facts["lesions"].values():
        for one in found["each"]:
            nasal = one["centre_px"][0] < facts["disc"]["centre_px"][0]
            lower = one["centre_px"][1] > facts["disc"]["centre_px"][1]
            expected = f"{('superior', 'inferior')[lower]} {('temporal', 'nasal')[nasal]}"
            assert one["quadrant"] == expected
    assert to_picture(phantom, (0.0, 0.0)) == pytest.approx(phantom.fovea_px)


def test_places_are_named_from_fovea_disc_and_macula(left):
    fundus = left[0].fundus
    x, y = fundus.layout.disc_um
    assert place_of((0, 700), fundus) == "fovea"
    assert place_of((0, 800), fundus) == "macula"
    assert place_of((x, y), fundus) == "disc"
    assert place_of((0, -4000), fundus) == "periphery"


def test_labels_follow_from_the_eye(left):
    _, _, facts = left
    assert facts["labels_of_eye"]["dr_grade"] == 3
    assert facts["labels"]["glaucoma"] == 2


def test_size_changes_the_picture_only(left):
    phantom, sitting, small = left
    fundus, params = phantom.fundus, sitting.params
    larger = photograph_fundus(fundus, params.camera, size_px=512, params=params, shot=1)
    large = facts_of(larger, sitting)
    same = ("eye", "seed", "person", "vessels", "labels_of_eye", "labels", "camera", "look")
    assert {key: small[key] for key in same} == {key: large[key] for key in same}
    assert small["disc"]["cup_to_disc"] == large["disc"]["cup_to_disc"]
    assert large["picture"]["um_per_px"] == pytest.approx(small["picture"]["um_per_px"] / 2)


def test_true_values_are_numbers_or_undefined(left):
    values = left[2]["biomarkers"].values()
    assert len(values) > 50
    assert all(value is None or math.isfinite(value) for value in values)


def test_plain_knows_numpy():
    given = {"a": np.arange(2), 1: (np.float32(0.5), np.bool_(True)), "x": {"y": math.nan}}
    assert plain(given) == {"a": [0, 1], "1": [0.5, True], "x": {"y": None}}


def test_files_hold_every_mask_and_list_each_other(left):
    phantom, _, facts = left
    files = encode(phantom, facts)
    listed = json.loads(files["facts.json"])["files"]
    assert {*listed, "facts.json"} == set(files)
    for name, mask in masks_of(phantom).items():
        assert mask.any(), name
        assert f"{name}.png" in listed
    seen = {kind for kind, mask in phantom.lesions.items() if mask.any()}
    assert {layer for layer in listed if "lesions/" in layer} == {f"lesions/{k}.png" for k in seen}


def test_the_sheet_shows_six_panels_and_every_kind_has_its_own_colour(left):
    phantom, _, facts = left
    page = show_layers(phantom, facts)
    assert page.size == (3 * 256, 2 * (256 + 26))
    photo = np.asarray(page)[26 : 26 + 256, :256]
    assert np.array_equal(photo, phantom.photograph.pixels)
    assert len(set(LESION_COLOURS.values())) == len(LESION_KINDS)


def test_lines_beside_the_layers_say_grade_cup_and_lesions(left):
    said = "\n".join(fact_lines(left[2]))
    for words in ("OS, seed", "visit 2", "glaucoma: 2", "cup-to-disc ratio 0.80", "microaneurysm:"):
        assert words in said
    alone = fact_lines(facts_of(draw(3, size_px=64)))
    assert alone[1].startswith("camera:")

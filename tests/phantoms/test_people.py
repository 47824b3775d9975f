"""People: both eyes, visits, splits, and planted dependences of the strength that was written."""

import tomllib
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import kstest, spearmanr

from retinaforge.phantoms import CameraParams, draw_fundus, photograph_fundus
from retinaforge.phantoms.people import fundus_of, phantom_of, places, sit
from retinaforge.phantoms.recipe import load_recipe, parse_recipe

TEXT = """
[people]
visits = { choices = [1, 3] }
years_between = { low = 1, high = 2 }
age = { mean = 50, sd = 10, low = 30, high = 70 }
female = 0.25
groups = { light = 3, dark = 1 }
alike = 0.6

[anatomy]
pigment = { low = 0.0, high = 1.0 }
cup_to_disc = { low = 0.2, high = 0.8 }

[disease]
diabetic_grade = { choices = [0, 1, 2, 3, 4] }

[camera]
vignette = { low = 0.0, high = 0.5 }
model = { choices = ["like_canon_cr1", "like_nidek_nm200d"] }

[[dependence]]
of = "anatomy.pigment"
on = "age"
strength = -0.7

[[dependence]]
of = "camera.model"
on = "disease.diabetic_grade"
strength = 1

[[dependence]]
of = "anatomy.cup_to_disc"
on = "sex"
strength = 0.5
"""
RECIPE = parse_recipe(tomllib.loads(TEXT))
COUNT = 3000


@pytest.fixture(scope="module")
def sittings():
    return [sit(RECIPE, place, seed=3) for place in places(RECIPE, seed=3, count=COUNT)]


@pytest.fixture(scope="module")
def firsts(sittings):
    return [one for one in sittings if one.place.eye == "OD" and one.place.visit == 0]


def test_places_run_person_by_person_visit_by_visit_right_eye_first(sittings):
    keys = [(one.place.person, one.place.visit, one.place.eye) for one in sittings]
    assert keys == sorted(keys)
    assert [one.place.index for one in sittings] == list(range(COUNT))
    visits = np.bincount([person for person, _, eye in keys[:2000] if eye == "OD"])[:-1]
    assert set(visits) == {1, 3}


def test_a_longer_set_begins_with_the_shorter_one():
    assert places(RECIPE, seed=3, count=50) == places(RECIPE, seed=3, count=200)[:50]
    place = places(RECIPE, seed=3, count=50)[-1]
    assert sit(RECIPE, place, seed=3) == sit(RECIPE, place, seed=3)
    assert sit(RECIPE, place, seed=4).eye_seed != sit(RECIPE, place, seed=3).eye_seed


def test_both_eyes_share_what_is_the_persons(sittings):
    for right, left in zip(sittings[::2], sittings[1::2], strict=True):
        assert right.place.patient == left.place.patient
        assert (right.sex, right.group, right.age) == (left.sex, left.group, left.age)
        assert right.person_seed == left.person_seed
        assert right.eye_seed != left.eye_seed
        assert right.params.anatomy.pigment == left.params.anatomy.pigment


def test_one_camera_sees_all_of_a_person_where_none_is_named():
    healthy = load_recipe("healthy")
    some = [sit(healthy, place, seed=0) for place in places(healthy, seed=0, count=40)]
    for right, left in zip(some[::2], some[1::2], strict=True):
        assert right.params.camera.model == left.params.camera.model
        assert right.params.camera.aperture == left.params.camera.aperture
    assert len({one.params.camera.model for one in some}) >= 3


def test_visits_keep_the_eye_and_add_years(sittings):
    for one, later in pairwise(one for one in sittings if one.place.eye == "OD"):
        if later.place.visit == 0:
            assert (later.years, later.eye_seed == one.eye_seed) == (0.0, False)
            continue
        assert later.eye_seed == one.eye_seed
        assert 1 <= later.years - one.years <= 2
        assert later.age - one.age == pytest.approx(later.years - one.years)
        assert later.params.disease == one.params.disease
        assert later.params.camera.vignette != one.params.camera.vignette


def test_eyes_are_as_alike_as_the_recipe_says():
    plan = "[people]\nalike = 0.6\n[vessels]\nartery_um = { mean = 105, sd = 8 }"
    recipe = parse_recipe(tomllib.loads(plan))
    eyes = [sit(recipe, place, seed=1).params.vessels.artery_um
            for place in places(recipe, seed=1, count=4000)]  # fmt: skip
    assert np.corrcoef(eyes[::2], eyes[1::2])[0, 1] == pytest.approx(0.6, abs=0.05)


def test_cups_of_a_person_are_alike_and_wider_in_glaucoma():
    recipe = load_recipe("glaucoma")
    some = [sit(recipe, place, seed=1) for place in places(recipe, seed=1, count=1000)]
    cups = np.array([one.params.anatomy.cup_to_disc for one in some])
    stage = np.array([one.params.disease.glaucoma for one in some])
    means = [cups[stage == number].mean() for number in range(3)]
    assert means[0] < means[1] < means[2]
    healthy = (stage[::2] == 0) & (stage[1::2] == 0)
    assert np.corrcoef(cups[::2][healthy], cups[1::2][healthy])[0, 1] > 0.6


def test_traits_keep_their_distribution_whatever_they_depend_on(firsts):
    pigment = [one.params.anatomy.pigment for one in firsts]
    assert kstest(pigment, "uniform").pvalue > 0.001
    assert np.mean([one.sex == "female" for one in firsts]) == pytest.approx(0.25, abs=0.05)
    assert np.mean([one.group == "light" for one in firsts]) == pytest.approx(0.75, abs=0.05)
    assert all(30 <= one.age <= 70 for one in firsts)


def test_a_planted_dependence_has_the_strength_that_was_written(firsts):
    pigment, age = ([one.params.anatomy.pigment for one in firsts], [one.age for one in firsts])
    # Spearman's rho of a Gaussian copula of correlation r is 6/pi asin(r/2).
    expected = 6 / np.pi * np.arcsin(-0.7 / 2)
    assert spearmanr(pigment, age).statistic == pytest.approx(expected, abs=0.06)
    assert abs(spearmanr([one.params.camera.vignette for one in firsts], age).statistic) < 0.1


def test_strength_one_makes_a_trait_a_function_of_its_cause(firsts):
    by_grade = {}
    for one in firsts:
        by_grade.setdefault(one.params.disease.diabetic_grade, set()).add(one.params.camera.model)
    assert by_grade[0] == by_grade[1] == {"like_canon_cr1"}
    assert by_grade[3] == by_grade[4] == {"like_nidek_nm200d"}


def test_women_are_high_in_a_dependence_on_sex(firsts):
    cups = {sex: np.mean([one.params.anatomy.cup_to_disc for one in firsts if one.sex == sex])
            for sex in ("female", "male")}  # fmt: skip
    assert cups["female"] > cups["male"] + 0.05


@pytest.mark.parametrize("shares", [(7, 1, 2), (1, 1, 1), (1, 0, 1)])
def test_splits_keep_their_shares_at_every_length(shares):
    names = ("train", "val", "test")
    text = ", ".join(f"{name} = {share}" for name, share in zip(names, shares, strict=True))
    recipe = parse_recipe(tomllib.loads(f"[people]\nsplit = {{ {text} }}"))
    split = [place.split for place in places(recipe, seed=0, count=400)]
    assert split[::2] == split[1::2]
    for people in range(1, 200):
        for name, share in zip(names, shares, strict=True):
            wanted = share / sum(shares) * people
            assert abs(split[: 2 * people : 2].count(name) - wanted) < 1.5


def test_one_eye_a_visit_is_drawn_by_chance():
    recipe = parse_recipe({"people": {"eyes": 1, "visits": 2}})
    some = places(recipe, seed=0, count=100)
    assert all(a.eye == b.eye for a, b in zip(some[::2], some[1::2], strict=True))
    assert {place.eye for place in some} == {"OD", "OS"}


def test_later_visits_show_the_same_vessels():
    recipe = parse_recipe({"people": {"visits": 2}, "disease": {"diabetic_grade": 2}})
    first, _, later, _ = places(recipe, seed=0, count=4)
    before, after = (fundus_of(sit(recipe, place, seed=0)) for place in (first, later))
    assert before.layout == after.layout
    for one, other in zip(before.vessels, after.vessels, strict=True):
        assert np.array_equal(one.points_um, other.points_um)
    assert {lesion.onset_years for lesion in after.lesions} != {0.0}


def test_a_photograph_shows_the_eye_of_its_sitting():
    recipe = load_recipe("healthy")
    place = places(recipe, seed=2, count=2)[1]
    phantom = phantom_of(sit(recipe, place, seed=2), size_px=64)
    assert phantom.photograph.eye == place.eye == "OS"
    assert phantom.vessel.shape == (64, 64)


def test_both_eyes_of_a_person_are_seen_in_one_light():
    """One camera, one white balance: eyes of a person differ less than those of two persons."""

    def tint(seed: int, person: int) -> np.ndarray:
        fundus = draw_fundus(seed, eye="OD", person=person)
        shot = photograph_fundus(fundus, CameraParams(model="like_mixed_clinic"), size_px=64).shot
        return np.log(np.array(shot.gain) / shot.params.exposure)

    same = [np.abs(tint(k, 9) - tint(k + 50, 9)).max() for k in range(5)]
    other = [np.abs(tint(k, k) - tint(k + 50, k + 50)).max() for k in range(5)]
    assert max(same) < np.median(other)

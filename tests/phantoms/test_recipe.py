"""Recipes: quantiles in closed form, shipped files, and every refusal by its words."""

import tomllib

import numpy as np
import pytest
from scipy.stats import truncnorm

from retinaforge.core import Refusal
from retinaforge.phantoms.recipe import CAUSES, GROUPS, RECIPES, load_recipe, parse_recipe
from retinaforge.phantoms.spread import Choice, Fixed, Normal, Uniform, parse_spread

U = np.linspace(0.0005, 0.9995, 1000)


def read(text):
    return parse_recipe(tomllib.loads(text))


def test_quantiles_of_the_four_spreads():
    assert Fixed(3).at(0.9) == 3
    assert Uniform(2.0, 4.0).at(0.25) == 2.5
    assert [Uniform(1, 3, whole=True).at(u) for u in (0.0, 0.34, 0.99, 1.0)] == [1, 2, 3, 3]
    law = truncnorm((20 - 50) / 10, (65 - 50) / 10, loc=50, scale=10)
    assert np.allclose([Normal(50, 10, 20, 65).at(u) for u in U], law.ppf(U))
    drawn = [Choice(("a", "b", "c"), (1, 0, 3)).at(u) for u in (*U, 1.0)]
    assert drawn.count("a") == 250
    assert drawn.count("b") == 0
    assert drawn[-1] == "c"


def test_a_whole_normal_number_is_rounded_and_stays_inside():
    drawn = [Normal(2, 3, 0, 4, whole=True).at(u) for u in (0.0, *U, 1.0)]
    assert set(drawn) == {0, 1, 2, 3, 4}
    assert all(isinstance(value, int) for value in drawn)


@pytest.mark.parametrize(
    ("given", "spread"),
    [
        (4, Fixed(4.0)),
        ({"low": 1, "high": 2}, Uniform(1.0, 2.0)),
        ({"mean": 1, "sd": 2}, Normal(1.0, 2.0, -5.0, 5.0)),
        ({"mean": 1, "sd": 2, "low": 0}, Normal(1.0, 2.0, 0.0, 5.0)),
        ({"choices": [1, 2]}, Choice((1.0, 2.0), (1.0, 1.0))),
        ({"choices": [1, 2], "weights": [1, 3]}, Choice((1.0, 2.0), (1, 3))),
    ],
)
def test_forms_that_toml_may_give(given, spread):
    assert parse_spread(given, "x", limits=(-5.0, 5.0)) == spread


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"low": 1}, "expected x as a value, {low, high}"),
        ({"low": 1, "high": 2, "sd": 1}, "expected x as a value, {low, high}"),
        ({"low": 2, "high": 1}, "expected x.low below x.high; got 2.0 and 1.0"),
        ({"mean": 1, "sd": 0}, "expected x.sd above 0"),
        ({"mean": 9, "sd": 1}, "expected x.mean between -5 and 5; got 9.0"),
        ({"choices": []}, "expected x.choices as a list of values"),
        ({"choices": [1], "weights": [0]}, "expected x.weights as 1 numbers of 0 or more, not all"),
        ({"choices": [1, 2], "weights": [1]}, "expected x.weights as 2 numbers"),
        (7, "expected x between -5 and 5; got 7"),
        ("seven", "expected x as a number; got 'seven'"),
        (True, "expected x as a number; got True"),
        (float("nan"), "expected x as a number; got nan"),
    ],
)
def test_refuses_what_is_no_spread(given, message):
    with pytest.raises(Refusal) as refused:
        parse_spread(given, "x", limits=(-5.0, 5.0))
    assert str(refused.value).startswith(message)


def test_refuses_half_a_grade():
    with pytest.raises(Refusal, match=r"expected disease.amd as a whole number; got 1.5"):
        read("[disease]\namd = 1.5")


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_recipes_are_valid_and_say_what_they_are(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert set(recipe.people.split) == {"train", "val", "test"}


def test_the_shares_of_the_splits_sum_to_one():
    split = read("[people]\nsplit = { train = 3, test = 1 }").people.split
    assert split == {"train": 0.75, "test": 0.25}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[anatomie]\n", "expected a field of recipe; got 'anatomie'; did you mean 'anatomy'?"),
        ("[anatomy]\npigmnt = 1", "expected a field of [anatomy]; got 'pigmnt'; did you mean 'pig"),
        ("[people]\nvisit = 2", "expected a field of [people]; got 'visit'; did you mean 'visits'"),
        (
            "[people]\nages = 2\nq = 1",
            "got 'ages'; did you mean 'age",
        ),
        ("[camera]\nzzz = 2", "expected a field of [camera]; got 'zzz'; docs/reference"),
        ("people = 3", "expected [people] as a table; got 3"),
        (
            "[people]\nsplit = { training = 1 }",
            "a field of [people.split]; got 'training'",
        ),
        ("[people]\nsplit = { train = -1 }", "expected people.split.weights as 1 numbers"),
        ("[people]\neyes = { low = 1, high = 2 }", "expected people.eyes as one number"),
        ("[people]\neyes = 3", "expected people.eyes between 1 and 2; got 3"),
        ("[anatomy]\npigment = 2", "expected anatomy.pigment between 0 and 1; got 2"),
        ("[camera]\naim = 'nose'", "expected camera.aim as one of macula, between, disc"),
        ("[camera]\naim = 3", "expected camera.aim as a word or true or false; got 3"),
        ("[disease]\nlaser = 'yes'", "expected disease.laser as one of true, false; got 'yes'"),
        ("[camera]\nmodel = 'brownie'", "expected camera.model as one of like_"),
        ("name = 3", "expected name and about as text; got 3"),
        ("dependence = 3", "expected [[dependence]] as a list of tables; got 3"),
        ("[[dependence]]\nof = 'anatomy.pigment'", "expected of, on and strength in each"),
    ],
)
def test_refuses_what_no_recipe_has(text, message):
    with pytest.raises(Refusal) as refused:
        read(text)
    assert message in str(refused.value)


def planted(of, on, strength=0.5, more=""):
    text = f"[[dependence]]\nof = '{of}'\non = '{on}'\nstrength = {strength}\n"
    return read(f"[anatomy]\npigment = {{ low = 0, high = 1 }}\n{more}\n{text}")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("anatomy.pigment", "agee"), "expected on as one of age, sex, group, disease.diabetic_gr"),
        (("anatomy.pigment", "age", 1.5), "expected strength between -1 and 1; got 1.5"),
        (
            ("anatomy.tigroid", "age"),
            "expected a spread of anatomy.tigroid in the recipe, as ana",
        ),
        (("anatomy.pigment", "group"), "expected a spread of group in the recipe, as anatomy.pigm"),
        (("age", "sex"), "expected a spread of age in the recipe"),
        (("disease.amd", "disease.glaucoma"), "expected a disease that depends on age, sex or gro"),
    ],
)
def test_refuses_a_dependence_that_cannot_be(given, message):
    with pytest.raises(Refusal) as refused:
        planted(*given)
    assert message in str(refused.value)


def test_refuses_strengths_that_leave_no_room():
    twice = "[[dependence]]\nof = 'anatomy.pigment'\non = 'sex'\nstrength = 0.9"
    with pytest.raises(Refusal, match=r"expected strengths of anatomy.pigment whose squares sum"):
        planted("anatomy.pigment", "age", 0.9, more=twice)


def test_refuses_files_that_cannot_be_read(tmp_path):
    with pytest.raises(Refusal, match="expected a recipe file or one of healthy, screening"):
        load_recipe(tmp_path / "gone.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[people\n")
    with pytest.raises(Refusal, match=r"expected valid TOML; got .*broken.toml"):
        load_recipe(broken)


def test_a_file_without_a_name_is_called_after_itself(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[vessels]\ntortuosity = 2")
    assert load_recipe(path).name == "mine"
    assert load_recipe(path).spreads == {"vessels.tortuosity": Fixed(2.0)}


def test_every_cause_is_a_trait_of_a_person_or_a_disease():
    diseases = {cause.partition(".")[2] for cause in CAUSES if "." in cause}
    assert diseases <= set(GROUPS["disease"].__dataclass_fields__)

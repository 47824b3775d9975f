"""Measured facts are added, never written over what is known; the rest is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.core import Landmarks
from retinaforge.tasks import records_measure
from retinaforge.tasks.records_file import Known
from retinaforge.tasks.records_measure import ALL, TOOLS, Tool, differ, measure_records

MARKS = Landmarks(
    eye="OS", disc_centre_px=(20.0, 30.0), disc_axes_px=(5.0, 6.0), cup_centre_px=(20.0, 30.0),
    cup_axes_px=(2.0, 3.0), fovea_px=(60.0, 31.0), um_per_px=150.0,
)  # fmt: skip


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put finders in place that always find the same, and list what they looked at."""
    seen: list[str] = []

    def landmarks_in(photo, fov) -> Landmarks:
        seen.append(Path(photo.source).name)
        return MARKS

    def lesion_facts(photo, fov, marks) -> Iterator[Fact]:
        yield Fact("hard_exudate", 3, "measured: lesions-v2", ("macula",), ((0.1, 0.1, 0.2, 0.2),))
        yield Fact("microaneurysm", 0, "measured: lesions-v2")

    monkeypatch.setattr(records_measure, "landmarks_in", landmarks_in)
    monkeypatch.setattr(records_measure, "lesion_facts", lesion_facts)
    monkeypatch.setattr(
        records_measure,
        "vessel_facts",
        lambda *_: [Fact("vessel_density", 1.5, "measured: vessels-v3")],
    )
    monkeypatch.setattr(records_measure, "tool_versions", lambda: {"anatomy": "anatomy-v2"})
    monkeypatch.setattr(
        "retinaforge.tasks.records_measure_tools.tool_versions",
        lambda: {"anatomy": "anatomy-v2", "vessels": "vessels-v3", "lesions": "lesions-v2"},
    )
    return seen


def _photograph(path: Path) -> Path:
    rows, columns = np.mgrid[:60, :80]
    inside = (rows - 30) ** 2 + (columns - 40) ** 2 < 28**2
    pixels = np.where(inside[..., None], (120 + rows % 7)[..., None] // (1, 2, 3), 0)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def _known(path: Path, *facts: Fact) -> Known:
    return Known(EyeRecord(path.name, {fact.name: fact for fact in facts}), path)


def test_what_nobody_said_is_added_with_its_source(tmp_path: Path, looked: list[str]) -> None:
    eye = _known(_photograph(tmp_path / "1.png"), Fact("age", 61, "manifest: x"))
    tools = [each for each in ALL if each != "cup"]
    found = measure_records([eye], tmp_path / "j", tools=tools, grader=lambda *_: "usable")
    facts = found.known[0].record.facts
    assert {name: fact.source for name, fact in facts.items()} == {
        "age": "manifest: x",
        "eye": "measured: anatomy-v2",
        "fovea_in_view": "measured: anatomy-v2",
        "quality": "measured: quality-v1",
        "vessel_density": "measured: vessels-v3",
        "hard_exudate": "measured: lesions-v2",
        "microaneurysm": "measured: lesions-v2",
    }
    assert facts["hard_exudate"].boxes == ((0.1, 0.1, 0.2, 0.2),)
    assert (found.added, found.disagreements) == (6, [])
    assert found.landmarks["1.png"] == MARKS


def test_what_is_known_stays_and_a_disagreement_is_listed(
    tmp_path: Path, looked: list[str]
) -> None:
    known = (
        Fact("eye", "OD", "manifest: x"),
        Fact("hard_exudate", False, "mask: x"),
        Fact("microaneurysm", 0, "mask: x"),
        Fact("cup_to_disc", 0.45, "mask: x"),
    )
    eye = _known(_photograph(tmp_path / "1.png"), *known)
    found = measure_records([eye], tmp_path / "j", tools=("anatomy", "lesions"))
    record = found.known[0].record
    assert {name: record.facts[name] for name in ("eye", "hard_exudate", "cup_to_disc")} == {
        fact.name: fact for fact in known if fact.name != "microaneurysm"
    }
    assert [(d.fact, d.known, d.measured) for d in found.disagreements] == [
        ("eye", "OD", "OS"),
        ("hard_exudate", False, 3),
    ]
    assert found.landmarks["1.png"].eye == "OD", "places follow the side that is known"


def test_a_rejected_photograph_gives_its_grade_alone(tmp_path: Path, looked: list[str]) -> None:
    eye = _known(_photograph(tmp_path / "1.png"))
    found = measure_records([eye], tmp_path / "j", tools=ALL, grader=lambda *_: "reject")
    facts = found.known[0].record.facts
    assert {name: fact.value for name, fact in facts.items()} == {"quality": "reject"}


def test_a_disc_that_the_field_cuts_off_gives_no_ratio(
    tmp_path: Path, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = replace(MARKS, disc_centre_px=(13.0, 30.0))
    monkeypatch.setattr(records_measure, "landmarks_in", lambda *_: beside)
    eye, tools = _known(_photograph(tmp_path / "1.png")), ("anatomy", "cup")
    facts = measure_records([eye], tmp_path / "j", tools=tools).known[0].record.facts
    assert {name: fact.value for name, fact in facts.items()} == {
        "eye": "OS", "fovea_in_view": True,
    }  # fmt: skip


def test_the_cup_is_measured_where_it_is_asked_for(tmp_path: Path, looked: list[str]) -> None:
    eye, tools = _known(_photograph(tmp_path / "1.png")), ("anatomy", "cup")
    facts = measure_records([eye], tmp_path / "j", tools=tools).known[0].record.facts
    assert (facts["cup_to_disc"].value, facts["cup_to_disc"].source) == (
        0.5, "measured: anatomy-v2",
    )  # fmt: skip


@pytest.mark.parametrize(("grade", "added"), [(0, "microaneurysm"), (2, "hard_exudate")])
def test_lesions_are_not_added_against_a_grade(
    tmp_path: Path, looked: list[str], grade: int, added: str
) -> None:
    eye = _known(_photograph(tmp_path / "1.png"), Fact("dr_grade", grade, "manifest: x"))
    facts = measure_records([eye], tmp_path / "j", tools=("lesions",)).known[0].record.facts
    assert set(facts) == {"dr_grade", added}


def test_finders_that_err_on_photographs_look_only_when_named(
    tmp_path: Path, looked: list[str]
) -> None:
    assert TOOLS == ("anatomy", "quality")
    eye = _known(_photograph(tmp_path / "1.png"))
    facts = measure_records([eye], tmp_path / "j").known[0].record.facts
    assert set(facts) == {"eye", "fovea_in_view"}


def test_a_bad_image_is_named_and_kept_as_it_is(tmp_path: Path, looked: list[str]) -> None:
    good, bad = _photograph(tmp_path / "1.png"), tmp_path / "2.png"
    bad.write_bytes(b"no image")
    age = Fact("age", 61, "manifest: x")
    found = measure_records([_known(bad, age), _known(good)], tmp_path / "j")
    assert [each.record.image for each in found.known] == ["2.png", "1.png"]
    assert found.known[0].record.facts == {"age": age}
    ((name, why),) = found.left_out
    assert name == "2.png"
    assert "expected" in why


def test_the_same_call_resumes(tmp_path: Path, looked: list[str]) -> None:
    eyes = [_known(_photograph(tmp_path / f"{n}.png")) for n in (1, 2)]
    first = measure_records(eyes[:1], tmp_path / "j", tools=ALL)
    again = measure_records(eyes, tmp_path / "j", tools=ALL)
    assert looked == ["1.png", "2.png"]
    assert again.known[0] == first.known[0]
    tools: tuple[Tool, ...] = ("anatomy",)
    fewer = measure_records(eyes[:1], tmp_path / "j", tools=tools)
    assert looked[-1] == "1.png", "other tools are another measurement"
    assert "hard_exudate" not in fewer.known[0].record.facts


@pytest.mark.parametrize(
    ("name", "one", "other", "expected"),
    [
        ("hard_exudate", True, 3, False),
        ("hard_exudate", False, 0, False),
        ("hard_exudate", True, 0, True),
        ("hard_exudate", 3, 4, False),
        ("hard_exudate", 3, 40, True),
        ("cup_to_disc", 0.41, 0.59, False),
        ("cup_to_disc", 0.59, 0.61, True),
        ("quality", "good", "usable", True),
        ("dr_grade", 1, 1, False),
    ],
)
def test_two_values_differ_where_they_are_told_differently(name, one, other, expected) -> None:
    assert differ(name, one, other) is expected


@pytest.mark.slow
def test_our_own_tools_find_what_was_drawn(tmp_path: Path) -> None:
    from retinaforge.phantoms import write_phantoms
    from retinaforge.phantoms.recipe import load_recipe
    from retinaforge.tasks.records_phantoms import phantom_records

    recipe = load_recipe("captioned")
    write_phantoms(tmp_path / "eyes", count=2, size_px=512, seed=3, recipe=recipe)
    drawn = list(phantom_records(tmp_path / "eyes"))
    bare = [Known(EyeRecord(each.record.image), each.path) for each in drawn]
    found = measure_records(bare, tmp_path / "j", tools=("anatomy", "vessels"))
    assert found.left_out == []
    for truth, seen in zip(drawn, found.known, strict=True):
        assert seen.record.value("eye") == truth.record.value("eye")
        density = float(seen.record.value("vessel_density") or 0)
        assert 0.4 < density / float(truth.record.value("vessel_density") or 1) < 1.3

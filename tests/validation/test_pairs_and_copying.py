"""Pairs by name, and copies among made-up vessel patterns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up import made_up_pattern, measured, pattern_arrays, side_of, with_jobs

from retinaforge.core import Refusal, rng_for
from retinaforge.validation.copying import find_copying, pattern_of_arrays, worst_first
from retinaforge.validation.eye import Measured
from retinaforge.validation.paired import pairs_of, stem_of
from retinaforge.validation.rejects import file_of, reasons_of
from retinaforge.validation.tables import row_of


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a/eye_1.jpg", "eye_1"), ("synthetic_eye_1.png", "eye_1"), ("x.y.png", "x.y")],
)
def test_names_are_compared_without_folder_and_ending(name: str, stem: str) -> None:
    assert stem_of(name) == stem


def test_pairs_are_found_by_name_in_the_real_sides_order() -> None:
    real = with_jobs([measured(f"{k}.jpg") for k in "abc"])
    synthetic = with_jobs([measured(f"deep/synthetic_{k}.png", side="synthetic") for k in "cad"])
    pairs = pairs_of(real, synthetic)
    assert [(one[0].name, other[0].name) for one, other in pairs] == [
        ("a.jpg", "deep/synthetic_a.png"), ("c.jpg", "deep/synthetic_c.png"),
    ]  # fmt: skip


def test_no_pair_is_refused() -> None:
    with pytest.raises(Refusal, match=r"got no pair, e\.g\. real_000\.png and none"):
        pairs_of(with_jobs(side_of(2)), [])


def turned(m: Measured, name: str) -> Measured:
    """Return a made-up eye's vessels mirrored and turned by 20 degrees, as somebody else's."""
    pattern, angle = pattern_of_arrays(m.arrays), np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = turn @ np.diag([-1, 1])
    moved = replace(
        pattern, points=pattern.points @ turn.T, junctions=pattern.junctions @ turn.T,
        directions=(np.pi - pattern.directions + angle) % np.pi,
        arms=(np.pi - pattern.arms + angle + np.pi) % (2 * np.pi) - np.pi,
    )  # fmt: skip
    own = measured(name, side="synthetic")
    return replace(own, arrays=own.arrays | pattern_arrays(moved))


def test_a_planted_copy_is_found_and_strangers_are_not() -> None:
    real = side_of(4)
    synthetic = [turned(real[2], "copy.png"), measured("other.png", side="synthetic")]
    few = measured("few.png", side="synthetic")
    thin = made_up_pattern(rng_for(0, "thin"), lines=1)
    synthetic.append(replace(few, arrays=few.arrays | pattern_arrays(thin)))
    found = find_copying(synthetic, real, real, against="the real folder")
    (line,) = found.scores
    assert [row["copy"] for row in found.nearest] == [True, False, False]
    assert [row["examined"] for row in found.nearest] == [True, True, False]
    assert found.nearest[0]["nearest"] == real[2].row["name"]
    assert found.nearest[0]["likeness"] > 0.7
    assert (line.extra["copies"], line.n, line.extra["unexamined"], line.value) == (1, 2, 1, 0.5)
    assert (line.extra["baseline"], line.extra["baseline_n"]) == (0.0, 4)
    assert line.extra["calibration"]["n_pairs"] > 1000
    assert worst_first(found.nearest, most=1) == [found.nearest[0]]


def test_the_baseline_leaves_ones_own_eyes_out() -> None:
    real = side_of(2, patient="one and the same")
    found = find_copying(side_of(2, side="synthetic"), real, real, against="x")
    assert found.scores[0].extra["baseline"] is None
    assert found.scores[0].extra["baseline_n"] == 0


@pytest.mark.parametrize(
    ("name", "prefix", "file"),
    [
        ("a/b.png", "", "synthetic_a__b_png.jpg"),
        ("a/b.JPG", "", "synthetic_a__b_jpg.jpg"),
        ("synthetic_1.png", "copy_", "copy_synthetic_1_png.jpg"),
    ],
)
def test_pictures_say_in_their_name_that_they_are_synthetic(
    name: str, prefix: str, file: str
) -> None:
    assert file_of(name, prefix) == file


def test_a_row_of_the_table_is_flat() -> None:
    ill = measured("a.png", side="synthetic", failed=["one_disc"], groups={"sex": "F"},
                   vessels={"crae_um": 150.0})  # fmt: skip
    assert reasons_of(ill) == ["one_disc: made up"]
    row = row_of(ill.row, {"synthetic/a.png": {"copy": False}, "real/a.png": {"copy": True}})
    assert row["check_one_disc"] is False
    assert row["check_calibres"] is True
    assert (row["group_sex"], row["crae_um"], row["copy"]) == ("F", 150.0, False)
    assert all(not isinstance(value, dict) for value in row.values())

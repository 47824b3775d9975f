"""Searches: kept, resumed, the same over processes; copies planted as positive control."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import made_up_pattern, measured, pattern_arrays, side_of, with_jobs

from retinaforge.audits.disguises import COPY_KINDS
from retinaforge.audits.patterns import Pattern, mirrored
from retinaforge.core import rng_for
from retinaforge.validation import copy_control, copy_search
from retinaforge.validation.copy_control import Planted, control_of, middle_level, plant_copies
from retinaforge.validation.copy_search import Found, Search, search_all
from retinaforge.validation.copying import BASELINE, find_copying
from retinaforge.validation.eye import Measured, Settings


def patterns(count: int) -> list[Pattern]:
    return [made_up_pattern(rng_for(k, "references")) for k in range(count)]


def nobody_searches(*_: object, **__: object) -> Found:
    raise AssertionError("this was searched before")


def test_a_second_search_reads_what_the_first_found(tmp_path, monkeypatch) -> None:
    references = patterns(4)
    asked = [Search(mirrored(references[2])), Search(references[1], without=(1,))]
    first = search_all(asked, references, cache=tmp_path)
    assert first[0].reference == 2
    assert first[0].likeness > 0.7
    assert first[1].reference != 1
    assert not list((tmp_path / "copies").glob("*.npz"))
    monkeypatch.setattr(copy_search, "_search", nobody_searches)
    assert search_all(asked, references, cache=tmp_path) == first
    with pytest.raises(AssertionError, match="searched before"):
        search_all(asked, references[:3], cache=tmp_path)


def test_a_killed_run_goes_on_where_it_was(tmp_path, monkeypatch) -> None:
    references, said = patterns(4), []
    asked = [Search(reference) for reference in references]
    whole = search_all(asked, references, cache=tmp_path)
    (journal,) = (tmp_path / "copies").glob("*.jsonl")
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:3], lines[3][:20]]))
    again = search_all(asked, references, cache=tmp_path, on_progress=lambda k, n: said.append(k))
    assert again == whole
    assert said == [3, 4]
    rows = [line for line in journal.read_text().splitlines() if line.endswith("}")]
    assert len({json.loads(row)["query"] for row in rows}) == 4


def test_a_search_whose_process_was_killed_is_not_examined(monkeypatch, tmp_path) -> None:
    real = side_of(3)
    monkeypatch.setattr(copy_search, "work_through", lambda jobs, work, workers: (
        (job, None) for job in jobs))  # fmt: skip
    found = find_copying(side_of(2, side="synthetic"), real, real, against="x", cache=tmp_path)
    assert [row["examined"] for row in found.nearest] == [False, False]
    assert found.scores[0].extra["unexamined"] == 2
    assert found.scores[0].extra["baseline_n"] == 0
    assert not list((tmp_path / "copies").glob("*.jsonl"))


@pytest.mark.slow
def test_processes_do_not_change_what_is_found(tmp_path) -> None:
    references = patterns(5)
    asked = [Search(mirrored(p)) for p in references]
    assert search_all(asked, references, workers=2) == search_all(asked, references, workers=1)


def as_synthetic(m: Measured) -> Measured:
    return replace(m, row=m.row | {"side": "synthetic"})


def test_two_folders_with_the_same_bytes_are_all_copies() -> None:
    real = side_of(4)
    found = find_copying([as_synthetic(m) for m in real], real, real, against="x")
    assert [row["copy"] for row in found.nearest] == [True] * 4
    assert [row["nearest"] for row in found.nearest] == [m.row["name"] for m in real]
    assert found.scores[0].value == 1.0


def test_one_reference_is_enough_to_search() -> None:
    real = side_of(1)
    found = find_copying([as_synthetic(real[0]), *side_of(1, side="synthetic")], real, [],
                         against="the training folder")  # fmt: skip
    assert [row["copy"] for row in found.nearest] == [True, False]
    assert found.nearest[0]["cosine"] is None
    assert found.scores[0].extra["baseline"] is None


def test_references_without_vessels_are_nobodys_original() -> None:
    empty = made_up_pattern(rng_for(0, "empty"), lines=1)
    bare = replace(empty, points=empty.points[:0], directions=empty.directions[:0],
                   junctions=empty.junctions[:0], arms=empty.arms[:0])  # fmt: skip
    real = [replace(m, arrays=m.arrays | pattern_arrays(bare)) for m in side_of(2)]
    found = find_copying(side_of(2, side="synthetic"), real, real, against="x")
    assert [row["copy"] for row in found.nearest] == [False, False]
    assert [row["nearest"] for row in found.nearest] == [None, None]
    assert found.scores[0].extra["baseline_n"] == 0
    assert found.scores[0].extra["control"]["n"] == 0


def test_the_baseline_is_an_even_sample_of_stated_size(monkeypatch) -> None:
    monkeypatch.setattr("retinaforge.validation.copying.BASELINE", 3)
    real = side_of(6)
    extra = find_copying(side_of(1, side="synthetic"), real, real, against="x").scores[0].extra
    assert (extra["baseline_n"], extra["baseline_of"], BASELINE) == (3, 6, 200)
    assert extra["baseline_at_most"] == pytest.approx(1 - 0.05 ** (1 / 3))
    per_pair = extra["calibration"]["extrapolated_rate"]
    assert extra["false_match_rate_per_image"] == pytest.approx(6 * per_pair, rel=1e-3)


def test_planted_copies_are_counted_by_kind() -> None:
    real = side_of(3)
    pattern = Pattern(**{k.removeprefix("pattern_"): v for k, v in real[1].arrays.items()
                         if k.startswith("pattern_")})  # fmt: skip
    planted = [
        Planted("flip", 1, 1, mirrored(pattern)), Planted("flip", 1, 0, mirrored(pattern)),
        Planted("crop", 0.7, 1, None),
    ]  # fmt: skip
    found = find_copying(side_of(1, side="synthetic"), real, real, against="x", planted=planted)
    assert found.scores[0].extra["control"] == {
        "n": 3, "found": 1, "images": 2,
        "kinds": [{"kind": "crop", "level": 0.7, "found": 0, "n": 1},
                  {"kind": "flip", "level": 1, "found": 1, "n": 2}],
    }  # fmt: skip
    assert control_of([], [])["n"] == 0


def test_copies_are_planted_of_evenly_spaced_images_that_have_vessels(
    monkeypatch, tmp_path: Path
) -> None:
    thin = made_up_pattern(rng_for(0, "thin"), lines=1)
    few = measured("thin.png")
    real = [replace(few, arrays=few.arrays | pattern_arrays(thin)), *side_of(4)]
    arrays = pattern_arrays(made_up_pattern(rng_for(0, "planted")))
    monkeypatch.setattr(copy_control, "_plant", lambda item, **_: (
        {} if item[1].kind == "jpeg" else arrays))  # fmt: skip
    said: list[tuple[int, int]] = []
    planted = plant_copies(
        with_jobs(real), settings=Settings(size_px=64), cache=tmp_path, images=2,
        on_progress=lambda k, n: said.append((k, n)),
    )  # fmt: skip
    assert {p.original for p in planted} == {1, 3}
    assert len(planted) == 2 * len(COPY_KINDS) == said[-1][1] == len(said)
    assert all((p.pattern is None) == (p.kind == "jpeg") for p in planted)
    assert {p.level for p in planted if p.kind == "crop"} == {0.7}
    assert [middle_level(kind) for kind in COPY_KINDS if kind.name == "flip"] == [1]
    assert np.isfinite([p.level for p in planted]).all()

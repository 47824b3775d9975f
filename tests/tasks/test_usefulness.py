"""Whole studies on points: planted help is found, planted uselessness too, and nobody leaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from useful_eyes import backbone_of, example, toy

from retinaforge.core import Refusal
from retinaforge.reports.usefulness_page import in_words, text_table, verdict, write_usefulness_page
from retinaforge.tasks import usefulness_scores
from retinaforge.tasks.usefulness_arms import Arm, arms_of, balanced, pool_of
from retinaforge.tasks.usefulness_exchange import exchange, worth_of
from retinaforge.tasks.usefulness_fit import Job, finished, fit_all
from retinaforge.tasks.usefulness_results import write_results
from retinaforge.tasks.usefulness_rounds import Material, derived, rounds_of
from retinaforge.tasks.usefulness_study import Done, Options, Plan, Prepared

RATIOS = (1.0, 5.0)


def study(folder: Path, *, few: int = 0, seeds: int = 2, **eyes: Any) -> Done:
    """Run a whole study on points."""
    material, vectors = toy(**eyes)
    backbone = backbone_of(material, vectors)
    rounds, words = rounds_of(material, seeds=seeds, few=few, sources=True)
    arms = arms_of(rounds, RATIOS)
    jobs = [Job(arm, one) for one in rounds for arm in arms]
    fits = list(fit_all(jobs, material, backbone, folder, on_fit=lambda *_: None))
    plan = Plan(len(arms), seeds, (len(jobs), 0), (len(vectors), 0), 0, 1.0)
    prepared = Prepared(material, vectors, [], (), (), ())
    options = Options(seeds=seeds, ratios=RATIOS, few=few)
    return Done(prepared, rounds, words, arms, fits, plan, backbone.facts(), 1.0, options)


def told_of(done: Done, out: Path) -> dict[str, Any]:
    about = {"target": "referable", "warnings": [], "encoder": "points",
             "folders": {"real": ["a"], "external": [], "synthetic": "b"}}  # fmt: skip
    return write_results(done, out, about)


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Draw patients seldom: what is planted is clear."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usefulness_scores, "RESAMPLES", 800)
        yield


@pytest.fixture(scope="module")
def helped(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("helped")
    sizes = {"teach": 72, "judge": 72, "external": 40, "eyes": 2}
    done = study(out / "fits", few=12, sources=("east", "west"), **sizes)
    return told_of(done, out), out


def headline(told: dict[str, Any], where: str = "judge", level: str = "image") -> dict[str, Any]:
    return {
        r["arm"]: r
        for r in told["results"]
        if (r["metric"], r["where"], r["level"], r["class"]) == ("auroc", where, level, "")
    }


def test_informative_synthetic_images_help_where_photographs_are_few(helped) -> None:
    told, _ = helped
    rows = headline(told)
    assert verdict(rows["real+synthetic 5"]) == "better"
    assert rows["real+synthetic 5"]["difference"]["p_holm"] < 0.05
    assert rows["synthetic"]["value"] > rows["real"]["value"]
    assert rows["real+shuffled 1"]["value"] < rows["real+synthetic 1"]["value"]
    assert in_words(told)[0]["text"].count("Synthetic images help: real+synthetic 5")
    assert headline(told, "external")["real+synthetic 5"]["value"] > 0.9
    assert headline(told, "synthetic").keys() == {"real"}
    assert len(rows["real"]["per_seed"]) == 2


def test_noise_does_not_help(tmp_path: Path) -> None:
    done = study(tmp_path / "fits", teach=40, judge=80, informative=False)
    told = told_of(done, tmp_path)
    rows = headline(told)
    assert all(verdict(rows[name]) != "better" for name in rows)
    assert 0.3 < rows["synthetic"]["value"] < 0.7
    assert rows["real+synthetic 1"]["value"] <= rows["real"]["value"] + 0.02
    assert "Synthetic images help:" not in in_words(told)[0]["text"]
    assert told["exchange"] == {
        "rows": [], "reason": "no photographs were held back (--few N)",
    }  # fmt: skip


def test_more_photographs_tell_what_synthetic_ones_are_worth(helped) -> None:
    told, _ = helped
    assert {arm["name"] for arm in told["arms"]} >= {"real+real 1", "real+real 5"}
    worth = {row["synthetic"]: row for row in told["exchange"]["rows"]}
    assert worth[60]["worth"] > 5
    assert worth[60]["interval"][0] >= 0
    assert worth[60]["per_real"] == pytest.approx(60 / worth[60]["worth"])


def test_sources_are_left_out_in_turn_with_mean_worst_and_gap(helped) -> None:
    told, _ = helped
    left = told["leave_one_source_out"]
    assert left["sources"] == ["east", "west"]
    rows = {row["arm"]: row for row in left["rows"]}
    own = rows["real+synthetic 5"]
    values = [one["value"] for one in own["by_source"].values()]
    taught = [one["value"] for one in own["taught_by_source"].values()]
    assert own["mean"]["value"] == pytest.approx(np.mean(values))
    assert own["worst"]["value"] == pytest.approx(min(values))
    assert own["gap"]["value"] == pytest.approx(np.mean(taught) - np.mean(values))
    assert own["difference"]["mean"]["value"] == pytest.approx(
        np.mean(values) - rows["real"]["mean"]["value"]
    )


def test_a_patient_is_never_on_both_sides() -> None:
    material, _ = toy(teach=30, judge=30, eyes=2, sources=("east", "west"))
    # A reconstruction of a photograph that judges, and a copy of its file among those that teach.
    judge = rounds_of(material, seeds=1)[0][0].judge
    owner = material.examples[judge[0]].record.patient
    examples = list(material.examples)
    drawn = int(np.flatnonzero(material.origin == "synthetic")[0])
    examples[drawn] = replace(
        examples[drawn], record=replace(examples[drawn].record, patient=owner)
    )
    contents = material.contents.copy()
    contents[0] = contents[judge[1]]
    mixed = Material(tuple(examples), material.labels, material.origin, contents, material.source)
    rounds = rounds_of(mixed, seeds=3, few=10, sources=True)[0]
    names = mixed.patients
    assert {one.protocol for one in rounds} == {"split", "without:east", "without:west"}
    for one in rounds:
        judged = set(names[one.judge])
        for side in (one.teach, one.spare, one.synthetic):
            assert not judged & set(names[side])
            assert not set(contents[one.judge]) & set(contents[side])
        assert not set(names[one.teach]) & set(names[one.spare])
        if one.protocol == "split":
            assert drawn not in one.synthetic
            assert 0 not in [*one.teach, *one.spare]
        else:
            source = one.protocol.partition(":")[2]
            assert set(mixed.source[one.judge]) == {source}
            assert source not in set(mixed.source[one.teach])


def test_without_a_split_folds_of_patients_judge_in_turn() -> None:
    material, _ = toy(teach=30, judge=30, eyes=2)
    bare = replace(material, examples=tuple(
        replace(one, record=replace(one.record, split=None)) for one in material.examples
    ))  # fmt: skip
    rounds, words = rounds_of(bare, seeds=5)
    assert "folds of patients" in words
    judged = np.concatenate([one.judge for one in rounds])
    assert sorted(judged) == list(range(60))
    assert all(not set(bare.patients[r.teach]) & set(bare.patients[r.judge]) for r in rounds)


def test_a_synthetic_image_is_known_by_the_photograph_it_was_made_from() -> None:
    real = [example("a/left", "7", dataset="odir"), example("0003", "8", dataset="odir")]
    made = [example(name, "x", dataset="made") for name in
            ("synthetic_odir-a_left", "synthetic_left", "synthetic_0003", "other")]  # fmt: skip
    assert derived(made, real) == ["odir:7", "odir:7", None, None]


def test_arms_take_the_same_steps_and_nested_images() -> None:
    material, _ = toy(teach=20, drawn=50)
    one = rounds_of(material, seeds=1)[0][0]
    arms = {arm.name: arm for arm in arms_of([one], (0.5, 1, 2, 10))}
    assert list(arms) == [
        "real", "augmented", "oversampled", "real+synthetic 0.5", "real+synthetic 1",
        "real+synthetic 2", "real+shuffled 1", "synthetic",
    ]  # fmt: skip
    pools = {name: pool_of(arm, one, material) for name, arm in arms.items()}
    assert [len(pools[n].places) for n in ("real", "real+synthetic 0.5", "real+synthetic 2")] == [
        20, 30, 60,
    ]  # fmt: skip
    assert set(pools["real+synthetic 0.5"].places) < set(pools["real+synthetic 2"].places)
    same, dealt = pools["real+synthetic 1"], pools["real+shuffled 1"]
    assert same.places.tolist() == dealt.places.tolist()
    assert sorted(same.values[20:, 0]) == sorted(dealt.values[20:, 0])
    assert same.values[20:, 0].tolist() != dealt.values[20:, 0].tolist()
    assert same.values[:20, 0].tolist() == dealt.values[:20, 0].tolist()
    assert pools["augmented"].strong
    assert pools["synthetic"].places.tolist() == one.synthetic.tolist()
    few = toy(teach=20, drawn=5)[0]
    single = rounds_of(few, seeds=1)[0]
    assert "real+synthetic 0.25" in [arm.name for arm in arms_of(single, (1.0, 10.0))]


def test_oversampling_draws_every_class_alike() -> None:
    values = np.array([[0], [0], [0], [1], [np.nan]])
    chances = balanced(values)
    assert chances.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2, 0])


def test_the_same_call_resumes_and_a_changed_image_does_not(tmp_path: Path) -> None:
    material, vectors = toy(teach=12, judge=20, drawn=20)
    backbone = backbone_of(material, vectors, steps=5)
    rounds = rounds_of(material, seeds=2)[0]
    jobs = [Job(Arm(name, name), one) for one in rounds for name in ("real", "augmented")]  # type: ignore[arg-type]
    first = list(fit_all(jobs, material, backbone, tmp_path, on_fit=lambda *_: None))
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert len(stamps) == 4
    damaged = min(stamps)
    damaged.write_bytes(b"half")
    again = list(fit_all(jobs, material, backbone, tmp_path, on_fit=lambda *_: None))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.answers["judge"], other.answers["judge"])
    assert all(p.stat().st_mtime_ns == t for p, t in stamps.items() if p != damaged)
    moved = vectors.copy()
    moved[rounds[0].teach[0]] += 1
    assert not finished(jobs, material, replace(backbone, vectors=moved), tmp_path)
    assert len(finished(jobs, material, backbone, tmp_path)) == 4


def test_results_are_written_whole_and_read_by_the_page(helped) -> None:
    told, out = helped
    assert told == json.loads((out / "usefulness.json").read_text())
    page = write_usefulness_page(out).read_text()
    for words in ("Do synthetic images help", "without east", "How many synthetic images",
                  "patient by patient", "What it shows"):  # fmt: skip
        assert words in page
    assert "real+synthetic 5" in text_table(told)
    assert told["judged"]["teach"]["images"] == 12
    slices = {(row["by"], row["group"]) for row in told["slices"]}
    assert ("quality", "good") in slices
    assert ("dr_grade", "3") in slices
    assert all(row["right"] is not None for row in told["entropy"])
    assert {r["level"] for r in told["results"]} == {"image", "patient"}
    with pytest.raises(Refusal, match="expected a folder that `retinaforge usefulness` wrote"):
        write_usefulness_page(out / "fits")


def test_worth_is_read_off_the_line_between_two_sizes() -> None:
    assert worth_of([10, 20, 40], [0.6, 0.7, 0.8], 0.75) == (20.0, "")
    none, why = worth_of([10, 20], [0.6, 0.7], 0.55)
    assert (none, why) == (0.0, "no better than the photographs alone: they stand for none")
    most, why = worth_of([10, 20], [0.6, 0.7], 0.9)
    assert most == 10
    assert "at least so many" in why
    draws = np.array([[0.6, 0.6], [0.7, 0.7]])
    row = exchange([10, 20], [0.6, 0.7], draws, [(40, 0.65, np.array([0.65, 0.6]))])[0]
    assert row["worth"] == pytest.approx(5)
    assert row["per_real"] == pytest.approx(8)
    assert row["interval"] == pytest.approx([0.125, 4.875])


def test_options_are_refused_with_what_to_do() -> None:
    with pytest.raises(Refusal, match="expected at least two seeds; got 1; five are usual"):
        Options(seeds=1)
    with pytest.raises(Refusal, match="expected ratios above 0; got -1"):
        Options(ratios=(-1.0,))
    with pytest.raises(Refusal, match="expected ratios above 0; got 1, nan"):
        Options(ratios=(1.0, float("nan")))
    with pytest.raises(Refusal, match="expected steps, batch and copies of at least 1"):
        Options(steps=0)

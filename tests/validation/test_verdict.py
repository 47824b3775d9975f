"""The verdict: failures first, each sentence with what it rests on, nothing passed in silence."""

from __future__ import annotations

import math
from typing import Any

import pytest

from retinaforge.core import Card, Score
from retinaforge.core.naming import short_space
from retinaforge.validation.sentence import Sentence, identity_of
from retinaforge.validation.verdict import verdict_of

SPREAD = {"mean": 1.0, "low": 0.5, "high": 1.5}
NOTHING_LEFT: dict[str, list[dict[str, Any]]] = {"real": [], "synthetic": []}


def score(
    family: str, name: str, value: float = 0.0, n: int = 200, direction: str = "lower is better",
    where: dict[str, str] | None = None, **extra: Any,
) -> Score:  # fmt: skip
    card = Card(name, 1, "something", "[0, 1]", direction, "1", 1, "made up", "always")
    reason = "too few" if math.isnan(value) else ""
    return Score(card, value, None, n, {"family": family, **(where or {})}, reason, extra)


def said(
    *scores: Score, panel: Any = ({"kind": "blur", "family": "x"},), **further: Any
) -> list[Sentence]:
    return verdict_of(
        scores, left_out=further.pop("left_out", NOTHING_LEFT), panel=panel, **further
    )


def fidelity(mean: float, **further: Any) -> Score:
    return score("fidelity", "kernel_distance", where={"space": "structure"}, floor=SPREAD,
                 matched={"mean": mean, "low": mean, "high": mean}, **further)  # fmt: skip


TOO_FEW = [
    "No biomarkers could be compared: too few values.",
    "No quality numbers could be compared: too few values.",
]


def others(sentences: list[Sentence]) -> list[Sentence]:
    return [s for s in sentences if s.text not in TOO_FEW]


def test_a_set_within_its_floor_passes_and_one_beyond_it_is_named() -> None:
    (good,) = others(said(fidelity(1.4)))
    assert (good.level, good.scores) == ("pass", ("fidelity:structure:kernel_distance",))
    assert (
        "cannot be told from another half of the real set (1.4; real against real 0.5" in good.text
    )
    (bad,) = others(said(fidelity(1.6)))
    assert bad.level == "caution"
    assert bad.text.startswith("In structure, the synthetic images look like another set")


def test_low_coverage_is_worse_and_high_coverage_says_nothing() -> None:
    matched = {"floor": SPREAD, "direction": "higher is better", "where": {"space": "colour"}}
    low = score("fidelity", "coverage", **matched, matched={"mean": 0.1})
    high = score("fidelity", "coverage", **matched, matched={"mean": 2.0})
    assert "leave out kinds of real image" in others(said(low))[0].text
    assert others(said(high)) == []


@pytest.mark.parametrize(
    ("n", "words"), [(29, "only gross faults"), (99, "intervals are wide"), (100, None)]
)
def test_small_sets_are_warned_of(n: int, words: str | None) -> None:
    cautions = [s.text for s in said(fidelity(1.0, n=n)) if s.level == "caution"]
    assert (words is None and not cautions) or words in cautions[0]


def test_failures_stand_first_and_unknowns_before_passes() -> None:
    levels = [s.level for s in said(
        fidelity(1.0), fidelity(9.0), score("copies", "copied", copies=1, n=50), panel=(),
    )]  # fmt: skip
    assert levels == ["failure", "caution", "unknown", "unknown", "unknown", "pass"]


def test_copies_are_a_failure_and_none_is_no_proof() -> None:
    where = {"against": "the real folder"}
    (bad,) = others(said(score("copies", "copied", copies=1, n=60, where=where)))
    assert bad.level == "failure"
    assert bad.text.startswith("1 of 60 synthetic images shows a real eye of the real folder: they")
    assert bad.scores == ("copies:the-real-folder:copied",)
    (good,) = others(said(score("copies", "copied", copies=0, n=60, where=where)))
    assert good.level == "pass"
    assert "at most 4.9%" in good.text or "at most 4.9 %" in good.text


@pytest.mark.parametrize(("found", "level"), [(3, "unknown"), (5, "pass")])
def test_a_search_that_misses_planted_copies_acquits_nobody(found: int, level: str) -> None:
    control = {"n": 10, "found": found}
    (sentence,) = others(said(score("copies", "copied", copies=0, n=60, control=control)))
    assert sentence.level == level
    assert ("Only 3 of 10 copies planted" in sentence.text) == (level == "unknown")


def test_what_was_not_searched_for_copies_is_said() -> None:
    found = others(said(score("copies", "copied", math.nan, copies=0, n=0, unexamined=3)))
    assert [s.level for s in found] == ["unknown"]
    assert found[0].text.startswith("3 synthetic images could not be searched for copies")


def test_reconstructions_are_meant_to_be_copies() -> None:
    found = others(said(score("copies", "copied", copies=9, n=9), score("paired", "psnr", 30.0)))
    assert found[0].level == "caution"
    assert "they are no synthetic patients" in found[0].text


def anatomy(name: str, value: float, p: float | None, **further: Any) -> Score:
    return score("anatomy", name, value, value_real=0.02, p_holm=p, p=p, **further)


def test_impossible_anatomy_is_a_failure() -> None:
    found = others(said(anatomy("one_disc", 0.3, 0.01), anatomy("anatomy_any", 0.32, 0.01)))
    assert [s.level for s in found] == ["failure", "failure"]
    assert "30% of synthetic images fail 'one_disc', 2% of real ones do." in found[0].text
    (fine,) = others(said(anatomy("one_disc", 0.03, 0.9), anatomy("anatomy_any", 0.04, 0.8)))
    assert (fine.level, fine.scores) == ("pass", ("anatomy::anatomy_any",))


def test_anatomy_does_not_pass_where_one_check_fails() -> None:
    (only,) = others(said(anatomy("field_of_view", 0.4, 0.01), anatomy("anatomy_any", 0.4, 0.06)))
    assert (only.level, only.scores) == ("failure", ("anatomy::field_of_view",))


def test_anatomy_that_nobody_judged_is_not_known() -> None:
    (unknown,) = others(
        said(anatomy("anatomy_any", math.nan, None), anatomy("tapering", math.nan, None))
    )
    assert (unknown.level, unknown.text) == ("unknown", "Anatomy could not be judged: too few.")


def test_checks_that_reject_real_eyes_pass_nothing() -> None:
    misfit = score("anatomy", "anatomy_any", 0.3, value_real=0.4, p_holm=0.6)
    (found,) = others(said(misfit))
    assert found.level == "unknown"
    assert "they reject 40% of the real ones (30% of the synthetic)" in found.text


def number(table: str, column: str, delta: float, p: float) -> Score:
    return score(table, "ks", 0.2, where={"column": column}, cliffs_delta=delta, p_holm=p)


def test_vessels_that_differ_much_forbid_measuring_them() -> None:
    lines = [number("vessels", "crae_um", -0.6, 0.001), number("vessels", "fractal", 0.1, 0.9)]
    found = [s for s in said(*lines) if s.text not in TOO_FEW]
    assert found[0].level == "failure"
    assert "1 of 2 biomarkers are spread differently" in found[0].text
    assert "Do not take vessel measurements" in found[0].text
    assert found[0].scores == ("vessels:crae_um:ks",)
    (small,) = [s for s in said(number("vessels", "crae_um", 0.2, 0.01)) if s.text not in TOO_FEW]
    assert small.level == "caution"
    (none,) = [s for s in said(number("quality", "haar_1", 0.2, 0.2)) if s.text not in TOO_FEW]
    assert (none.level, none.scores) == ("pass", ("quality",))


def test_what_was_left_out_is_said_by_side_and_kind() -> None:
    left = {
        "real": [{"status": "refused"}],
        "synthetic": [{"status": "no fundus"}, {"status": "no fundus"}],
    }
    found = {s.text: s for s in said(left_out=left)}
    assert found["2 synthetic images show no fundus: named below, not scored."].level == "failure"
    assert found["1 real file could not be read: named below."].level == "caution"


def test_swapped_folders_are_suspected() -> None:
    first = said(fidelity(1.0), real_say_synthetic=3)[0]
    assert first.level == "failure"
    assert "3 files of the real folder say by name or metadata to be synthetic" in first.text


def test_poor_quality_and_rare_groups_are_cautioned() -> None:
    grade = score("quality", "grade", 0.5, value_real=0.1, p=0.001)
    group = score("groups", "group_coverage", 0.1, where={"column": "sex", "group": "F"})
    group = Score(group.card, 0.1, (0.05, 0.3), 40, group.where)
    texts = {s.text: s for s in others(said(grade, group))}
    assert "50% are not of good quality, 10% of the real images." in texts
    (text,) = [t for t in texts if t.startswith("sex F")]
    assert texts[text].scores == ("groups:sex=F:group_coverage",)


def test_scores_that_notice_no_broken_vessel_are_named() -> None:
    row = {"kind": "broken-vessels", "family": "fidelity", "notices_from": None,
           "floor_median": 0.5}  # fmt: skip
    panel = [{**row, "score": f"s{k}"} for k in range(5)] + [
        {**row, "score": "t", "notices_from": 2}
    ]
    (found,) = others(said(panel=panel))
    assert "5 of 6 fidelity scores notice no level of broken vessels" in found.text
    assert found.text.endswith("s0, s1, s2, s3, …")
    assert found.scores == ("sanity",)


def test_identities_differ_and_have_no_blank() -> None:
    wheres = [{"column": "sex", "group": "F"}, {"column": "sex", "group": "F", "space": "colour"},
              {"column": "eye", "group": "F"}, {"column": "a b", "group": "60 - 69"}]  # fmt: skip
    names = [identity_of(score("groups", "coverage", where=where)) for where in wheres]
    assert len(set(names)) == 4
    assert not any(" " in name for name in names)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("structure", "structure"),
        ("structure: precision", "structure: precision"),
        ("squeezenet:a/b.npz", "squeezenet"),
        ("squeezenet:a/b.npz: kernel_distance", "squeezenet: kernel_distance"),
        ("clip:c:/m.safetensors: cmmd", "clip: cmmd"),
    ],
)
def test_a_space_is_named_without_its_file(name: str, short: str) -> None:
    assert short_space(name) == short

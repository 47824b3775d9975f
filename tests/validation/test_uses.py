"""What the images can be used for follows from the verdict's sentences, and from nothing else."""

from __future__ import annotations

import pytest

from retinaforge.validation.sentence import TINY_N, Level, Sentence
from retinaforge.validation.uses import MOST_REASONS, Use, uses_of

SHARE, MEASURE, FIND, VARIETY, CAMERA = range(5)


def sentence(level: Level, score: str) -> Sentence:
    return Sentence(level, f"{level} {score}", (score,))


EVERYTHING_HOLDS = [
    sentence("pass", name)
    for name in ("copies:real:copied", "vessels", "anatomy::anatomy_any",
                 "fidelity:structure:kernel_distance", "fidelity:colour:kernel_distance", "quality")
]  # fmt: skip


def answers(*said: Sentence, n: int = 200, paired: bool = False) -> list[str]:
    return [use.answer for use in uses_of(said, n=n, paired=paired)]


def test_where_everything_holds_nothing_stands_against_any_use() -> None:
    assert answers(*EVERYTHING_HOLDS) == ["nothing against it"] * 5


@pytest.mark.parametrize(
    ("level", "score", "changed"),
    [
        ("failure", "copies:real:copied", {SHARE: "no"}),
        ("unknown", "copies:real:copied", {SHARE: "not shown"}),
        ("failure", "vessels:crae_um:ks", {MEASURE: "no"}),
        ("failure", "anatomy::one_disc", {MEASURE: "no", FIND: "no"}),
        ("caution", "fidelity:structure:precision", {FIND: "with care", VARIETY: "with care"}),
        ("caution", "fidelity:colour:coverage", {VARIETY: "with care", CAMERA: "with care"}),
        ("caution", "groups:sex=F:group_coverage", {VARIETY: "with care"}),
        ("caution", "quality:haar_1:ks", {CAMERA: "with care"}),
        ("caution", "sanity", {}),
    ],
)
def test_a_sentence_decides_the_uses_that_it_speaks_to(
    level: Level, score: str, changed: dict[int, str]
) -> None:
    expected = [changed.get(k, "nothing against it") for k in range(5)]
    assert answers(*EVERYTHING_HOLDS, sentence(level, score)) == expected


def test_a_tiny_set_shows_nothing_but_may_fail() -> None:
    few = answers(*EVERYTHING_HOLDS, sentence("failure", "anatomy::one_disc"), n=TINY_N - 1)
    assert few == ["nothing against it", "no", "no", "not shown", "not shown"]
    (_, measure, *_) = uses_of(EVERYTHING_HOLDS, n=7, paired=False)
    assert measure.because == ("7 images on the smaller side show gross faults only.",)


def test_what_nothing_speaks_to_is_not_shown() -> None:
    assert answers() == ["not shown"] * 5


def test_the_gravest_sentences_are_the_reasons() -> None:
    bad = [sentence("failure", f"vessels:v{k}:ks") for k in range(5)]
    measure = uses_of([*EVERYTHING_HOLDS, *bad], n=200, paired=False)[MEASURE]
    assert measure == Use(
        "Measure their vessels in place of patients'", "no",
        tuple(s.text for s in bad[:MOST_REASONS]), tuple(f"vessels:v{k}:ks" for k in range(3)),
    )  # fmt: skip


def test_reconstructions_are_nobodys_synthetic_patients() -> None:
    names = [use.name for use in uses_of(EVERYTHING_HOLDS, n=200, paired=True)]
    assert "Share them as images of nobody" not in names
    assert names[-1] == "Stand for the photographs that they reconstruct"
    said = [*EVERYTHING_HOLDS, sentence("failure", "paired::dice")]
    assert uses_of(said, n=200, paired=True)[-1].answer == "no"

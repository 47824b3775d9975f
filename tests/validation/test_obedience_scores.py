"""Measures of obedience against closed form, and verdicts on made-up readings."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from retinaforge.tasks.oracle_words import WORD
from retinaforge.validation.obedience import Scored, _decides, verdict_of, words_scored
from retinaforge.validation.obedience_ladder import CHANCE as LADDER_CHANCE
from retinaforge.validation.obedience_ladder import ladder_of
from retinaforge.validation.obedience_scores import Line, accuracy, auroc, line_of, spearman
from retinaforge.validation.obedience_spread import (
    Seen,
    mean_pairwise,
    memory_of,
    nearest_records,
    spread_of,
)

RNG = np.random.default_rng


def test_measures_agree_with_other_implementations():
    rng = RNG(0)
    asked, read = rng.integers(0, 3, 60).astype(float), rng.normal(size=60).round(1)
    assert auroc(asked, read) == pytest.approx(roc_auc_score(asked > 0, read))
    assert spearman(asked, read) == pytest.approx(stats.spearmanr(asked, read)[0])


def test_accuracy_weighs_both_sides_alike():
    asked, read = np.array([0, 1, 1, 1]), np.array([0.9, 0.9, 0.9, 0.9])
    assert accuracy(asked, read) == 0.5
    assert math.isnan(accuracy(np.ones(4), read))


def test_constant_readings_have_no_rank_correlation():
    line = line_of(list(range(10)), [1.0] * 10, [str(k) for k in range(10)], measure="spearman",
                   rng=RNG(0))  # fmt: skip
    assert math.isnan(line.value)
    assert "all alike" in line.reason


def test_a_perfect_reading_leaves_chance_behind():
    asked = [0, 1] * 20
    line = line_of(asked, asked, [str(k // 2) for k in range(40)], measure="accuracy", rng=RNG(0))
    assert (line.value, line.interval, line.n, line.bases) == (1.0, (1.0, 1.0), 40, 20)
    assert line.shuffled[1] == pytest.approx(0.5, abs=0.03)
    assert line.shuffled[2] < 0.8


def test_images_of_one_base_are_drawn_together():
    rng = RNG(1)
    base = rng.normal(size=12)
    asked = np.repeat(base + 0.1 * rng.normal(size=12), 6)
    read = np.repeat(base + rng.normal(size=12), 6)
    wide = line_of(asked.tolist(), read.tolist(), [str(k // 6) for k in range(72)],
                   measure="spearman", rng=RNG(0))  # fmt: skip
    narrow = line_of(asked.tolist(), read.tolist(), [str(k) for k in range(72)],
                     measure="spearman", rng=RNG(0))  # fmt: skip
    assert np.ptp(wide.interval) > 1.5 * np.ptp(narrow.interval)


def test_too_few_images_are_not_judged():
    line = line_of([0, 1], [0, 1], ["a", "b"], measure="accuracy", rng=RNG(0))
    assert math.isnan(line.value)
    assert "8 are needed" in line.reason


def told(value, interval, shuffled=(0.4, 0.5, 0.6)):
    return Line(value, interval, shuffled, 40, 20)


@pytest.mark.parametrize(
    ("line", "ceiling", "verdict"),
    [
        (told(0.9, (0.8, 1.0)), told(1.0, (0.97, 1.0)), "obeys"),
        (told(0.5, (0.4, 0.58)), told(1.0, (0.97, 1.0)), "does not"),
        (told(0.6, (0.5, 0.7)), told(1.0, (0.97, 1.0)), "not shown"),
        (told(0.9, (0.8, 1.0)), told(0.6, (0.5, 0.7)), "unreadable"),
    ],
)
def test_verdicts(line, ceiling, verdict):
    scored = Scored("accuracy", "network", line, ceiling, None)
    found, sentence = verdict_of(WORD["eye"], scored)
    assert found == verdict
    assert sentence.startswith("right or left eye: ")


def score(measure, reader, ceiling, line=None):
    return Scored(measure, reader, line or told(0.5, (0.4, 0.6)), ceiling, None)


def test_who_reads_eyes_best_decides_in_another_measure_if_need_be():
    """A network that is blind to the side must not hide that a closed form reads it."""
    blind = score("accuracy", "network", told(0.4, (0.1, 0.5)))
    able = score("auroc", "closed", told(1.0, (1.0, 1.0)))
    weak = score("auroc", "network", told(0.8, (0.65, 0.9)))
    assert _decides([blind, weak, able]) is able
    assert _decides([blind, score("auroc", "closed", told(0.6, (0.5, 0.7)))]) is blind
    seen = score("accuracy", "network", told(0.9, (0.8, 1.0)))
    assert _decides([seen, able]) is seen, "the word's first measure, where somebody reads it"
    other = score("accuracy", "segmenter", told(0.95, (0.9, 1.0)), line=told(0.1, (0.0, 0.2)))
    assert _decides([seen, other]) is other, "what was read off the generator has no say"


def rows_of(word, levels, read, design="one fact", bases=10):
    return [
        {"design": design, "word": word, "level": str(v), "value": float(v), "base": f"b{b}",
         "donor": f"d{b}-{v}", "said": True, "image": f"{b}-{v}.png",
         "network": {word: read(v, b), f"{word}?": float(read(v, b) > 0.5)}, "closed": {}}
        for b in range(bases) for v in levels
    ]  # fmt: skip


def held_of(word, levels, bases=10):
    return [{"name": f"d{b}-{v}", "patient": f"p{b}-{v}", "through": "itself",
             "truth": {word: float(v)}, "closed": {},
             "network": {word: v + 0.01 * b, f"{word}?": float(v > 0)}}
            for b in range(bases) for v in levels]  # fmt: skip


def test_an_obedient_and_a_deaf_generator_are_told_apart():
    rng = RNG(3)
    held = held_of("dr_grade", range(5), 30)
    good = words_scored(rows_of("dr_grade", range(5), lambda v, b: v + 0.1 * b, bases=30), held)
    deaf = words_scored(rows_of("dr_grade", range(5), lambda v, b: rng.normal(), bases=30), held)
    assert [good[0]["verdict"], deaf[0]["verdict"]] == ["obeys", "does not"]
    assert good[0]["scores"][0]["ceiling"]["value"] > 0.95
    assert [level["asked"] for level in good[0]["levels"]] == [0, 1, 2, 3, 4]


def test_a_ladder_that_climbs_and_one_that_does_not():
    def rows(read):
        found = rows_of("dr_grade", range(5), read, design="ladder", bases=8)
        for row in found:
            row["network"]["hard_exudate"] = 3.0 * row["network"]["dr_grade"]
        return found

    held = [{**row, "network": {**row["network"], "hard_exudate": 1.0}}
            for row in held_of("dr_grade", range(5))]  # fmt: skip
    up = ladder_of(rows(lambda v, b: 0.5 * v), held)
    down = ladder_of(rows(lambda v, b: 4.0 - v), held)
    assert up["grade"]["samples"]["monotone"]["value"] == 1
    assert up["grade"]["samples"]["slope"]["value"] == pytest.approx(0.5)
    assert up["grade"]["donors"]["slope"]["value"] == pytest.approx(1.0)
    assert down["grade"]["samples"]["monotone"]["value"] == 0
    assert down["grade"]["samples"]["slope"]["value"] == pytest.approx(-1)
    assert pytest.approx(1 / 120) == LADDER_CHANCE
    assert ladder_of([], held) is None


def test_pairwise_distance_of_opposites_and_equals():
    middle = np.zeros(2)
    assert mean_pairwise(np.array([[1.0, 0], [-1, 0]]), middle) == pytest.approx(2)
    assert mean_pairwise(np.array([[1.0, 0], [3, 0]]), middle) == pytest.approx(0)
    assert math.isnan(mean_pairwise(np.ones((1, 2)), middle))


def truths(count):
    from retinaforge.tasks.oracle_words import WORDS

    rng = RNG(0)
    return tuple(
        {w.name: float(rng.integers(2)) if w.name == "eye" else float(rng.random()) for w in WORDS}
        for _ in range(count)
    )


def test_real_eyes_of_nearly_the_same_record_have_the_same_side():
    known = truths(40)
    near = nearest_records(known[7], known, 5)
    assert near[0] == 7
    assert all(known[k]["eye"] == known[7]["eye"] for k in near)


def test_one_eye_again_and_again_has_no_spread():
    rng = RNG(0)
    real = Seen(tuple("x" * 40), (), rng.normal(size=(40, 6)), truths(40))
    same = {
        "a": np.repeat(rng.normal(size=(1, 6)), 5, 0),
        "b": np.repeat(rng.normal(size=(1, 6)), 5, 0),
    }
    told = spread_of(same, {"a": real.truths[0], "b": real.truths[1]}, real)
    assert told["samples"]["value"] == pytest.approx(0, abs=1e-9)
    assert told["real"]["value"] > 0.3


def test_copies_of_training_eyes_lie_nearer_than_held_out_ones():
    rng = RNG(0)
    train = Seen(tuple(f"t{k}" for k in range(50)), tuple(f"t{k}" for k in range(50)),
                 rng.normal(size=(50, 8)))  # fmt: skip
    held = Seen(tuple(f"h{k}" for k in range(40)), tuple(f"h{k}" for k in range(40)),
                rng.normal(size=(40, 8)))  # fmt: skip
    copies = Seen(tuple(f"s{k}" for k in range(20)), (), train.vectors[:20] + 0.01)
    fresh = Seen(tuple(f"s{k}" for k in range(40)), (), rng.normal(size=(40, 8)))
    assert memory_of(copies, train, held)["share_above"] == 1
    assert memory_of(copies, train, held)["nearest"][0]["train"].startswith("t")
    assert memory_of(fresh, train, held)["share_above"] < 0.25

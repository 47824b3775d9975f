"""Heads find what is there, do not find what is not, and choose on teaching patients alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from retinaforge.core import Record
from retinaforge.metrics.prediction import auroc, r_squared
from retinaforge.tasks import probe_heads
from retinaforge.tasks.probe_attentive import attentive
from retinaforge.tasks.probe_heads import constant, linear, neighbours, onto_teaching_axes
from retinaforge.tasks.probe_target import Round, Target

N, TEACH = 120, 80
ONE = Round(0, np.arange(TEACH), np.arange(TEACH, N))
RECORDS = [Record(Path(f"{k}"), f"{k}", "made up", f"p{k}") for k in range(N)]
NOTHING = np.zeros((0, 40))


def classes(count: int = 2) -> Target:
    values = np.random.default_rng(1).integers(0, count, N).astype(float)
    return Target("kind", "class", tuple("abcde"[:count]), values, ("",) * N)


def number() -> Target:
    values = np.random.default_rng(2).normal(57, 12, N)
    return Target("age", "number", (), values, ("",) * N, "years")


def vectors(target: Target, strength: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N, 40)) * rng.uniform(0.1, 50, 40)
    signal = (target.values - target.values.mean()) / target.values.std()
    x[:, :4] += strength * x[:, :4].std(axis=0) * signal[:, None]
    return x.astype(np.float32)


@pytest.mark.parametrize("head", [linear, neighbours])
@pytest.mark.parametrize("strength", [2.0, 0.0])
def test_a_class_is_told_if_it_is_there(head, strength: float) -> None:
    target = classes()
    told = head(vectors(target, strength), target, RECORDS, ONE, NOTHING).answers
    np.testing.assert_allclose(told.sum(axis=1), 1)
    area = auroc(target.values[ONE.judge].astype(int), told, np.ones((1, N - TEACH)))[0]
    assert area > 0.9 if strength else 0.3 < area < 0.7


@pytest.mark.parametrize("head", [linear, neighbours])
def test_a_number_is_told_in_its_unit(head) -> None:
    target = number()
    told = head(vectors(target, 2.0), target, RECORDS, ONE, NOTHING).answers
    assert r_squared(target.values[ONE.judge], told, np.ones((1, N - TEACH)))[0] > 0.5


def test_turning_the_axes_changes_no_penalised_fit() -> None:
    target = number()
    x = vectors(target, 1.0).astype(float)
    a, b = x[ONE.teach], x[ONE.judge]
    plain_a, plain_b = ((each - a.mean(0)) / a.std(0) for each in (a, b))
    turned_a, turned_b = onto_teaching_axes(a, b)
    y = target.values[ONE.teach]
    np.testing.assert_allclose(
        Ridge(3.0).fit(plain_a, y).predict(plain_b), Ridge(3.0).fit(turned_a, y).predict(turned_b)
    )
    np.testing.assert_allclose(plain_a @ plain_b.T, turned_a @ turned_b.T, atol=1e-8)


def test_columns_that_do_not_vary_are_left_out() -> None:
    a, b = np.ones((5, 3)), np.full((2, 3), 7.0)
    turned = onto_teaching_axes(a, b)
    assert [t.shape for t in turned] == [(5, 1), (2, 1)]
    assert not turned[1].any()


@pytest.mark.parametrize("head", [linear, neighbours])
def test_judging_photographs_choose_nothing(head) -> None:
    target = classes()
    x = vectors(target, 0.5)
    before = head(x, target, RECORDS, ONE, NOTHING)
    x[ONE.judge] = 100.0
    other = Target(target.name, target.kind, target.classes, target.values.copy(), target.reasons)
    other.values[ONE.judge] = 1 - other.values[ONE.judge]
    assert head(x, other, RECORDS, ONE, NOTHING).setting == before.setting


def test_further_rows_are_answered_by_the_same_head() -> None:
    target = classes(3)
    x = vectors(target, 1.0)
    told = linear(x, target, RECORDS, ONE, x[ONE.judge][:7])
    np.testing.assert_allclose(told.extra, told.answers[:7])
    assert told.setting in probe_heads.STRENGTHS


def test_the_constant_says_what_is_common() -> None:
    target = classes(3)
    shares = np.bincount(target.values[:TEACH].astype(int)) / TEACH
    np.testing.assert_allclose(constant(target, ONE, 2), [shares, shares])
    assert constant(number(), ONE, 1)[0] == pytest.approx(number().values[:TEACH].mean())


def tokens_with_one_place(target: Target) -> np.ndarray:
    """Return tokens of which one, at a place that moves, is marked and tells the class."""
    rng = np.random.default_rng(4)
    tokens = rng.normal(size=(N, 30, 8))
    tokens[..., 0] = -1
    place = rng.integers(0, 30, N)
    tokens[np.arange(N), place, 0] = 6
    tokens[np.arange(N), place, 1] = 3 * (2 * target.values - 1)
    return tokens.astype(np.float16)


def test_a_query_finds_what_stands_in_one_place() -> None:
    target = classes()
    tokens = tokens_with_one_place(target)
    told, again = attentive(tokens, target, ONE, tokens[ONE.judge][:5])
    np.testing.assert_allclose(again, told[:5], atol=1e-5)
    truth, weights = target.values[ONE.judge].astype(int), np.ones((1, N - TEACH))
    assert auroc(truth, told, weights)[0] > 0.9
    same = attentive(tokens, target, ONE)[0]
    np.testing.assert_array_equal(told, same)


def test_a_query_tells_numbers_and_reads_large_sets_in_parts(monkeypatch) -> None:
    target = number()
    x = vectors(target, 2.0).reshape(N, 1, 40).repeat(3, axis=1).astype(np.float16)
    told = attentive(x, target, ONE)[0]
    assert r_squared(target.values[ONE.judge], told, np.ones((1, N - TEACH)))[0] > 0.3
    monkeypatch.setattr("retinaforge.tasks.probe_attentive.HELD_BYTES", 0)
    np.testing.assert_allclose(attentive(x, target, ONE)[0], told, rtol=1e-5)

"""Solvers against fields whose paths are known, and against diffusers' schedulers."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from retinaforge.core import Refusal
from retinaforge.generators.condition import Condition
from retinaforge.generators.guidance import Guidance
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.samplers import noise, runaways, sample
from retinaforge.generators.solvers import EVALUATIONS, METHODS, time_grid

MEAN, SPREAD = 1.5, 0.4


def gaussian(x, time):
    """Velocity of the flow to N(MEAN, SPREAD²): its path is known for every start."""
    variance = time**2 * SPREAD**2 + (1 - time) ** 2
    slope = (time * SPREAD**2 - (1 - time)) / variance
    return MEAN + slope * (x - time * MEAN)


def logistic(x, time):
    return 2 * x * (1 - x)


def solved(method, start, times, field=gaussian):
    *_, last = METHODS[method](field, start, times)
    return last


@pytest.mark.parametrize(
    ("method", "order"), [("euler", 1), ("heun", 2), ("midpoint", 2), ("dpm", 2), ("adams", 2)]
)
def test_orders_of_convergence(method, order):
    grids = [[0.05 + 0.9 * time for time in time_grid(steps)] for steps in (40, 80, 160)]
    start = torch.tensor([0.1, 0.4, 1.3], dtype=torch.float64)
    exact = 1 / (1 + (1 / start - 1) * math.exp(-2 * 0.9))
    errors = [float((solved(method, start, grid, logistic) - exact).abs().max()) for grid in grids]
    measured = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert measured == pytest.approx([order] * 2, abs=0.15), errors


@pytest.mark.parametrize(
    ("method", "error"),
    [("euler", 0.15), ("heun", 0.02), ("midpoint", 0.005), ("dpm", 0.02), ("adams", 0.02)],
)
def test_the_gaussian_flow_from_noise_to_data(method, error):
    start = torch.tensor([-1.3, 0.2, 2.1], dtype=torch.float64)
    for grid in (time_grid(25), time_grid(25, shift=2)):
        assert (solved(method, start, grid) - (MEAN + SPREAD * start)).abs().max() < error


@pytest.mark.parametrize("method", METHODS)
def test_a_straight_path_is_solved_in_one_step(method):
    start = torch.tensor([0.3, -0.7], dtype=torch.float64)
    target = torch.tensor([1.0, 2.0], dtype=torch.float64)

    def field(x, time):
        return target - start

    assert torch.allclose(solved(method, start, time_grid(1), field), target, atol=1e-12)
    assert torch.allclose(solved(method, start, time_grid(7, shift=3), field), target, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_evaluations_are_as_stated(method):
    calls = []

    def field(x, time):
        calls.append(time)
        return -x

    solved(method, torch.ones(2), time_grid(5), field)
    assert len(calls) == 5 * EVALUATIONS[method]
    assert all(0 <= time <= 1 for time in calls)


def test_at_equal_evaluations_midpoint_leads_and_euler_is_last():
    start = torch.linspace(-2, 2, 9, dtype=torch.float64)
    errors = {
        method: float(
            (solved(method, start, time_grid(20 // each)) - (MEAN + SPREAD * start)).abs().max()
        )
        for method, each in EVALUATIONS.items()
    }
    assert min(errors, key=errors.__getitem__) == "midpoint", errors
    assert errors["adams"] < errors["dpm"] < errors["euler"] / 5


def test_euler_agrees_with_diffusers():
    schedulers = pytest.importorskip("diffusers").schedulers
    scheduler = schedulers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(20)
    times = [1 - float(sigma) for sigma in scheduler.sigmas]
    start = noise([1, 2], (3, 4, 4))
    theirs = start
    for sigma, step in zip(scheduler.sigmas, scheduler.timesteps, strict=False):
        against_time = -gaussian(theirs, 1 - float(sigma))
        theirs = scheduler.step(against_time, step, theirs).prev_sample
    assert torch.allclose(solved("euler", start, times), theirs, atol=1e-6)


def test_dpm_agrees_with_diffusers():
    schedulers = pytest.importorskip("diffusers").schedulers
    scheduler = schedulers.DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=2.0
    )
    scheduler.set_timesteps(20)
    times = [1 - float(sigma) for sigma in scheduler.sigmas]
    start = noise([1, 2], (3, 4, 4))
    theirs = start
    for sigma, step in zip(scheduler.sigmas, scheduler.timesteps, strict=False):
        against_time = -gaussian(theirs, 1 - float(sigma))
        theirs = scheduler.step(against_time, step, theirs).prev_sample
    assert torch.allclose(solved("dpm", start, times), theirs, atol=2e-6)
    assert not torch.allclose(solved("euler", start, times), theirs, atol=1e-3)


def test_shift_is_that_of_diffusers():
    schedulers = pytest.importorskip("diffusers").schedulers
    scheduler = schedulers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25])
    assert time_grid(4, shift=3.0) == pytest.approx([1 - float(s) for s in scheduler.sigmas])


class Little(nn.Module):
    """A network whose answer depends on state, time, words, classes and maps."""

    shape = NetworkShape(latent_channels=2, patch=2, text_width=6)

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.words = nn.Parameter(torch.randn(6, 2, generator=generator))
        self.mix = nn.Parameter(torch.randn(2, 2, generator=generator) / 2)
        self.drop = nn.Dropout(0.5)
        self.batches = []

    def forward(self, x, time, condition):
        self.batches.append(len(x))
        weights = condition.text_mask.float() / condition.text_mask.sum(1, keepdim=True)
        word = (condition.text * weights[..., None]).sum(1) @ self.words
        moved = torch.einsum("bchw,cd->bdhw", torch.tanh(x), self.mix)
        return self.drop(moved) * (1 + time)[:, None, None, None] + word[:, :, None, None]


def asked(rows, tokens=5, seed=0):
    text = torch.randn(rows, tokens, 6, generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(tokens)[None] < torch.arange(1, rows + 1).clamp(max=tokens)[:, None]
    return Condition(text, mask)


NULL = asked(1, seed=9)


def test_an_image_is_the_same_in_any_batch():
    network, seeds = Little(), [3, 1, 4, 1, 5]
    condition = asked(5)
    whole = sample(network, condition, shape=(4, 6), seeds=seeds, steps=50, null=NULL)
    for batch in (1, 2, 3):
        parts = sample(
            network, condition, shape=(4, 6), seeds=seeds, steps=50, null=NULL, batch=batch
        )
        assert torch.allclose(whole, parts, atol=1e-5)
    alone = sample(
        network, condition.take(slice(2, 3)), shape=(4, 6), seeds=[4], steps=50, null=NULL
    )
    assert torch.allclose(whole[2:3], alone, atol=1e-5)
    assert not torch.allclose(whole[0], whole[1], atol=1e-2)


def test_padding_does_not_matter():
    condition = asked(2)
    longer = Condition(
        torch.cat([condition.text, torch.full((2, 7, 6), 99.0)], 1),
        torch.cat([condition.text_mask, torch.zeros(2, 7, dtype=torch.bool)], 1),
    )
    for passes in (True, False):
        how = Guidance(doubled=passes)
        plain, padded = (
            sample(Little(), c, shape=(4, 4), seeds=[1, 2], guidance=how, null=NULL)
            for c in (condition, longer)
        )
        assert torch.equal(plain, padded)


def test_modes_and_progress():
    network, seen = Little(), []
    network.train()
    first = sample(
        network, asked(3), shape=(2, 4, 4), seeds=[1, 2, 3], steps=4, null=NULL, batch=2,
        on_step=lambda *at: seen.append(at),
    )  # fmt: skip
    assert network.training
    assert not first.requires_grad
    assert seen == [(done, 8) for done in range(1, 9)]
    again = sample(network, asked(3), shape=(4, 4), seeds=[1, 2, 3], steps=4, null=NULL)
    assert torch.allclose(first, again, atol=1e-6)


def test_a_runaway_is_named_and_hurts_nobody():
    condition = asked(3)
    broken = Condition(condition.text.clone(), condition.text_mask)
    broken.text[1] = float("nan")
    good = sample(Little(), condition, shape=(4, 4), seeds=[1, 2, 3], null=NULL)
    found = sample(Little(), broken, shape=(4, 4), seeds=[1, 2, 3], null=NULL)
    assert runaways(good) == []
    assert runaways(found) == [1]
    assert torch.equal(found[[0, 2]], good[[0, 2]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "ddim"}, "expected a method of euler"),
        ({"seeds": [1]}, "one seed for each condition"),
        ({"shape": (3, 4)}, "2 channels and sides that are multiples of 2"),
        ({"shape": (3, 4, 4)}, "2 channels and sides"),
        ({"steps": 0}, "at least one step"),
        ({"shift": 0.0}, "a positive shift"),
        ({"null": None}, "a null condition of 1 or 2 rows"),
        ({"null": asked(3)}, "one seed for each condition"),
        ({"guidance": -1.0}, "a guidance of 0 or more"),
    ],
)
def test_refusals(changes, words):
    kind = {"shape": (4, 4), "seeds": [1, 2], "null": NULL} | changes
    with pytest.raises(Refusal, match=words):
        sample(Little(), asked(2), **kind)


def test_nobody_asked_gives_nothing():
    assert sample(Little(), asked(0), shape=(4, 4), seeds=[], null=NULL).shape == (0, 2, 4, 4)

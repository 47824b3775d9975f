"""Solvers of dx/dt = v(x, t) from time 0 (noise) to time 1 (data), on any grid of times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.generators.guidance import Velocity

Solver = Callable[[Velocity, Tensor, Sequence[float]], Iterator[Tensor]]


def euler(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Iterator[Tensor]:
    """First order, one evaluation a step."""
    for now, then in pairwise(times):
        x = x + (then - now) * velocity(x, now)
        yield x


def midpoint(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Iterator[Tensor]:
    """Second order (explicit midpoint), two evaluations a step."""
    for now, then in pairwise(times):
        half = (then - now) / 2
        x = x + (then - now) * velocity(x + half * velocity(x, now), now + half)
        yield x


def heun(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Iterator[Tensor]:
    """Second order (the trapezoid after an Euler step), two evaluations a step.

    The velocity of a flow is finite at time 1, so the last step needs no exception as in
    Karras et al. 2022 (arXiv 2206.00364, algorithm 1).
    """
    for now, then in pairwise(times):
        here = velocity(x, now)
        there = velocity(x + (then - now) * here, then)
        x = x + (then - now) / 2 * (here + there)
        yield x


def adams(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Iterator[Tensor]:
    """Second order (Adams-Bashforth with two points), one evaluation a step."""
    before, last = None, 0.0
    for now, then in pairwise(times):
        step, here = then - now, velocity(x, now)
        slope = here if before is None else here + step / (2 * last) * (here - before)
        x, before, last = x + step * slope, here, step
        yield x


def dpm(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Iterator[Tensor]:
    """Second order (DPM-Solver++ 2M for the straight path), one evaluation a step.

    It extrapolates the predicted data d = x + (1 - t) v in half the log signal-to-noise ratio
    log(t / (1 - t)), and solves the linear rest exactly. Steps that touch time 0 or 1, where that
    ratio is infinite, are of first order, which for the straight path is Euler's.

    Source: Lu et al. 2022, arXiv 2211.01095, algorithm 2; for flows as diffusers'
    DPMSolverMultistepScheduler with use_flow_sigmas, which this agrees with.
    """
    before, last = None, math.inf
    for now, then in pairwise(times):
        data = x + (1 - now) * velocity(x, now)
        span = log_ratio(then) - log_ratio(now)
        target = data
        if before is not None and math.isfinite(last) and math.isfinite(span):
            target = data + span / (2 * last) * (data - before)
        kept = (1 - then) / (1 - now)
        x, before, last = kept * x + (then - now * kept) * target, data, span
        yield x


def log_ratio(time: float) -> float:
    """Return log(t / (1 - t)), infinite at both ends."""
    if time <= 0:
        return -math.inf
    return math.inf if time >= 1 else math.log(time / (1 - time))


METHODS: dict[str, Solver] = {
    "euler": euler,
    "heun": heun,
    "midpoint": midpoint,
    "dpm": dpm,
    "adams": adams,
}
EVALUATIONS = {"euler": 1, "heun": 2, "midpoint": 2, "dpm": 1, "adams": 1}
"""Evaluations of the velocity a step; a guided one asks the network about two conditions."""


def require_method(name: str) -> str:
    """Return the name of a solver, or refuse another."""
    if name not in METHODS:
        raise Refusal(f"a method of {', '.join(METHODS)}", repr(name), "name one of these")
    return name


def time_grid(steps: int, *, shift: float = 1.0) -> list[float]:
    """Return steps + 1 times from 0 to 1.

    Args:
        steps: number of steps.
        shift: s in t / (s - (s - 1) t): above 1 more of them lie near the noise, as larger images
            need (Esser et al. 2024, arXiv 2403.03206, eq. 23, there with noise at time 1;
            Lumina's time_shifting_factor is the same).

    Raises:
        Refusal: for less than one step or a shift that is not positive.
    """
    if steps < 1 or not 0 < shift < math.inf:
        raise Refusal(
            "at least one step and a positive shift", f"{steps} and {shift}", "as 50 and 1"
        )
    return [shifted(number / steps, shift) for number in range(steps)] + [1.0]


def shifted(time: float, shift: float) -> float:
    """Return a time after the shift of `time_grid`."""
    return time / (shift - (shift - 1) * time)

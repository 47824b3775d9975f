"""How a number, a word or a switch is spread over a population, as a recipe says it in TOML.

Each spread is its quantile function: u in [0, 1] → value. Two traits whose u come from correlated
normal numbers then depend on each other while each keeps its own distribution (a Gaussian copula).

References:
    Nelsen RB. An Introduction to Copulas. 2nd ed. Springer, 2006.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from scipy.special import ndtr, ndtri

from retinaforge.core import Refusal

Value = float | int | str | bool
Kind = Literal["number", "whole", "choice"]
FORMS = (
    "a value, {low, high}, {mean, sd} with low and high if wanted, or {choices} with weights if "
    "wanted"
)


@dataclass(frozen=True)
class Fixed:
    """The same value for everybody."""

    value: Value

    def at(self, u: float) -> Value:
        """Return the value."""
        return self.value


@dataclass(frozen=True)
class Uniform:
    """Every number between low and high is equally likely; whole ones include both ends."""

    low: float
    high: float
    whole: bool = False

    def at(self, u: float) -> Value:
        """Return the u-quantile."""
        if self.whole:
            return int(min(self.low + math.floor(u * (self.high - self.low + 1)), self.high))
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True)
class Normal:
    """A normal distribution cut off at low and high; `mean` and `sd` are those before the cut."""

    mean: float
    sd: float
    low: float
    high: float
    whole: bool = False

    def at(self, u: float) -> Value:
        """Return the u-quantile; whole numbers are rounded."""
        below, above = (float(ndtr((end - self.mean) / self.sd)) for end in (self.low, self.high))
        drawn = self.mean + self.sd * float(ndtri(below + u * (above - below)))
        drawn = min(max(drawn, self.low), self.high)
        return round(drawn) if self.whole else drawn


@dataclass(frozen=True)
class Choice:
    """One of several values, in the order in which they stand; weights need not sum to 1."""

    choices: tuple[Value, ...]
    weights: tuple[float, ...]

    def at(self, u: float) -> Value:
        """Return the u-quantile."""
        reached, total = 0.0, sum(self.weights)
        for value, weight in zip(self.choices, self.weights, strict=True):
            reached += weight / total
            if u < reached:
                return value
        return next(v for v, w in zip(self.choices[::-1], self.weights[::-1], strict=True) if w)


Spread = Fixed | Uniform | Normal | Choice


def parse_spread(
    given: Any, name: str, *, kind: Kind = "number", limits: tuple[float, float] | None = None
) -> Spread:
    """Return the spread that a TOML value means.

    Args:
        given: a value or a table, as TOML gives it.
        name: of the field, for messages.
        kind: number, whole number, or choice for words and switches.
        limits: smallest and largest number that the field takes.

    Raises:
        Refusal: if it has none of the four forms, or leaves the limits.
    """
    if not isinstance(given, dict):
        return Fixed(_number(given, name, kind, limits))
    keys = set(given)
    if {"choices"} <= keys <= {"choices", "weights"}:
        return _choice(given, name, kind, limits)
    if kind != "choice" and keys == {"low", "high"}:
        low, high = (_number(given[key], name, kind, limits) for key in ("low", "high"))
        _ordered(low, high, name)
        return Uniform(low, high, kind == "whole")
    if kind != "choice" and {"mean", "sd"} <= keys <= {"mean", "sd", "low", "high"}:
        return _normal(given, name, kind, limits)
    raise Refusal(f"{name} as {FORMS}", f"{given!r}", "see docs/reference/phantom-recipe.md")


def _normal(given: dict, name: str, kind: Kind, limits: tuple[float, float] | None) -> Normal:
    ends = limits or (-math.inf, math.inf)
    low, high = (
        _number(given[key], name, "number", limits) if key in given else end
        for key, end in zip(("low", "high"), ends, strict=True)
    )
    mean, sd = (_number(given[key], name, "number", None) for key in ("mean", "sd"))
    if sd <= 0:
        raise Refusal(f"{name}.sd above 0", f"{sd!r}", "write the plain value where nothing varies")
    _ordered(low, high, name)
    if not low <= mean <= high:
        raise Refusal(
            f"{name}.mean between {low:g} and {high:g}", f"{mean!r}", "move the mean or the ends"
        )
    return Normal(mean, sd, low, high, kind == "whole")


def _choice(given: dict, name: str, kind: Kind, limits: tuple[float, float] | None) -> Choice:
    choices = given["choices"]
    if not isinstance(choices, list) or not choices:
        raise Refusal(f"{name}.choices as a list of values", f"{choices!r}", "list at least one")
    weights = given.get("weights", [1.0] * len(choices))
    right = isinstance(weights, list) and len(weights) == len(choices)
    numbers = right and all(_is_number(weight) and weight >= 0 for weight in weights)
    if not (numbers and sum(weights) > 0):
        raise Refusal(
            f"{name}.weights as {len(choices)} numbers of 0 or more, not all 0",
            f"{weights!r}",
            "give one weight for each choice",
        )
    return Choice(tuple(_number(c, name, kind, limits) for c in choices), tuple(weights))


def _ordered(low: float, high: float, name: str) -> None:
    if not low < high:
        raise Refusal(f"{name}.low below {name}.high", f"{low!r} and {high!r}", "swap them")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Any, name: str, kind: Kind, limits: tuple[float, float] | None) -> Any:
    if kind == "choice":
        if isinstance(value, str | bool):
            return value
        raise Refusal(f"{name} as a word or true or false", f"{value!r}", "see its choices")
    whole = kind == "whole"
    if not _is_number(value) or (whole and value != int(value)):
        raise Refusal(f"{name} as a {'whole ' * whole}number", f"{value!r}", f"write {FORMS}")
    if limits and not limits[0] <= value <= limits[1]:
        raise Refusal(
            f"{name} between {limits[0]:g} and {limits[1]:g}",
            f"{value!r}",
            "see docs/reference/phantom-recipe.md",
        )
    return int(value) if whole else float(value)

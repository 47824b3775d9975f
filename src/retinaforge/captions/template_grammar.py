"""A small grammar: "[a|b [c|d]] {slot}" means one of the alternatives, then what fills the slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")
BLOCK = 128


class Dice:
    """Choices from one generator, drawn in blocks: a scalar draw costs more than a sentence."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._draws: list[float] = []

    def chance(self) -> float:
        """Return a number in [0, 1)."""
        if not self._draws:
            self._draws = self._rng.random(BLOCK).tolist()
        return self._draws.pop()

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices, all equally likely."""
        return choices[int(self.chance() * len(choices))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a drawn order."""
        keys = [self.chance() for _ in items]
        return [items[n] for n in sorted(range(len(items)), key=keys.__getitem__)]

    def chunked(self, items: Sequence[T], most: int, least: int = 1) -> list[list[T]]:
        """Cut the items into runs of `least` to `most`; the last may be shorter."""
        runs: list[list[T]] = []
        start = 0
        while start < len(items):
            size = least + int(self.chance() * (most - least + 1))
            runs.append(list(items[start : start + size]))
            start += size
        return runs


class Choice(NamedTuple):
    """One of several nodes."""

    options: tuple[Node, ...]


class Slot(NamedTuple):
    """A place that the caller fills."""

    name: str


class Run(NamedTuple):
    """Nodes one after the other."""

    parts: tuple[Node, ...]


Node = str | Choice | Slot | Run


@cache
def grammar(text: str) -> Node:
    """Return the tree of a template; raises ValueError where its brackets do not close."""
    node, end = _options(text, 0, "")
    if end != len(text):
        raise ValueError(f"brackets of {text!r} do not match")
    return node


def _options(text: str, at: int, closing: str) -> tuple[Node, int]:
    options: list[Node] = []
    parts: list[Node] = []
    while at < len(text):
        mark = text[at]
        if mark == "[":
            node, at = _options(text, at + 1, "]")
            parts.append(node)
        elif mark == "{":
            end = text.index("}", at)
            parts.append(Slot(text[at + 1 : end]))
            at = end + 1
        elif mark == "|":
            options.append(_run(parts))
            parts, at = [], at + 1
        elif mark == "]":
            if not closing:
                raise ValueError(f"brackets of {text!r} do not match")
            return _choice([*options, _run(parts)]), at + 1
        else:
            end = min((i for i in (text.find(c, at) for c in "[]{|") if i >= 0), default=len(text))
            parts.append(text[at:end])
            at = end
    if closing:
        raise ValueError(f"brackets of {text!r} do not match")
    return _choice([*options, _run(parts)]), at


def _run(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Run(tuple(parts)) if parts else ""


def _choice(options: list[Node]) -> Node:
    return options[0] if len(options) == 1 else Choice(tuple(options))


def render(node: Node, dice: Dice, slots: Mapping[str, str]) -> str:
    """Say a tree in words."""
    if isinstance(node, str):
        return node
    if isinstance(node, Choice):
        return render(dice.pick(node.options), dice, slots)
    if isinstance(node, Slot):
        return slots[node.name]
    return "".join([render(part, dice, slots) for part in node.parts])


def say(template: str, dice: Dice, **slots: str) -> str:
    """Say a template in words."""
    return render(grammar(template), dice, slots)

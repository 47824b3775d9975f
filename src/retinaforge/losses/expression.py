"""Read a sum of losses such as "l1 + 0.5*sobel + features(vit, px=128)".

    expression = term { "+" term }        term = [number "*"] call
    call = name [ "(" [encoder] { "," option "=" value } ")" ]
    value = number | word | value ";" value

The text is parsed by Python's own `ast` and only these nodes are walked; nothing is evaluated.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from retinaforge.core import Refusal
from retinaforge.losses.contract import Option

EXAMPLE = "write a sum such as l1 + 0.5*sobel + log(sigma=1;2) + features(vit, px=128)"
ADVERSARY = "gan"
ADVERSARY_OPTIONS = ("start", "ramp")


@dataclass(frozen=True)
class TermSpec:
    """One term as written.

    Attributes:
        name: the loss's name.
        weight: its coefficient, > 0.
        argument: the encoder's name in the brackets, or None.
        options: further name=value pairs.
        label: the term without its weight in one spelling, such as "features(vit, px=128)".
    """

    name: str
    weight: float
    argument: str | None = None
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])

    @property
    def label(self) -> str:
        """Return the call in one spelling; equal labels mean the same loss."""
        inside = [self.argument] if self.argument else []
        inside += [f"{key}={_spell(value)}" for key, value in sorted(self.options.items())]
        return f"{self.name}({', '.join(inside)})" if inside else self.name


@dataclass(frozen=True)
class AdversarySpec:
    """The adversary of an expression: `weight`*gan(start=`start_step`, ramp=`ramp_steps`)."""

    weight: float
    start_step: int = 0
    ramp_steps: int = 0


def _spell(value: Option) -> str:
    if isinstance(value, tuple):
        return ";".join(_spell(one) for one in value)
    return value if isinstance(value, str) else f"{value:g}"


def parse_expression(text: str) -> list[TermSpec]:
    """Return the terms of an expression in its order, the adversary among them.

    Raises:
        Refusal: naming the position, for anything but sums of weighted calls, for weights that
            are not positive, and for a term that stands there twice.
    """
    # `|` is an operator to Python and `;` is not; one character for one keeps positions true.
    try:
        tree = ast.parse(text.strip().replace(";", "|"), mode="eval")
    except SyntaxError as error:
        raise _refuse(text, error.offset or 1, "it cannot be read") from error
    specs = [_term(node, text) for node in _summands(tree.body)]
    labels = [spec.label for spec in specs]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise Refusal("each term once", f"{twice} twice", "add up its weights")
    return specs


def split_adversary(text: str) -> tuple[list[TermSpec], AdversarySpec | None]:
    """Return the terms that compare images, and the adversary if the expression names one."""
    specs = parse_expression(text)
    adversaries = [spec for spec in specs if spec.name == ADVERSARY]
    if len(adversaries) > 1:
        raise Refusal("one gan term", f"{len(adversaries)}", "leave one")
    others = [spec for spec in specs if spec.name != ADVERSARY]
    return others, _adversary(adversaries[0]) if adversaries else None


def _adversary(spec: TermSpec) -> AdversarySpec:
    steps = {key: spec.options.get(key, 0.0) for key in ADVERSARY_OPTIONS}
    whole = all(isinstance(n, float) and n >= 0 and n.is_integer() for n in steps.values())
    if spec.argument is not None or set(spec.options) - set(steps) or not whole:
        raise Refusal(
            "gan(start=STEP, ramp=STEPS) with whole numbers", spec.label, "write it like that"
        )
    start, ramp = (int(float(str(steps[key]))) for key in ADVERSARY_OPTIONS)
    return AdversarySpec(spec.weight, start, ramp)


def _summands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_summands(node.left), *_summands(node.right)]
    return [node]


def _term(node: ast.expr, text: str) -> TermSpec:
    weight, call = _weighted(node, text)
    if not (weight > 0 and math.isfinite(weight)):
        raise _refuse(text, node.col_offset + 1, f"a weight is {weight:g} and must be positive")
    if isinstance(call, ast.Name):
        return TermSpec(call.id, weight)
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise _refuse(text, call.col_offset + 1, "this is no weighted loss")
    if len(call.args) > 1 or not all(isinstance(one, ast.Name) for one in call.args):
        raise _refuse(text, call.col_offset + 1, "brackets hold one encoder's name, then options")
    names = [one.id for one in call.args if isinstance(one, ast.Name)]
    options = {str(pair.arg): _value(pair.value, text) for pair in call.keywords}
    return TermSpec(call.func.id, weight, names[0] if names else None, options)


def _weighted(node: ast.expr, text: str) -> tuple[float, ast.expr]:
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
        return 1.0, node
    left, right = _number(node.left), _number(node.right)
    if left is not None and right is None:
        return left, node.right
    if right is not None and left is None:
        return right, node.left
    raise _refuse(text, node.col_offset + 1, "a product is one number times one loss")


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(str(node.value))
    return None


def _value(node: ast.expr, text: str) -> Option:
    number = _number(node)
    if number is not None:
        return number
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _value(node.left, text), _value(node.right, text)
        return (*_several(left), *_several(right))
    raise _refuse(text, node.col_offset + 1, "an option is a number, a word, or several with ;")


def _several(value: Option) -> tuple[float | str, ...]:
    return value if isinstance(value, tuple) else (value,)


def _refuse(text: str, position: int, why: str) -> Refusal:
    where = text.strip()[position - 1 :] or "its end"
    return Refusal(
        "a sum of weighted losses",
        f"{text.strip()!r}, at character {position} ({where!r}): {why}",
        EXAMPLE,
    )

"""From an expression to losses that can be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retinaforge.core import Refusal
from retinaforge.encoders import Encoder
from retinaforge.losses.catalogue import CATALOGUE
from retinaforge.losses.contract import Kind, Loss, LossArguments, LossEntry
from retinaforge.losses.expression import ADVERSARY, TermSpec, split_adversary


@dataclass(frozen=True)
class Term:
    """A weighted loss: `name` is unique in its expression, such as "features(vit, px=128)"."""

    name: str
    weight: float
    loss: Loss
    kind: Kind


def build_terms(expression: str, *, encoders: Mapping[str, Encoder]) -> list[Term]:
    """Return the losses of an expression in its order; its adversary, if any, is left out.

    Args:
        expression: such as "l1 + 0.5*sobel + perceptual(squeezenet)"; see `parse_expression`.
        encoders: by the names that the expression uses. They stay where they are: move them to
            the images' device before training.

    Raises:
        Refusal: for an unknown loss, option or encoder, listing the known ones.
    """
    specs, _ = split_adversary(expression)
    return [_build(spec, encoders) for spec in specs]


def encoders_named(expression: str) -> tuple[str, ...]:
    """Return the encoder names an expression uses, so that a study loads no others."""
    specs, _ = split_adversary(expression)
    return tuple(dict.fromkeys(spec.argument for spec in specs if spec.argument))


def pixel_term(terms: Sequence[Term]) -> Term:
    """Return the first pixel loss, the yardstick of gradient-norm matching.

    Raises:
        Refusal: if there is none.
    """
    for term in terms:
        if term.kind == "pixel":
            return term
    raise Refusal(
        "a pixel loss (l1, l2 or charbonnier) in the sum",
        " + ".join(term.name for term in terms) or "an empty sum",
        "add one: the norms of the others are matched to it",
    )


def _build(spec: TermSpec, encoders: Mapping[str, Encoder]) -> Term:
    entry = _entry(spec.name)
    unknown = sorted(set(spec.options) - set(entry.options))
    if unknown:
        known = ", ".join(entry.options) or "none"
        raise Refusal(
            f"options of {spec.name} ({known})", ", ".join(unknown), "leave out or correct them"
        )
    arguments = LossArguments(_encoder(spec, entry, encoders), spec.options)
    return Term(spec.label, spec.weight, entry.build(arguments), entry.kind)


def _entry(name: str) -> LossEntry:
    for entry in CATALOGUE:
        if entry.card.name == name:
            return entry
    known = ", ".join([*(entry.card.name for entry in CATALOGUE), ADVERSARY])
    raise Refusal(f"a known loss ({known})", name, "correct the name")


def _encoder(spec: TermSpec, entry: LossEntry, encoders: Mapping[str, Encoder]) -> Encoder | None:
    if not entry.needs_encoder:
        if spec.argument is not None:
            raise Refusal(
                f"{spec.name} without an encoder", spec.label, "leave the brackets' first word out"
            )
        return None
    if spec.argument is None or spec.argument not in encoders:
        known = ", ".join(encoders) or "none were handed over"
        raise Refusal(
            f"a known encoder in {spec.name}(...) ({known})",
            spec.argument or "none",
            "name one of these, or declare it beside the expression",
        )
    return encoders[spec.argument]

"""Interchangeable losses, each with its card; weighted sums of them from one line of text."""

from retinaforge.losses.adversarial import (
    adaptive_weight,
    adversary_ramp,
    hinge_discriminator_loss,
    hinge_generator_loss,
)
from retinaforge.losses.catalogue import CATALOGUE
from retinaforge.losses.contract import Loss, LossArguments, LossEntry
from retinaforge.losses.expression import (
    AdversarySpec,
    TermSpec,
    parse_expression,
    split_adversary,
)
from retinaforge.losses.matching import gradient_norm, gradient_norms, matched_weights
from retinaforge.losses.terms import Term, build_terms, encoders_named, pixel_term

__all__ = [
    "CATALOGUE",
    "AdversarySpec",
    "Loss",
    "LossArguments",
    "LossEntry",
    "Term",
    "TermSpec",
    "adaptive_weight",
    "adversary_ramp",
    "build_terms",
    "encoders_named",
    "gradient_norm",
    "gradient_norms",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "matched_weights",
    "parse_expression",
    "pixel_term",
    "split_adversary",
]

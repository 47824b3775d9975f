"""Gradient-norm matching: no term wins by the size of its numbers.

    g_i = |d L_i / d W|, W the decoder's last layer
    w_i = c_i * (c_0 g_0) / (g_i + eps)        c: coefficients as written, 0: the pixel term

so that term i's gradient has c_i times the norm of the pixel term's.

References:
    After Esser et al., "Taming transformers", CVPR 2021, eq. 7, there for the adversary alone.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.losses.contract import Images, Region
from retinaforge.losses.terms import Term, pixel_term

EPS = 1e-12
LIMITS = (1e-4, 1e4)


def gradient_norm(loss: Tensor, last_layer: nn.Parameter) -> float:
    """Return the Euclidean norm of the loss's gradient at one parameter; the graph is kept."""
    (gradient,) = torch.autograd.grad(loss, last_layer, retain_graph=True, materialize_grads=True)
    return float(gradient.float().norm())


def gradient_norms(
    terms: Sequence[Term],
    reconstruction: Images,
    target: Images,
    fov: Region,
    last_layer: nn.Parameter,
) -> dict[str, float]:
    """Return each unweighted term's gradient norm at the decoder's last layer.

    Args:
        terms: as `build_terms` made them.
        reconstruction: the decoder's output, its graph alive.
        target: the images.
        fov: their field of view.
        last_layer: the weight whose gradient is measured.

    Returns:
        Norms by term name.
    """
    return {
        term.name: gradient_norm(term.loss(reconstruction, target, fov), last_layer)
        for term in terms
    }


def matched_weights(
    terms: Sequence[Term], norms: Mapping[str, float], *, limits: tuple[float, float] = LIMITS
) -> dict[str, float]:
    """Return weights under which each added term's gradient norm is its coefficient's share.

    Args:
        terms: as `build_terms` made them; the first pixel loss keeps its coefficient.
        norms: from `gradient_norms`, on one or several batches averaged.
        limits: the factor g_0 / g_i is kept within these.

    Returns:
        Weights by term name; 0 for a term without gradient, with a warning.

    Raises:
        Refusal: if a norm is not finite, or the pixel term's is 0.
    """
    yardstick = pixel_term(terms)
    broken = [name for name, norm in norms.items() if not math.isfinite(norm)]
    if broken or norms[yardstick.name] <= 0:
        raise Refusal(
            "finite gradient norms and one above 0 for the pixel term",
            f"{dict(norms)}",
            "look for NaN in the batch, or measure at a step where images still differ",
        )
    reference = yardstick.weight * norms[yardstick.name]
    return {
        term.name: term.weight
        if term is yardstick
        else term.weight * _factor(term.name, reference, norms[term.name], limits)
        for term in terms
    }


def _factor(name: str, reference: float, norm: float, limits: tuple[float, float]) -> float:
    if norm == 0:
        warnings.warn(
            f"{name} has no gradient at the last decoder layer; it weighs 0 until measured anew",
            stacklevel=3,
        )
        return 0.0
    return min(max(reference / (norm + EPS), limits[0]), limits[1])

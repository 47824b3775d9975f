"""LPIPS as a score of one pair of photographs, from the loss of that name and weights named."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from retinaforge.core import Card, Quantity
from retinaforge.encoders import load as load_encoder
from retinaforge.losses import Term, build_terms


@cache
def _term(encoder: str) -> Term:
    return build_terms("lpips(net)", encoders={"net": load_encoder(encoder)})[0]


def lpips_quantity(
    reconstruction: np.ndarray, original: np.ndarray, fov_mask: np.ndarray, *, encoder: str
) -> Quantity:
    """Return LPIPS inside the field of view.

    Args:
        reconstruction: RGB, 0-255, shape (height, width, 3).
        original: likewise.
        fov_mask: True inside the field of view.
        encoder: spec of `load_encoder` with heads, e.g. "vgg16:vgg.pth,heads=vgg_heads.pth".
    """
    term = _term(encoder)
    with torch.no_grad():
        value = term.loss(_tensor(reconstruction), _tensor(original), _mask(fov_mask))
    return Quantity(term.loss.card, float(value))


def lpips_card(encoder: str) -> Card:
    """Return the card of LPIPS with these weights."""
    return _term(encoder).loss.card


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0).permute(2, 0, 1)[None]


def _mask(fov_mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(fov_mask.astype(np.float32))[None, None]

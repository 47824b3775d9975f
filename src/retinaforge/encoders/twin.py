"""The untrained twin: the same network with weights that have seen nothing.

What an encoder's training is worth is what it gives beyond its own architecture, which alone
averages colours and finds edges.

References:
    Saxe et al., "On random weights and unsupervised feature learning", ICML 2011.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace

import torch
from torch import nn

from retinaforge.encoders.encoder import Encoder
from retinaforge.nets.vit import VisionTransformer, initialise

RANDOM = "none (random)"


def untrained_twin(encoder: Encoder, seed: int = 0) -> Encoder:
    """Return an encoder of the same architecture and preprocessing with random weights.

    A ViT in MAE's layout is started as MAE starts it; in any other network every layer takes
    PyTorch's own starting weights, tokens and positions a normal spread of 0.02, scales one.

    Args:
        encoder: left as it is.
        seed: equal seeds give equal twins.
    """
    twin = copy.deepcopy(encoder)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        if isinstance(twin.network, VisionTransformer):
            initialise(twin.network, seed)
        else:
            _start_again(twin.network)
    text = f"untrained twin {seed} of {encoder.card.fingerprint_sha256} {encoder.card.network}"
    twin.card = replace(
        encoder.card,
        name=f"untrained {encoder.card.name}",
        licence="none needed: made from the seed",
        fingerprint_sha256=hashlib.sha256(text.encode()).hexdigest(),
        training_data="none",
        domain=RANDOM,
        key_report="no file",
        modality="none",
        training_sets=(),
        reference="random weights in the architecture of " + encoder.card.reference,
    )
    return twin.requires_grad_(False)


def has_twin(encoder: Encoder) -> bool:
    """Return whether a twin says anything: not of random weights, nor of a graph without layers."""
    return not is_untrained(encoder) and any(True for _ in encoder.network.parameters())


def is_untrained(encoder: Encoder) -> bool:
    """Return whether an encoder has random weights already, and so is its own twin."""
    return encoder.card.domain == RANDOM


def _start_again(network: nn.Module) -> None:
    for module in network.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
            continue
        for name, value in module.named_parameters(recurse=False):
            if value.ndim > 1:
                nn.init.normal_(value, std=0.02)
            else:
                nn.init.zeros_(value) if "bias" in name else nn.init.ones_(value)

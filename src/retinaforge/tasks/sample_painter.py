"""A generator with its autoencoder and text encoder: all that turns requests into images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import nn

from retinaforge.generators.classes import ClassVocabulary
from retinaforge.generators.maps import MapPlan
from retinaforge.generators.network import VelocityNetwork


class Encodes(Protocol):
    """What is needed of a text encoder (`generators.text_encoder.TextEncoder`)."""

    max_tokens: int

    def encode(self, texts: Sequence[str]) -> Any:
        """Return hidden states (batch, tokens, width) and their mask."""
        ...

    def count(self, texts: Sequence[str]) -> tuple[int, ...]:
        """Return the tokens of each whole text."""
        ...


@dataclass(frozen=True)
class Painter:
    """All that turns requests into images.

    Attributes:
        network: gives velocities.
        autoencoder: of `load_autoencoder`; its decoder makes images of latents.
        text_encoder: makes hidden states of captions.
        scale, shift: of the latents that the network learnt from.
        fingerprint: names the weights of all three.
        vocabulary: classes that the network knows.
        maps: how it is given masks; None if it takes none.
        trained_px: side of the squares it learnt from; None where unknown.
        frame: which square of a photograph those were; see `tasks.latents`.
    """

    network: VelocityNetwork
    autoencoder: nn.Module
    text_encoder: Encodes
    scale: float = 1.0
    shift: float = 0.0
    fingerprint: str = ""
    vocabulary: ClassVocabulary = field(default_factory=ClassVocabulary)
    maps: MapPlan | None = None
    trained_px: int | None = None
    frame: Literal["auto", "field", "whole"] = "auto"

    @property
    def unit(self) -> int:
        """Return the side of the smallest square that it draws, px."""
        return self.autoencoder.config.factor * self.network.shape.patch

    @property
    def device(self) -> torch.device:
        """Return where the decoder lies."""
        return next(self.autoencoder.parameters()).device

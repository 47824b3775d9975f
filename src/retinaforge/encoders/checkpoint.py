"""A weight file as it was read: its arrays, and everything else that it says about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from retinaforge.core.artefacts import sha256_of


@dataclass(frozen=True)
class Checkpoint:
    """Arrays of one file under the names they have there, after its wrapper was taken off.

    Attributes:
        path: the file.
        weights: arrays by name.
        wrapper: key under which they lay ("model", "teacher", "state_dict", ...), or "".
        said: what else the file says: plain values of its `args`, safetensors metadata, and of a
            config.json beside it under "config".
    """

    path: Path
    weights: Mapping[str, Tensor]
    wrapper: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """Return the file's fingerprint."""
        return sha256_of(self.path)

    def renamed(self, rename: Callable[[str], str | None]) -> Checkpoint:
        """Return the checkpoint with its arrays renamed; None leaves an array out."""
        pairs = ((rename(key), value) for key, value in self.weights.items())
        return replace(self, weights={key: value for key, value in pairs if key is not None})

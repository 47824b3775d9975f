"""The weight files that come with the package, by name; nothing here needs a network."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from retinaforge.core import Refusal

SHIPPED_ANATOMY = "anatomy-v2.safetensors"
SHIPPED_LESIONS = "lesions-v2.safetensors"


class WeightsRefused(Refusal):
    """A weight file is not what was asked for."""


def shipped(name: str) -> Path:
    """Return the path of weights that come with the package."""
    return Path(str(resources.files("retinaforge") / "weights" / name))

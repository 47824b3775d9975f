"""Look a model up by what the user typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from retinaforge.anatomy.automorph import AutomorphDiscCup
from retinaforge.anatomy.lesions import LesionModel
from retinaforge.anatomy.model import AnatomyModel
from retinaforge.core import Refusal

Model = TypeVar("Model")


def _load(spec: str, what: str, build: Callable[[Path | None], Model], further: str = "") -> Model:
    name, colon, file = spec.partition(":")
    if name == "ours" and bool(colon) == bool(file):
        return build(Path(file) if file else None)
    raise Refusal(f"{what} (ours, ours:FILE{further})", repr(spec), "name one of these")


def load_anatomy(spec: str = "ours") -> AnatomyModel | AutomorphDiscCup:
    """Return the model of disc, cup and fovea named "ours", "ours:FILE" or "automorph:FILE".

    Raises:
        Refusal: expected a model of disc, cup and fovea (ours, ours:FILE, automorph:FILE); or its
            weights.
    """
    name, _, file = spec.partition(":")
    if name == "automorph" and file:
        return AutomorphDiscCup(Path(file))
    return _load(spec, "a model of disc, cup and fovea", AnatomyModel, ", automorph:FILE")


def load_lesions(spec: str = "ours") -> LesionModel:
    """Return the model of lesions named "ours" or "ours:FILE".

    Raises:
        Refusal: expected a model of lesions (ours, ours:FILE); or its weights.
    """
    return _load(spec, "a model of lesions", LesionModel)

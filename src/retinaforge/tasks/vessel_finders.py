"""Who finds what in a photograph: vessels, their kinds, disc and fovea; loaded once a process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from retinaforge.anatomy import AnatomyModel, load_anatomy
from retinaforge.anatomy.model import SHIPPED as SHIPPED_ANATOMY
from retinaforge.core.artefacts import sha256_of
from retinaforge.vessels import Judge, load_judge, shipped_weights
from retinaforge.vessels.artery_vein import SHIPPED_ARTERY_VEIN, ArteryVeinJudge
from retinaforge.vessels.catalogue import load_artery_vein_judge
from retinaforge.vessels.network import weights_named

NOBODY = "none"
"""What stands for a finder that is left out."""


@lru_cache(maxsize=1)
def judge_named(spec: str) -> Judge:
    """Return who finds vessels, see `load_judge`."""
    return load_judge(spec)


@lru_cache(maxsize=1)
def artery_vein_named(spec: str) -> ArteryVeinJudge:
    """Return who tells arteries and veins apart, see `load_artery_vein_judge`."""
    return load_artery_vein_judge(spec)


@lru_cache(maxsize=1)
def anatomy_named(spec: str) -> AnatomyModel:
    """Return who finds disc, cup and fovea, see `load_anatomy`."""
    return load_anatomy(spec)


def default_artery_vein() -> str:
    """Return "ours" where its weights came with the package, else "none"."""
    return "ours" if weights_named(SHIPPED_ARTERY_VEIN).is_file() else NOBODY


def default_anatomy() -> str:
    """Return "ours" where its weights came with the package, else "none"."""
    return "ours" if weights_named(SHIPPED_ANATOMY).is_file() else NOBODY


def cards_of(judge: str | None, artery_vein: str, anatomy: str) -> dict[str, Any]:
    """Return what finders declare of themselves, weights included, as plain data.

    Args:
        judge: None if no vessels have to be found.
        artery_vein: or "none".
        anatomy: or "none".

    Raises:
        Refusal: if there is no such finder.
    """
    cards: dict[str, Any] = {}
    if judge is not None:
        found = judge_named(judge)
        own = {**found.card.as_dict(), "threshold": found.threshold}
        network = found.card.family == "network"
        cards["judge"] = own | (_weights(judge, shipped_weights()) if network else {})
    if artery_vein != NOBODY:
        card = artery_vein_named(artery_vein).card.as_dict()
        cards["artery_vein"] = card | _weights(artery_vein, weights_named(SHIPPED_ARTERY_VEIN))
    if anatomy != NOBODY:
        card = anatomy_named(anatomy).card.as_dict()
        cards["anatomy"] = card | _weights(anatomy, weights_named(SHIPPED_ANATOMY))
    return cards


def _weights(spec: str, shipped_file: Path) -> dict[str, str]:
    _, _, file = spec.partition(":")
    return {"sha256": sha256_of(Path(file) if file else shipped_file)}

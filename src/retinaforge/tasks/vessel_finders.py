"""Who finds what in a photograph: vessels, their kinds, disc and fovea; loaded once a process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

# The rooms themselves, not what they hold: they load networks when asked for one, and who measures
# masks never asks.
from retinaforge import anatomy as anatomy_room
from retinaforge import vessels as vessel_room
from retinaforge.anatomy.shelf import SHIPPED_ANATOMY, SHIPPED_LESIONS, shipped
from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.vessels.artery_vein import SHIPPED_ARTERY_VEIN, ArteryVeinJudge
from retinaforge.vessels.ensemble import Ensemble
from retinaforge.vessels.judge import Judge

if TYPE_CHECKING:
    from retinaforge.anatomy import AnatomyModel, LesionModel
    from retinaforge.anatomy.automorph import AutomorphDiscCup

NOBODY = "none"
"""What stands for a finder that is left out."""


@lru_cache(maxsize=1)
def judge_named(specs: tuple[str, ...], flag_level: float | None = None) -> Judge:
    """Return who finds vessels, see `load_judge`; several are one `Ensemble`.

    Raises:
        Refusal: if there is no such judge, or a level stands beside a single one.
    """
    if len(specs) > 1:
        return Ensemble([vessel_room.load_judge(spec) for spec in specs], flag_level=flag_level)
    if flag_level is not None:
        raise Refusal(
            "--flag-level with two judges or more", f"{', '.join(specs)} alone",
            "name another with --judge, or leave the level out",
        )  # fmt: skip
    return vessel_room.load_judge(*specs)


@lru_cache(maxsize=1)
def artery_vein_named(spec: str) -> ArteryVeinJudge:
    """Return who tells arteries and veins apart, see `load_artery_vein_judge`."""
    return vessel_room.load_artery_vein_judge(spec)


@lru_cache(maxsize=1)
def anatomy_named(spec: str) -> AnatomyModel | AutomorphDiscCup:
    """Return who finds disc, cup and fovea, see `load_anatomy`."""
    return anatomy_room.load_anatomy(spec)


@lru_cache(maxsize=1)
def lesions_named(spec: str) -> LesionModel:
    """Return who finds lesions, see `load_lesions`."""
    return anatomy_room.load_lesions(spec)


def default_artery_vein() -> str:
    """Return "ours" where its weights came with the package, else "none"."""
    return "ours" if shipped(SHIPPED_ARTERY_VEIN).is_file() else NOBODY


def default_anatomy() -> str:
    """Return "ours" where its weights came with the package, else "none"."""
    return "ours" if shipped(SHIPPED_ANATOMY).is_file() else NOBODY


def cards_of(
    judges: tuple[str, ...], artery_vein: str, anatomy: str, lesions: str, *,
    flag_level: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what finders declare of themselves, weights included, as plain data.

    Args:
        judges: none if no vessels have to be found.
        artery_vein: or "none".
        anatomy: or "none".
        lesions: or "none".
        flag_level: disagreement from which several judges flag a photograph, where one was named.

    Raises:
        Refusal: if there is no such finder.
    """
    cards: dict[str, Any] = {}
    if judges:
        found = judge_named(judges, flag_level)
        cards["judge"] = _judge_card(judges[0], found)
        if isinstance(found, Ensemble):
            cards["judge"] = _ensemble_card(judges, found)
    if artery_vein != NOBODY:
        card = artery_vein_named(artery_vein).card.as_dict()
        cards["artery_vein"] = card | _weights(artery_vein, shipped(SHIPPED_ARTERY_VEIN))
    if anatomy != NOBODY:
        card = anatomy_named(anatomy).card.as_dict()
        cards["anatomy"] = card | _weights(anatomy, shipped(SHIPPED_ANATOMY))
    if lesions != NOBODY:
        card = lesions_named(lesions).card.as_dict()
        cards["lesions"] = card | _weights(lesions, shipped(SHIPPED_LESIONS))
    return cards


def _judge_card(spec: str, judge: Judge) -> dict[str, Any]:
    own = {**judge.card.as_dict(), "threshold": judge.threshold}
    network = judge.card.family == "network"
    return own | (_weights(spec, vessel_room.shipped_weights()) if network else {})


def _ensemble_card(specs: tuple[str, ...], found: Ensemble) -> dict[str, Any]:
    judges = [_judge_card(spec, judge) for spec, judge in zip(specs, found.judges, strict=True)]
    own = {"threshold": found.threshold, "flag_level": found.flag_level}
    return {**found.card.as_dict(), **own, "judges": judges}


def _weights(spec: str, shipped_file: Path) -> dict[str, str]:
    _, _, file = spec.partition(":")
    named = Path(file) if file else shipped_file
    files = sorted(named.glob("*.pth")) if named.is_dir() else [named]
    return {"sha256": " ".join(sha256_of(path) for path in files)}

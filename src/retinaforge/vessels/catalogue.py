"""Look a judge up by what the user typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from retinaforge.core import Refusal
from retinaforge.vessels.artery_vein import ArteryVeinJudge
from retinaforge.vessels.artery_vein_network import ArteryVeinNetwork
from retinaforge.vessels.automorph import AutomorphArteryVein, AutomorphJudge
from retinaforge.vessels.judge import Judge
from retinaforge.vessels.little_artery_vein import LittleArteryVein
from retinaforge.vessels.littlewnet import LittleWNetJudge
from retinaforge.vessels.network import NetworkJudge
from retinaforge.vessels.oriented import ClassicalJudge
from retinaforge.vessels.packages import PackageJudge
from retinaforge.vessels.rrwnet_judge import RRWNetJudge

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class JudgeEntry(Generic[Kind]):
    """One line of a catalogue.

    Attributes:
        name: what stands before the colon.
        build: makes the judge without a file, or None where one is needed.
        build_from: makes the judge from a weight file, or None where it takes none.
    """

    name: str
    build: Callable[[], Kind] | None
    build_from: Callable[[Path], Kind] | None


JUDGES: tuple[JudgeEntry[Judge], ...] = (
    JudgeEntry("ours", NetworkJudge, NetworkJudge),
    JudgeEntry("classical", ClassicalJudge, None),
    JudgeEntry("lwnet", None, LittleWNetJudge),
    JudgeEntry("automorph", None, AutomorphJudge),
    JudgeEntry("smp", None, partial(PackageJudge, package="smp")),
    JudgeEntry("torchvision", None, partial(PackageJudge, package="torchvision")),
)

ARTERY_VEIN_JUDGES: tuple[JudgeEntry[ArteryVeinJudge], ...] = (
    JudgeEntry("ours", ArteryVeinNetwork, ArteryVeinNetwork),
    JudgeEntry("lwnet", None, LittleArteryVein),
    JudgeEntry("rrwnet", None, RRWNetJudge),
    JudgeEntry("automorph", None, AutomorphArteryVein),
)


def _written(entry: JudgeEntry[Kind]) -> list[str]:
    forms = [entry.name] if entry.build else []
    return [*forms, f"{entry.name}:FILE"] if entry.build_from else forms


def _look_up(spec: str, entries: Sequence[JudgeEntry[Kind]], what: str) -> Kind:
    name, colon, file = spec.partition(":")
    for entry in entries:
        if entry.name == name and colon and file and entry.build_from:
            return entry.build_from(Path(file))
        if entry.name == name and not colon and entry.build:
            return entry.build()
    known = ", ".join(form for entry in entries for form in _written(entry))
    raise Refusal(f"{what} ({known})", repr(spec), "name one of these")


def load_judge(spec: str) -> Judge:
    """Return the judge of that name: "ours", "ours:FILE", "classical", "lwnet:FILE", ...

    Raises:
        Refusal: expected one of the catalogue's names, with a file where it needs one.
        WeightsRefused: the file is not what that judge needs.
    """
    return _look_up(spec, JUDGES, "a vessel judge")


def load_artery_vein_judge(spec: str = "ours") -> ArteryVeinJudge:
    """Return the judge of that name: "ours", "ours:FILE", "lwnet:FILE", "automorph:FOLDER", ...

    Raises:
        Refusal: expected one of the catalogue's names, with a file where it needs one.
        WeightsRefused: the file is not what that judge needs.
    """
    return _look_up(spec, ARTERY_VEIN_JUDGES, "an artery/vein judge")

"""Look a judge up by what the user typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.vessels.judge import Judge
from retinaforge.vessels.littlewnet import LittleWNetJudge
from retinaforge.vessels.network import NetworkJudge
from retinaforge.vessels.oriented import ClassicalJudge


@dataclass(frozen=True)
class JudgeEntry:
    """One line of the catalogue.

    Attributes:
        name: what stands before the colon.
        build: makes the judge without a file, or None where one is needed.
        build_from: makes the judge from a weight file, or None where it takes none.
    """

    name: str
    build: Callable[[], Judge] | None
    build_from: Callable[[Path], Judge] | None


JUDGES: tuple[JudgeEntry, ...] = (
    JudgeEntry("ours", NetworkJudge, NetworkJudge),
    JudgeEntry("classical", ClassicalJudge, None),
    JudgeEntry("lwnet", None, LittleWNetJudge),
)


def _written(entry: JudgeEntry) -> list[str]:
    forms = [entry.name] if entry.build else []
    return [*forms, f"{entry.name}:FILE"] if entry.build_from else forms


def load_judge(spec: str) -> Judge:
    """Return the judge named "ours", "ours:FILE", "classical" or "lwnet:FILE".

    Raises:
        Refusal: expected one of the catalogue's names, with a file where it needs one.
        WeightsRefused: the file is not what that judge needs.
    """
    name, colon, file = spec.partition(":")
    for entry in JUDGES:
        if entry.name == name and colon and file and entry.build_from:
            return entry.build_from(Path(file))
        if entry.name == name and not colon and entry.build:
            return entry.build()
    known = ", ".join(form for entry in JUDGES for form in _written(entry))
    raise Refusal(f"a vessel judge ({known})", repr(spec), "name one of these")

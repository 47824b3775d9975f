"""What can be taught: a backbone, its arrays lent to other processes, and how many fit beside.

Arrays travel as files that every process maps, so that several need little more memory than one.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from retinaforge.tasks.usefulness_arms import Pool

Setting = float | tuple[float, ...]
"""What is chosen on inner folds: a decay, or a learning rate with its decay."""
LENT = ".lent-"
SPARE = 0.8
"""Share of the memory at hand that trainings beside each other may take."""


class Backbone(Protocol):
    """What can be taught with a pool and then answers."""

    @property
    def settings(self) -> tuple[Setting, ...]: ...
    @property
    def folds(self) -> int: ...
    @property
    def widths(self) -> tuple[int, ...]: ...
    def facts(self) -> dict[str, Any]: ...
    def mark(self, place: int) -> bytes: ...
    def fit(
        self, pool: Pool, judged: np.ndarray, *, seed: int, settings: Sequence[Any],
        keep: Path | None = None,
    ) -> np.ndarray: ...  # fmt: skip


B = TypeVar("B", bound=Backbone)


@dataclass(frozen=True)
class _Lent:
    """An array in a file."""

    path: Path


@contextmanager
def lent(backbone: B, folder: Path, *, workers: int) -> Iterator[B]:
    """Yield a backbone that is small to hand to other processes; itself where there are none."""
    if workers == 1:
        yield backbone
        return
    _sweep(folder)
    place = folder / f"{LENT}{os.getpid()}"
    place.mkdir(parents=True, exist_ok=True)
    try:
        held: dict[str, Any] = {}
        for name, array in _arrays(backbone):
            np.save(place / f"{name}.npy", array)
            held[name] = _Lent(place / f"{name}.npy")
        yield _with(backbone, held)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def borrowed(backbone: B) -> B:
    """Return a backbone with the arrays that were lent to it, mapped."""
    fields = ((f.name, getattr(backbone, f.name)) for f in dataclasses.fields(backbone))  # type: ignore[arg-type]
    held = {n: np.load(v.path, mmap_mode="r") for n, v in fields if isinstance(v, _Lent)}
    return _with(backbone, held) if held else backbone


def _with(backbone: B, held: dict[str, Any]) -> B:
    return dataclasses.replace(backbone, **held)  # type: ignore[type-var]


def _arrays(backbone: Backbone) -> list[tuple[str, np.ndarray]]:
    found = [(f.name, getattr(backbone, f.name)) for f in dataclasses.fields(backbone)]  # type: ignore[arg-type]
    return [(name, value) for name, value in found if isinstance(value, np.ndarray)]


def _sweep(folder: Path) -> None:
    """Remove what runs that were killed have lent."""
    for place in folder.glob(f"{LENT}*"):
        number = place.name.removeprefix(LENT)
        if number.isdigit() and not _runs(int(number)):
            shutil.rmtree(place, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def beside_each_other(asked: int | None, *, each: int, most: int) -> tuple[int, str]:
    """Return how many trainings run at once, and what is to be said of it.

    Args:
        asked: by the user; None for as many as there are cores.
        each: bytes that one takes.
        most: trainings that there are.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = max(1, min(asked or cores or 1, most))
    room = max(1, int(SPARE * memory_at_hand() / each))
    if asked and room < wanted:
        return room, (f"{asked} trainings at once were asked for; memory is there for {room}, at "
                      f"{each / 2**30:.1f} GiB each")  # fmt: skip
    return min(wanted, room), ""


def memory_at_hand() -> float:
    """Return free memory in bytes; endless where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable"))
        return float(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return float("inf")

"""Two sets under comparison, and what one walk over their tiles of inner products has seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from retinaforge.core import Quantity
from retinaforge.metrics.sets.clouds import Cloud, Tile, tiles_across, tiles_within


class Watcher(ABC):
    """Something that gathers sums from tiles; both sets are walked before what lies across."""

    def __init__(self, a: Cloud, b: Cloud) -> None:
        self.sets = (a, b)

    @abstractmethod
    def within(self, side: int, rows: slice, columns: slice, tile: Tile) -> None:
        """See a tile on or above the diagonal of set 0 or 1."""

    @abstractmethod
    def across(self, rows: slice, columns: slice, tile: Tile) -> None:
        """See a tile of set 0 against set 1."""


W = TypeVar("W", bound=Watcher)


class Pair:
    """Real and synthetic features, with the watchers that have walked their tiles."""

    def __init__(self, a: Cloud, b: Cloud) -> None:
        self.a, self.b = a, b
        self._seen: dict[type[Watcher], Any] = {}

    def walk(self, *kinds: type[Watcher]) -> None:
        """Let several watchers see all tiles in one walk, so that each is multiplied once."""
        watchers = [kind(self.a, self.b) for kind in kinds]
        for side, cloud in enumerate((self.a, self.b)):
            for rows, columns, tile in tiles_within(cloud):
                for watcher in watchers:
                    watcher.within(side, rows, columns, tile)
        for rows, columns, tile in tiles_across(self.a, self.b):
            for watcher in watchers:
                watcher.across(rows, columns, tile)
        self._seen.update(zip(kinds, watchers, strict=True))

    def seen_by(self, kind: type[W]) -> W:
        """Return a watcher that has seen all tiles, walking them if it has not yet."""
        if kind not in self._seen:
            self.walk(kind)
        return self._seen[kind]


PairScore = Callable[[Pair], Quantity]

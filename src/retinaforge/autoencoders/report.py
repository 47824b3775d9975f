"""What became of a checkpoint's keys, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class KeyReport:
    """What became of a checkpoint's keys.

    Attributes:
        source: the layout that was read.
        loaded: number of tensors that found their place.
        missing: the model's keys that the checkpoint lacks.
        unexpected: the checkpoint's keys that the model has no place for.
        reshaped: keys whose tensor was brought into another shape with the same values.
        ignored: keys left out on purpose (a discriminator, a loss network).
    """

    source: str
    loaded: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Return whether every key of the model came from the checkpoint, and none was left."""
        return not self.missing and not self.unexpected

    def in_words(self) -> str:
        """Return the report as a paragraph."""
        lines = [f"{self.source}: {self.loaded} tensors loaded"]
        parts = (
            ("missing in the checkpoint", self.missing),
            ("unknown to the model", self.unexpected),
            ("reshaped", self.reshaped),
            ("ignored on purpose", self.ignored),
        )
        lines += [f"{len(keys)} {name}: {_some(keys)}" for name, keys in parts if keys]
        return "; ".join(lines)


def compare_keys(
    source: str, wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]
) -> KeyReport:
    """Return which keys agree in name and shape; a key of another shape counts on both sides."""
    agree = {k for k in wanted if k in given and wanted[k].shape == given[k].shape}
    return KeyReport(
        source,
        loaded=len(agree),
        missing=_described(wanted, agree),
        unexpected=_described(given, agree),
    )


def _described(tensors: Mapping[str, Tensor], agree: set[str]) -> tuple[str, ...]:
    return tuple(f"{k} {tuple(v.shape)}" for k, v in tensors.items() if k not in agree)


def _some(keys: Iterable[str], most: int = 6) -> str:
    listed = list(keys)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more

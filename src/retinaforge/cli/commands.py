"""Which commands there are; a command's module is loaded when that command is called.

So `retinaforge vessels` on masks loads no network, and neither do its workers, which import the
script that started them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

MARKUP = "markdown"


@dataclass(frozen=True)
class Entry:
    """Where a command stands.

    Attributes:
        module: below `retinaforge.cli`.
        name: of the function, or of the Typer application of a group of commands.
        epilog: name of the examples below a function's help.
    """

    module: str
    name: str = "app"
    epilog: str = "EXAMPLES"


COMMANDS: dict[str, Entry] = {
    "data": Entry("data"),
    "phantoms": Entry("phantoms"),
    "train": Entry("train"),
    "pretrain": Entry("pretrain", "pretrain"),
    "study": Entry("study"),
    "reconstruct": Entry("models", "reconstruct", "RECONSTRUCT_EXAMPLES"),
    "ceiling": Entry("models", "ceiling", "CEILING_EXAMPLES"),
    "export": Entry("export", "export"),
    "vessels": Entry("vessels", "vessels"),
    "refine": Entry("refine", "refine"),
    "validate": Entry("validate", "validate_command"),
    "compare": Entry("compare", "compare_command"),
    "encoders": Entry("encoders"),
    "probe": Entry("probe", "probe_command"),
    "audit": Entry("audit"),
    "usefulness-vessels": Entry("usefulness_vessels", "usefulness_vessels_command"),
    "challenge": Entry("challenge"),
    "nearest": Entry("nearest", "nearest_command"),
    "usefulness": Entry("usefulness", "usefulness_command"),
    "usefulness-scores": Entry("usefulness_scores", "usefulness_scores_command"),
    "captions": Entry("captions"),
    "generate": Entry("generate"),
    "reader": Entry("reader"),
    "demo": Entry("demo"),
    "doctor": Entry("doctor", "doctor"),
}
"""In the order of --help."""


def load(name: str) -> Any:
    """Return a command, or a group of commands, as Typer builds it."""
    entry = COMMANDS[name]
    module = import_module(f"retinaforge.cli.{entry.module}")
    found, holder = getattr(module, entry.name), typer.Typer(rich_markup_mode=MARKUP)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name, epilog=getattr(module, entry.epilog))(found)
    return typer.main.get_group(holder).commands[name]


class LazyCommands(Mapping[str, Any]):
    """The commands by name, each loaded when it is asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Door(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = LazyCommands()

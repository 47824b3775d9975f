"""Where words go: narration to stderr, answers to stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

stderr = Console(stderr=True)
stdout = Console()


def say(message: str, *, alarm: str = "") -> None:
    """Narrate on stderr, as it stands: messages quote fields such as [data], which is no markup.

    Args:
        message: the words.
        alarm: a word in red to head them.
    """
    if alarm:
        stderr.print(alarm, style="red", end=" ")
    stderr.print(message, highlight=False, markup=False, soft_wrap=True)


def counted(number: int, thing: str) -> str:
    """Return a number with the name of what it counts: "1 image", "2 images"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def answer_json(content: Any) -> None:
    """Print plain data as JSON on stdout."""
    print(json.dumps(content, indent=2, allow_nan=False))


def bar_of(*columns: Any) -> Progress:
    """Return a bar on stderr that leaves no trace when it ends, and none at all in a log file."""
    return Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)


@contextmanager
def progress_bar(what: str) -> Iterator[Any]:
    """Yield a function (done, all) that moves a bar on stderr, with the time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with bar_of(*columns) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def staged_progress() -> Iterator[Any]:
    """Yield a function (what, done, all) that moves one bar a stage on stderr, with time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with bar_of(*columns) as bar:
        tasks: dict[str, Any] = {}

        def move(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield move

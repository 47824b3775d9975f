"""What `generate sample` and `ladder` tell: a bar with images a second, the sheet, the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from retinaforge.cli.output import answer_json, bar_of, counted, say

if TYPE_CHECKING:
    from retinaforge.tasks.sample_painter import Painter
    from retinaforge.tasks.sample_requests import Request
    from retinaforge.tasks.sample_result import OnProgress, SampleResult

EXIT_PARTLY = 1
SHOWN = 20


@contextmanager
def sampling_bar() -> Iterator[OnProgress]:
    """Yield what shows images, images a second and the time left, on stderr."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    columns = (
        TextColumn("sampling"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    with bar_of(*columns) as bar:
        task = bar.add_task("", total=None, speed="")

        def tell(at: Any) -> None:
            minutes, seconds = divmod(round(min(at.seconds_left, 359_999)), 60)
            speed = f"{at.images_per_s:.2f} images/s · {minutes}:{seconds:02d} left"
            bar.update(task, completed=at.done, total=at.images, speed=speed)

        yield tell


def tell_unlearnt(painter: Painter, asked: Sequence[Request], most: int = 3) -> None:
    """Warn, before anything is drawn, of captions that the text encoder cannot make sense of."""
    from retinaforge.tasks.sample_requests import texts_of
    from retinaforge.tasks.sample_result import unlearnt

    texts = texts_of(asked)
    found = unlearnt(painter, texts)
    for text, one in found[:most]:
        cut = text if len(text) <= 60 else f"{text[:60]}…"
        say(f'"{cut}": {one.said()}', alarm="unknown words")
    if len(found) > most:
        say(f"{len(found)} of {len(texts)} captions hold such words; result.json names them")


def write_grid(out: Path, asked: Sequence[Request], most: int = 24) -> None:
    from retinaforge.tasks.sample_grid import folder_sheet, spread

    shown = [asked[at] for at in spread(len(asked), most)]
    texts = [f"{one.wording.text} · seed {one.seed}" for one in shown]
    sheet = folder_sheet(out, [one.stem for one in shown], texts, out / "synthetic_grid.png")
    say(f"sheet: {sheet}")


def answer_result(result: SampleResult, out: Path, *, as_json: bool) -> None:
    _name("failed", [f"{image} ({source}): {why}" for image, source, why in result.failed])
    _name("left out", [f"{one.source}: {one.why}" for one in result.bad_captions])
    for text, tokens in result.truncated[:3]:
        say(f"cut at {result.max_tokens} of {tokens} tokens: {text[:70]} …", alarm="truncated")
    for note in result.notes:
        say(note)
    if as_json:
        answer_json(result.as_dict())
    else:
        print(
            f"{out}: {counted(result.written, 'image')} drawn, {result.kept} there before, "
            f"{len(result.failed)} failed, {len(result.truncated)} of {result.captions} captions "
            f"truncated, {result.images_per_s:.3g} images/s"
        )
    if result.failed or result.bad_captions:
        raise typer.Exit(EXIT_PARTLY)


def _name(alarm: str, lines: Sequence[str]) -> None:
    """Name what went wrong, the first of many."""
    for line in lines[:SHOWN]:
        say(line, alarm=alarm)
    if (more := len(lines) - SHOWN) > 0:
        say(f"{more} more {alarm}; result.json names them")

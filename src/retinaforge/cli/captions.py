"""`retinaforge captions`: records of eyes, captions of them, and files that others read.

A command of another file is added here by one line: `app.command(NAME, epilog=...)(function)`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from retinaforge.cli import captions_write
from retinaforge.cli.output import answer_json, progress_bar, say

if TYPE_CHECKING:
    from retinaforge.tasks.records_manifest import Gathered


app = typer.Typer(help="Write what is known of an eye into words.", no_args_is_help=True)
EXIT_PARTLY = 1


@app.callback()
def _group() -> None:
    """Write what is known of an eye into words."""


@app.command(
    epilog="Examples:\n\n"
    "`retinaforge captions records phantoms --out records.jsonl --boxes`\n\n"
    "`retinaforge captions records ../shared/data/odir --out records.jsonl --json`\n\n"
    "`retinaforge captions records my_set --columns map.toml --out records.jsonl`"
)
def records(
    source: Path = typer.Argument(..., help="Phantoms, a data set, or a folder of data sets."),
    out: Path = typer.Option(..., help="File to write, one JSON object a line."),
    columns: Path = typer.Option(None, help="What the columns of its tables mean (TOML)."),
    boxes: bool = typer.Option(False, help="Phantoms: also boxes round lesions, from the masks."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON."),
) -> None:
    """Gather what is known of each eye, fact by fact, each with its source.

    Phantoms give their truth; a data set gives what its tables, keywords and masks say. Exit code
    0: all was read; 1: an image, or a value of one, was left out, each is named.
    """
    from retinaforge.tasks.records_file import write_known
    from retinaforge.tasks.records_source import gather

    with progress_bar("records") as move:
        found = gather(source, columns=columns, boxes=boxes, on_progress=move)
    write_known(out, found.known)
    for word, count in sorted(found.unknown_keywords.items()):
        say(f"{word} ({count}): gives no fact, stands among the keywords", alarm="unknown keyword")
    _name_left_out(found.left_out)
    told = _summary(out, found)
    if as_json:
        answer_json(told)
    else:
        say(f"{told['images']} images, {told['facts']} facts")
        print(out)
    if found.left_out:
        raise typer.Exit(EXIT_PARTLY)


def _summary(out: Path, found: Gathered) -> dict[str, Any]:
    """Return how many images have each fact, and what was not understood."""
    names = Counter(name for each in found.known for name in each.record.facts)
    return {
        "records": str(out),
        "images": len(found.known),
        "facts": names.total(),
        "images_with": dict(sorted(names.items())),
        "unknown_keywords": dict(sorted(found.unknown_keywords.items())),
        "left_out": [{"what": what, "why": why} for what, why in found.left_out],
    }


app.command("write", epilog=captions_write.EXAMPLES)(captions_write.write)


def _name_left_out(rows: list[tuple[str, str]]) -> None:
    for name, why in rows:
        say(f"{name}: {why}", alarm="left out")

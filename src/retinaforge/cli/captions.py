"""`retinaforge captions`: records of eyes, captions of them, and files that others read.

A command of another file is added here by one line: `app.command(NAME, epilog=...)(function)`.
"""

from __future__ import annotations

from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

app = typer.Typer(help="Write what is known of an eye into words.", no_args_is_help=True)
EXIT_PARTLY = 1


@app.callback()
def _group() -> None:
    """Write what is known of an eye into words."""


@app.command(
    epilog="Examples:\n\n"
    "`retinaforge captions records phantoms --out records.jsonl`\n\n"
    "`retinaforge captions records phantoms --out records.jsonl --boxes --json`"
)
def records(
    source: Path = typer.Argument(..., help="A set of phantoms."),
    out: Path = typer.Option(..., help="File to write, one JSON object a line."),
    boxes: bool = typer.Option(False, help="Also boxes round lesions, from their masks."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON."),
) -> None:
    """Gather what is known of each eye, fact by fact, each with its source."""
    from retinaforge.tasks.records_file import write_known
    from retinaforge.tasks.records_phantoms import phantom_records

    with progress_bar("records") as move:
        known = list(phantom_records(source, boxes=boxes, on_progress=move))
    write_known(out, known)
    facts = sum(len(each.record.facts) for each in known)
    if as_json:
        answer_json({"records": str(out), "images": len(known), "facts": facts})
    else:
        say(f"{len(known)} images, {facts} facts")
        print(out)

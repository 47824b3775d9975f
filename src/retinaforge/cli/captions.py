"""`retinaforge captions`: records of eyes, captions of them, and files that others read.

A command of another file is added here by one line: `app.command(NAME, epilog=...)(function)`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say


class WriterName(StrEnum):
    """Writers."""

    template = "template"


class LinkName(StrEnum):
    """How images get into a folder of pairs."""

    reference = "reference"
    symlink = "symlink"
    copy = "copy"


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


@app.command(
    epilog="Examples:\n\n"
    "`retinaforge captions write records.jsonl --out pairs`\n\n"
    "`retinaforge captions write records.jsonl --out pairs --captions-per-image 8 --diagnosis "
    "--link copy --seed 1`"
)
def write(
    table: Path = typer.Argument(..., metavar="RECORDS", help="What `captions records` wrote."),
    out: Path = typer.Option(..., help="Folder of pairs to write: metadata.jsonl and images."),
    writer: WriterName = typer.Option(WriterName.template, help="Who writes."),
    captions_per_image: int = typer.Option(4, min=1, help="Paraphrases of each image."),
    seed: int = typer.Option(0, min=0, help="The same seed writes the same words."),
    diagnosis: bool = typer.Option(False, help="Name diseases and grades too."),
    person: bool = typer.Option(False, help="Name age, sex, ethnicity and camera too."),
    only: str = typer.Option("", help="Speak of these facts alone, and of each: eye,drusen,…"),
    places: bool = typer.Option(True, help="Say where lesions lie."),
    most_words: int = typer.Option(210, min=20, help="Longest caption."),
    link: LinkName = typer.Option(
        LinkName.reference, help="Images stay where they are, are linked to, or copied."
    ),
    root: Path = typer.Option(None, help="Where the images lie; none: where RECORDS says."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON."),
) -> None:
    """Write captions of each image from what is known of it.

    A caption states only facts of the record, in 20 to 210 words, and no diagnosis unless asked.
    Exit code 0: every image has a caption; 1: some were left out, each is named.
    """
    from retinaforge.tasks.caption_writers import write_captions, writer_named
    from retinaforge.tasks.pairs import write_pairs
    from retinaforge.tasks.records_file import read_known

    known, bad = read_known(table, root)
    named = tuple(name.strip() for name in only.split(",") if name.strip())
    author = writer_named(
        writer.value, diagnosis=diagnosis, person=person, only=named, places=places,
        words=(min(20, most_words), most_words),
    )  # fmt: skip
    with progress_bar("captions") as move:
        written = write_captions(
            known, author, seed=seed, count=captions_per_image, on_progress=move
        )
    write_pairs(out, written.pairs, link.value)
    _name_left_out([(f"line {row.line} {row.image}".strip(), row.why) for row in bad])
    _name_left_out(written.left_out)
    captions = sum(len(pair.texts) for pair in written.pairs)
    if as_json:
        left_out = len(bad) + len(written.left_out)
        answer_json({
            "pairs": str(out), "images": len(written.pairs), "captions": captions,
            "left_out": left_out,
        })  # fmt: skip
    else:
        say(f"{len(written.pairs)} images, {captions} captions")
        print(out)
    if bad or written.left_out:
        raise typer.Exit(EXIT_PARTLY)


def _name_left_out(rows: list[tuple[str, str]]) -> None:
    for name, why in rows:
        say(f"{name}: {why}", alarm="left out")

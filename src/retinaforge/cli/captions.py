"""`retinaforge captions`: records of eyes, captions of them, and files that others read.

A command of another file is added here by one line: `app.command(NAME, epilog=...)(function)`.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

if TYPE_CHECKING:
    from retinaforge.tasks.records_manifest import Gathered


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

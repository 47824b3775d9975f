"""`retinaforge captions import` and `captions export`: captions in the files of others."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

EXIT_PARTLY = 1
IMPORT_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions import configs/train/data.yaml --out pairs`\n\n"
    "`retinaforge captions import example_ver3.json --root codes --out pairs --json`"
)
EXPORT_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions export pairs --as retinalogos --out for_lumina`\n\n"
    "`retinaforge captions export pairs --as webdataset --out shards --per-shard 2000`\n\n"
    "`retinaforge captions export pairs --as croissant --out published --name my_set "
    "--licence 'CC BY 4.0'`"
)


class FormName(StrEnum):
    """Forms that others read."""

    retinalogos = "retinalogos"
    metadata = "metadata"
    webdataset = "webdataset"
    croissant = "croissant"


class LinkName(StrEnum):
    """How images get into a folder of pairs."""

    reference = "reference"
    symlink = "symlink"
    copy = "copy"


def import_command(
    file: Path = typer.Argument(..., help="data.yaml, or one .json or .jsonl."),
    out: Path = typer.Option(..., help="Folder of pairs to write."),
    root: Path = typer.Option(None, help="Folder before the image paths; none: as FILE says."),
    link: LinkName = typer.Option(
        LinkName.reference, help="Images stay where they are, are linked to, or copied."
    ),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON."),
) -> None:
    """Read the data files of RetinaLogos and Lumina-T2X, unchanged, as pairs.

    Exit code 0: every row became a pair; 1: some were left out, each is named; 2: refused.
    """
    from retinaforge.tasks.caption_import import import_pairs
    from retinaforge.tasks.pairs import write_pairs
    from retinaforge.tasks.pairs_checks import require_other_folder

    require_other_folder(out, file)
    found = import_pairs(file, root=root)
    with progress_bar("images") as move:
        write_pairs(out, found.pairs, link.value, move)
    for name, why in found.left_out:
        say(f"{name}: {why}", alarm="left out")
    captions = sum(len(pair.texts) for pair in found.pairs)
    told = {"pairs": str(out), "images": len(found.pairs), "captions": captions}
    if as_json:
        answer_json({**told, "left_out": [{"row": row, "why": why} for row, why in found.left_out]})
    else:
        say(f"{len(found.pairs)} images, {captions} captions")
        print(out)
    if found.left_out:
        raise typer.Exit(EXIT_PARTLY)


def export_command(
    folder: Path = typer.Argument(..., metavar="PAIRS", help="Folder of pairs."),
    out: Path = typer.Option(..., help="Folder to write."),
    form: FormName = typer.Option(
        ..., "--as", help="json and yaml; imagefolder; tar shards; imagefolder with croissant.json."
    ),
    per_shard: int = typer.Option(1000, min=1, help="Images a shard."),
    name: str = typer.Option("", help="Of the set, for Croissant."),
    description: str = typer.Option("", help="Of the set, for Croissant."),
    licence: str = typer.Option("", help="Of the set, for Croissant; none: those of the records."),
    url: str = typer.Option("", help="Where the set is published, for Croissant."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON."),
) -> None:
    """Write pairs in a form that others read; the answer is one path a line.

    All forms but retinalogos copy the images. Records, splits and patients go along. Exit code 0:
    every pair was written; 1: rows or images that cannot be read were left out, each is named; 2:
    refused.
    """
    from retinaforge.tasks.caption_export import export_pairs
    from retinaforge.tasks.pairs import read_good_pairs
    from retinaforge.tasks.pairs_checks import require_other_folder, with_images

    require_other_folder(out, folder)
    about = {"name": name, "description": description, "licence": licence, "url": url}
    found = read_good_pairs(folder)
    with progress_bar("looking") as move:
        pairs, unreadable = with_images(found.pairs, move)
    left_out = [*found.bad, *unreadable]
    for what, why in left_out:
        say(f"{what}: {why}", alarm="left out")
    with progress_bar("images") as move:
        paths = export_pairs(
            pairs, out, form.value, per_shard=per_shard, about=about, on_progress=move
        )
    if as_json:
        rows = [{"what": what, "why": why} for what, why in left_out]
        answer_json(
            {"files": [str(path) for path in paths], "images": len(pairs), "left_out": rows}
        )
    else:
        print(*paths, sep="\n")
    if left_out:
        raise typer.Exit(EXIT_PARTLY)

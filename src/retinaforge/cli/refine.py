"""`retinaforge refine`: mend anybody's maps of arteries and veins."""

from __future__ import annotations

from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.tasks.refine_maps import load_refiner, refine_folder

EXIT_PARTLY = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge refine maps --with rrwnet:rrwnet_RITE_refinement.pth --out mended`\n\n"
    "`retinaforge refine maps --with rrwnet:RUN/rrwnet.pth --photographs photographs --out mended`"
)


def refine(
    source: Path = typer.Argument(
        ...,
        metavar="MAPS",
        help="A picture, or a folder of them: probability of artery in red, vein in green, vessel "
        "in blue.",
    ),
    with_: str = typer.Option(..., "--with", help="Who mends: rrwnet:FILE."),
    out: Path = typer.Option(..., help="Folder to write, one PNG a picture; made if absent."),
    photographs: Path = typer.Option(
        None, help="Photographs of the same names, whose field of view is used; none: the frame."
    ),
    passes: int = typer.Option(None, min=1, help="Passes; the network's own by default."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as JSON on stdout."),
) -> None:
    """Mend maps of arteries and veins that any program drew; their vessels stay as they are.

    Exit code 0: all mended; 1: some failed, each named with its reason; 2: refused.
    """
    refiner = load_refiner(with_)
    with progress_bar("maps") as show:
        done = refine_folder(
            source, out, refiner=refiner, photographs=photographs, passes=passes, on_progress=show
        )
    for name, reason in done.failed:
        say(f"{name}: {reason}", alarm="failed")
    if as_json:
        failures = [{"file_name": name, "reason": reason} for name, reason in done.failed]
        answer_json({"files": [str(path) for path in done.files], "failures": failures})
    else:
        for path in done.files:
            print(path)
    if done.failed:
        raise typer.Exit(EXIT_PARTLY)

"""`retinaforge phantoms`: draw eyes whose truth is exact."""

from __future__ import annotations

from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.phantoms import write_phantoms

app = typer.Typer(help="Draw fundus photographs whose truth is exact.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Draw fundus photographs whose truth is exact."""


@app.command(
    epilog="Examples:\n\n"
    "`retinaforge phantoms draw --count 60 --size 512 --seed 0 --out phantoms`\n\n"
    "`retinaforge phantoms draw --count 2000 --size 256 --workers 2 --out phantoms256 --json`"
)
def draw(
    out: Path = typer.Option(..., help="Folder to write; made if absent, resumed if begun."),
    count: int = typer.Option(60, min=1, help="Photographs, two eyes a person."),
    size: int = typer.Option(512, help="Side of each in px, 64 or more."),
    seed: int = typer.Option(0, min=0, help="The same seed draws the same bytes."),
    workers: int = typer.Option(1, min=1, help="Processes; they do not change the result."),
    json: bool = typer.Option(False, "--json", help="Answer as JSON."),
) -> None:
    """Draw phantoms with masks, exact vessel trees, manifest.csv and splits.csv."""
    say(f"drawing {count} phantoms of {size} px, seed {seed}, into {out}")
    with progress_bar("phantoms") as advance:
        manifest = write_phantoms(
            out, count=count, size_px=size, seed=seed, workers=workers, on_progress=advance
        )
    if json:
        answer_json({"manifest": str(manifest), "count": count, "size_px": size, "seed": seed})
    else:
        print(manifest)

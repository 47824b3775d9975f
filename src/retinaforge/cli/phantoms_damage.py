"""`retinaforge phantoms damage`: plant damage of known size."""

from __future__ import annotations

from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.phantoms.damage_card import DAMAGES, damage_named
from retinaforge.phantoms.damage_folder import damage_folder

EXIT_PARTLY = 1
KINDS = ", ".join(card.name for card in DAMAGES)
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge phantoms damage phantoms broken --kind broken-vessels --level 3`\n\n"
    "`retinaforge phantoms damage ../shared/data/drive thin --kind thin-vessels --level 2 "
    "--workers 2`\n\n"
    "`retinaforge phantoms damage phantoms collapsed --kind mode-collapse --level 4 --json`\n\n"
    "The same command again resumes."
)


def damage(
    source: Path = typer.Argument(
        ..., metavar="IN", help="Phantoms as `draw` writes them, or photographs with masks."
    ),
    out: Path = typer.Argument(..., help="Folder to write; made if absent, resumed if begun."),
    kind: str = typer.Option(..., help=f"One of {KINDS}."),
    level: int = typer.Option(..., help="1 (slight) to 5; the answer states its physical size."),
    seed: int = typer.Option(0, min=0, help="The same seed plants the same damage."),
    workers: int = typer.Option(1, min=1, help="Processes; they do not change the result."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON."),
) -> None:
    """Plant damage of known size in phantoms or photographs, with the true masks after it.

    Exit code 0: all damaged; 1: some images were left out, each named with its reason; 2: refused.
    """
    card = damage_named(kind)
    size = card.size(level)
    stated = ", ".join(f"{name} {value:g}" for name, value in size.items())
    say(f"planting {kind}, level {level} ({stated}), seed {seed}, into {out}")
    with progress_bar("images") as advance:
        result = damage_folder(
            source, out, kind=kind, level=level, seed=seed, workers=workers, on_progress=advance
        )
    for name, reason in result.refused:
        say(f"{name}: {reason}", alarm="left out")
    if as_json:
        answer_json({
            "manifest": str(result.manifest), "kind": kind, "level": level, "size": dict(size),
            "seed": seed, "done": result.done,
            "left_out": [{"name": name, "reason": reason} for name, reason in result.refused],
        })  # fmt: skip
    else:
        print(result.manifest)
    if result.refused:
        raise typer.Exit(EXIT_PARTLY)

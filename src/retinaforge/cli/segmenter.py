"""`retinaforge train segmenter`: the vessel judge's network by our own recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.tasks.segmenter import SegmenterConfig
from retinaforge.tasks.segmenter_run import train_vessel_segmenter

app = typer.Typer(no_args_is_help=True, help="Train a segmenter.")


@app.callback()
def _root() -> None:
    """Train a segmenter."""


@app.command(
    epilog="Examples:  `retinaforge train segmenter vessels --data ../shared/data --out RUN`  ·  "
    "`... --phantoms 24` to learn from drawn eyes as well  ·  "
    "use the result as the judge `ours:RUN/vessels.safetensors`"
)
def vessels(
    data: Path = typer.Option(..., help="Folder of data sets with splits.csv and vessel masks."),
    out: Path = typer.Option(..., help="Run folder; the same command resumes it."),
    phantoms: int = typer.Option(0, min=0, help="Drawn eyes that join the photographs."),
    steps: int = typer.Option(SegmenterConfig.steps, min=1, help="Optimiser steps."),
    seed: int = typer.Option(0, help="Seed of weights and crops."),
    as_json: bool = typer.Option(False, "--json", help="Print the model card as JSON on stdout."),
) -> None:
    """Train the vessel network on the training rows under CC BY 4.0 that have vessel masks."""
    config = replace(SegmenterConfig(), steps=steps, seed=seed)
    with progress_bar("learning vessels") as show:
        card = train_vessel_segmenter(
            data, out, phantoms=phantoms, config=config, on_step=lambda k, _: show(k, steps)
        )
    if as_json:
        answer_json(card)
        return
    say(f"threshold {card['threshold']}, Dice {card['validation_dice']:.3f} on validation patients")
    print(out / "vessels.safetensors")

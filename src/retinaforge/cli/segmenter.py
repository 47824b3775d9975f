"""`retinaforge train segmenter`: networks that find what is in an eye, by our own recipes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.core import Refusal
from retinaforge.tasks import anatomy_run, lesion_run
from retinaforge.tasks.anatomy_train import AnatomyConfig
from retinaforge.tasks.lesion_train import LesionConfig
from retinaforge.tasks.segmenter import SegmenterConfig
from retinaforge.tasks.segmenter_kinds import (
    ARTERY_VEIN,
    PHANTOM_COUNT,
    train_artery_vein_segmenter,
)
from retinaforge.tasks.segmenter_losses import VESSEL_LOSSES
from retinaforge.tasks.segmenter_run import train_vessel_segmenter

app = typer.Typer(no_args_is_help=True, help="Train a segmenter.")


@app.callback()
def _root() -> None:
    """Train a segmenter."""


@app.command(
    epilog="Examples:  `retinaforge train segmenter vessels --data ../shared/data --out RUN`  ·  "
    "`... --phantoms 24` to learn from drawn eyes as well  ·  "
    "`... --loss sauna` to learn from soft labels  ·  "
    "`... --phantoms 60 --no-photographs --out RUN` to learn from drawn eyes only  ·  "
    "use the result as the judge `ours:RUN/vessels.safetensors`"
)
def vessels(
    out: Path = typer.Option(..., help="Run folder; the same command resumes it."),
    data: Path | None = typer.Option(
        None, help="Folder of data sets with splits.csv and vessel masks."
    ),
    photographs: bool = typer.Option(True, help="Learn from the photographs of --data."),
    phantoms: int = typer.Option(0, min=0, help="Drawn eyes to learn from; 20 MB of memory each."),
    begin: Path | None = typer.Option(None, help="Weights to begin with; none: random ones."),
    steps: int = typer.Option(SegmenterConfig.steps, min=1, help="Optimiser steps."),
    loss: str = typer.Option("ce-dice", help=f"One of {', '.join(x.name for x in VESSEL_LOSSES)}."),
    seed: int = typer.Option(0, help="Seed of weights and crops."),
    as_json: bool = typer.Option(False, "--json", help="Print the model card as JSON on stdout."),
) -> None:
    """Train the vessel network on open photographs with vessel masks, on phantoms, or on both.

    Of `--data` only the training rows under CC BY 4.0 are learnt from.
    """
    if photographs and data is None:
        raise Refusal(
            "a folder of photographs", "no --data", "name one, or add --no-photographs --phantoms N"
        )
    config = replace(SegmenterConfig(), steps=steps, loss=loss, seed=seed)
    with progress_bar("learning vessels") as show:
        card = train_vessel_segmenter(
            data if photographs else None,
            out,
            phantoms=phantoms,
            begin=begin,
            config=config,
            on_step=lambda k, _: show(k, steps),
        )
    if as_json:
        answer_json(card)
        return
    say(f"threshold {card['threshold']}, Dice {card['validation_dice']:.3f} on what was held out")
    print(out / "vessels.safetensors")


@app.command(
    "artery-vein",
    epilog="Examples:  `retinaforge train segmenter artery-vein --data ../shared/data --out RUN`",
)
def artery_vein(
    out: Path = typer.Option(..., help="Run folder; the same command resumes it."),
    data: Path = typer.Option(
        ..., help="Folder of data sets with splits.csv and artery/vein masks."
    ),
    phantoms: int = typer.Option(
        PHANTOM_COUNT, min=0, help="Drawn eyes to learn from; 30 MB of memory each."
    ),
    steps: int = typer.Option(ARTERY_VEIN.steps, min=1, help="Optimiser steps."),
    seed: int = typer.Option(0, help="Seed of weights and crops."),
    as_json: bool = typer.Option(False, "--json", help="Print the model card as JSON on stdout."),
) -> None:
    """Train the artery/vein network on open photographs with named vessels and on phantoms."""
    config = replace(ARTERY_VEIN, steps=steps, seed=seed)
    with progress_bar("learning arteries and veins") as show:
        card = train_artery_vein_segmenter(
            data, out, phantoms=phantoms, config=config, on_step=lambda k, _: show(k, steps)
        )
    if as_json:
        answer_json(card)
        return
    say(f"{card['validation_named_rightly']:.1%} rightly named of what was held out")
    print(out / "artery-vein.safetensors")


_DATA = typer.Option(
    None, help="Folder of data sets with splits.csv and masks; none: phantoms only."
)
_OUT = typer.Option(..., help="Run folder; the same command resumes it.")
_SEED = typer.Option(0, help="Seed of weights, crops and phantoms.")
_AS_JSON = typer.Option(False, "--json", help="Print the model card as JSON on stdout.")


@app.command(
    epilog="Examples:  `retinaforge train segmenter anatomy --data ../shared/data --out RUN`  ·  "
    "use the result as the model `ours:RUN/anatomy.safetensors`"
)
def anatomy(
    out: Path = _OUT,
    data: Path | None = _DATA,
    phantoms: int = typer.Option(
        anatomy_run.PHANTOM_COUNT, min=1, help="Drawn eyes to learn from; 3 MB of memory each."
    ),
    begin: Path | None = typer.Option(None, help="Weights to begin with; none: random ones."),
    steps: int = typer.Option(AnatomyConfig.steps, min=1, help="Optimiser steps."),
    seed: int = _SEED,
    as_json: bool = _AS_JSON,
) -> None:
    """Train the network that finds disc, cup and fovea.

    The disc is learnt from photographs of `--data` (training rows under CC BY 4.0) and phantoms,
    cup and fovea from phantoms.
    """
    config = replace(AnatomyConfig(), steps=steps, seed=seed)
    with progress_bar("learning disc, cup and fovea") as show:
        card = anatomy_run.train_anatomy_segmenter(
            data,
            out,
            phantoms=phantoms,
            begin=begin,
            config=config,
            on_step=lambda k, _: show(k, steps),
        )
    if as_json:
        answer_json(card)
        return
    wrong = card["fovea_level_wrong_share"]
    say(f"fovea from {card['levels']['fovea']:.2f} on; {wrong:.0%} of phantoms misjudged")
    print(out / "anatomy.safetensors")


@app.command(
    epilog="Examples:  `retinaforge train segmenter lesions --data ../shared/data --out RUN`  ·  "
    "use the result as the model `ours:RUN/lesions.safetensors`"
)
def lesions(
    out: Path = _OUT,
    data: Path | None = _DATA,
    phantoms: int = typer.Option(
        lesion_run.PHANTOM_COUNT, min=0, help="Drawn eyes to learn from; 20 MB of memory each."
    ),
    begin: Path | None = typer.Option(
        None, help="Weights to begin with, of lesions or vessels; none: random ones."
    ),
    steps: int = typer.Option(LesionConfig.steps, min=1, help="Optimiser steps."),
    seed: int = _SEED,
    as_json: bool = _AS_JSON,
) -> None:
    """Train the network that finds microaneurysms, haemorrhages, hard and soft exudates.

    Of `--data` only the training rows under CC BY 4.0 that `lesions.csv` names are learnt from.
    """
    config = replace(LesionConfig(), steps=steps, seed=seed)
    with progress_bar("learning lesions") as show:
        card = lesion_run.train_lesion_segmenter(
            data,
            out,
            phantoms=phantoms,
            begin=begin,
            config=config,
            on_step=lambda k, _: show(k, steps),
        )
    if as_json:
        answer_json(card)
        return
    dice = ", ".join(f"{kind} {value:.2f}" for kind, value in card["validation_dice"].items())
    say(f"Dice on what was held out: {dice}")
    print(out / "lesions.safetensors")

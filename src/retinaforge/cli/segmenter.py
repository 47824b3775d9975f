"""`retinaforge train segmenter`: networks that find what is in an eye, by our own recipes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.core import Refusal
from retinaforge.tasks import anatomy_run, lesion_run, rrwnet_run
from retinaforge.tasks.anatomy_train import AnatomyConfig
from retinaforge.tasks.lesion_train import LesionConfig
from retinaforge.tasks.rrwnet_train import RRWNetConfig
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


_DATA = typer.Option(
    None, help="Folder of data sets with splits.csv and masks; none: phantoms only."
)
_OUT = typer.Option(..., help="Run folder; the same command resumes it.")
_BEGIN = typer.Option(None, help="Weights to begin with; none: random ones.")
_SEED = typer.Option(0, help="Seed of weights, crops and phantoms.")
_AS_JSON = typer.Option(False, "--json", help="Print the model card as JSON on stdout.")


def _answer(card: dict[str, Any], weights: Path, *, said: str, as_json: bool) -> None:
    """Answer with the card, or with the weights' path after a line of narration."""
    if as_json:
        answer_json(card)
        return
    say(said)
    print(weights)


@app.command(
    epilog="Examples:  `retinaforge train segmenter vessels --data ../shared/data --out RUN`  ·  "
    "`... --phantoms 24` to learn from drawn eyes as well  ·  "
    "`... --loss sauna` to learn from soft labels  ·  "
    "`... --phantoms 60 --no-photographs --out RUN` to learn from drawn eyes only  ·  "
    "use the result as the judge `ours:RUN/vessels.safetensors`"
)
def vessels(
    out: Path = _OUT,
    data: Path | None = typer.Option(
        None, help="Folder of data sets with splits.csv and vessel masks."
    ),
    photographs: bool = typer.Option(True, help="Learn from the photographs of --data."),
    phantoms: int = typer.Option(0, min=0, help="Drawn eyes to learn from; 20 MB of memory each."),
    begin: Path | None = _BEGIN,
    steps: int = typer.Option(SegmenterConfig.steps, min=1, help="Optimiser steps."),
    loss: str = typer.Option("ce-dice", help=f"One of {', '.join(x.name for x in VESSEL_LOSSES)}."),
    seed: int = _SEED,
    as_json: bool = _AS_JSON,
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
    said = f"threshold {card['threshold']}, Dice {card['validation_dice']:.3f} on what was held out"
    _answer(card, out / "vessels.safetensors", said=said, as_json=as_json)


@app.command(
    "artery-vein",
    epilog="Examples:  `retinaforge train segmenter artery-vein --data ../shared/data --out RUN`",
)
def artery_vein(
    out: Path = _OUT,
    data: Path = typer.Option(
        ..., help="Folder of data sets with splits.csv and artery/vein masks."
    ),
    phantoms: int = typer.Option(
        PHANTOM_COUNT, min=0, help="Drawn eyes to learn from; 30 MB of memory each."
    ),
    steps: int = typer.Option(ARTERY_VEIN.steps, min=1, help="Optimiser steps."),
    seed: int = _SEED,
    as_json: bool = _AS_JSON,
) -> None:
    """Train the artery/vein network on open photographs with named vessels and on phantoms."""
    config = replace(ARTERY_VEIN, steps=steps, seed=seed)
    with progress_bar("learning arteries and veins") as show:
        card = train_artery_vein_segmenter(
            data, out, phantoms=phantoms, config=config, on_step=lambda k, _: show(k, steps)
        )
    said = f"{card['validation_named_rightly']:.1%} rightly named of what was held out"
    _answer(card, out / "artery-vein.safetensors", said=said, as_json=as_json)


@app.command(
    epilog="Examples:  `retinaforge train segmenter rrwnet --data ../shared/data --out RUN`  ·  "
    "`... --base 8 --passes 3` without a GPU  ·  "
    "`... --damaged 0` for the published loss alone  ·  "
    "use the result as the judge `rrwnet:RUN/rrwnet.pth`, or to refine maps"
)
def rrwnet(
    out: Path = _OUT,
    data: Path | None = _DATA,
    phantoms: int = typer.Option(
        rrwnet_run.PHANTOM_COUNT, min=0, help="Drawn eyes to learn from; 30 MB of memory each."
    ),
    base: int = typer.Option(
        RRWNetConfig.base, min=1, help="Channels at full resolution; 64 as published."
    ),
    passes: int = typer.Option(
        RRWNetConfig.passes, min=1, help="Passes of refinement; 6 as published."
    ),
    damaged: float = typer.Option(
        RRWNetConfig.damaged,
        min=0,
        help="Weight of mending spoilt true maps beside the published loss.",
    ),
    steps: int = typer.Option(RRWNetConfig.steps, min=1, help="Optimiser steps."),
    seed: int = _SEED,
    as_json: bool = _AS_JSON,
) -> None:
    """Train RRWNet, which finds arteries and veins and mends maps of them, by its published loss.

    Of `--data` only the training rows under CC BY 4.0 with named vessels are learnt from.
    """
    config = replace(
        RRWNetConfig(), base=base, passes=passes, damaged=damaged, steps=steps, seed=seed
    )
    with progress_bar("learning to refine arteries and veins") as show:
        card = rrwnet_run.train_rrwnet_segmenter(
            data, out, phantoms=phantoms, config=config, on_step=lambda k, _: show(k, steps)
        )
    shares = card["validation_named_rightly"]
    said = (
        f"{shares['found']:.1%} rightly named of what was held out; "
        f"spoilt maps mended from {shares['spoilt']:.1%} to {shares['mended']:.1%}"
    )
    _answer(card, out / "rrwnet.pth", said=said, as_json=as_json)


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
    begin: Path | None = _BEGIN,
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
    wrong = card["fovea_level_wrong_share"]
    said = f"fovea from {card['levels']['fovea']:.2f} on; {wrong:.0%} of phantoms misjudged"
    _answer(card, out / "anatomy.safetensors", said=said, as_json=as_json)


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
    dice = ", ".join(f"{kind} {value:.2f}" for kind, value in card["validation_dice"].items())
    said = f"Dice on what was held out: {dice}"
    _answer(card, out / "lesions.safetensors", said=said, as_json=as_json)

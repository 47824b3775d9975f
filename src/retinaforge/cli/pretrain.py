"""`retinaforge pretrain`: an encoder of fundus photographs, without labels."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.core import Refusal
from retinaforge.tasks.pretrain import MODEL, pretrain_encoder, training_sheets
from retinaforge.tasks.pretrain_card import ENCODER
from retinaforge.tasks.pretrain_data import ViewPlan
from retinaforge.tasks.pretrain_plan import SHAPES, PretrainPlan, scaled_rate
from retinaforge.training import rich_progress
from retinaforge.training.pretrain_config import PretrainConfig

EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge pretrain --data ./photographs --out ./encoder`\n\n"
    "`retinaforge pretrain --data ./a --data ./b --whole ./phantoms --out ./encoder`\n\n"
    "`retinaforge pretrain --data ./clinic --out ./encoder --metadata age,sex,eye "
    "--target pixels+gradient`\n\n"
    "`torchrun --nproc-per-node 2 -m retinaforge pretrain --data DIR --out OUT` on several GPUs"
)
TARGETS = {"pixels": False, "pixels+gradient": True}


def pretrain(
    data: list[Path] = typer.Option(
        [], help="Photographs, training patients only; repeat for several folders."
    ),
    whole: list[Path] = typer.Option(
        [], help="A folder all of whose images are for training (phantoms); repeatable."
    ),
    out: Path = typer.Option(..., help="Run folder; the same command resumes it."),
    method: str = typer.Option("mae", help="mae (masked autoencoding) or dino."),
    size: str = typer.Option("tiny", help=f"{' or '.join(SHAPES)}: ViT with patches of 16 px."),
    steps: int = typer.Option(5000, min=1, help="Optimiser steps."),
    batch: int = typer.Option(32, min=1, help="Images a step and process."),
    rate: float = typer.Option(None, help="Peak learning rate; by default it follows the batch."),
    mask: float = typer.Option(0.75, help="Share of the field's patches that mae hides."),
    metadata: str = typer.Option("", help="Tokens to add, of age,sex,eye; unknown ones are null."),
    target: str = typer.Option("pixels", help=f"{' or '.join(TARGETS)}."),
    sheet: int = typer.Option(384, min=32, max=4096, help="Side of the cached square, px."),
    precision: str = typer.Option("auto", help="auto, bf16 or fp32."),
    checkpoint_every: int = typer.Option(500, min=1, help="Steps between checkpoints."),
    seed: int = typer.Option(0, help="Seed of weights, views and masks."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as JSON on stdout."),
) -> None:
    """Pretrain an encoder on the training patients' photographs, without labels.

    OUT/model/encoder.safetensors is what comes out, with its card beside it.

    Exit code 0 when trained (or found done), 1 if photographs were left out as unreadable,
    2 if refused or stopped (with advice).
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    images = batch * int(os.environ.get("WORLD_SIZE", "1"))
    config = PretrainConfig(
        steps=steps,
        learning_rate=rate if rate is not None else scaled_rate(images),
        warmup_steps=max(1, steps // 20),
        precision=precision,
        checkpoint_every=checkpoint_every,
        seed=seed,
    )
    plan = PretrainPlan(
        method=_known(method, ("mae", "dino"), "--method"),
        shape=SHAPES[_known(size, tuple(SHAPES), "--size")],
        size=size,
        mask=mask,
        gradients=TARGETS[_known(target, tuple(TARGETS), "--target")],
        metadata=tuple(kind.strip() for kind in metadata.split(",") if kind.strip()),
        sheet_px=sheet,
        views=ViewPlan(batch=batch),
        config=config,
        seed=seed,
    )
    if method == "dino":
        plan = replace(plan, views=replace(plan.views, locals=4))
    if not data and not whole:
        raise Refusal("photographs to learn from", "neither --data nor --whole", "name a folder")
    with progress_bar("reading photographs") as tick:
        sheets = training_sheets(data, out, plan, whole=whole, on_progress=tick)
    result = pretrain_encoder(
        sheets, out, plan, folders=[*data, *whole], on_progress=rich_progress()
    )
    _answer(result, sheets.refused, out, as_json=as_json)


def _answer(result: Any, refused: tuple[tuple[str, str], ...], out: Path, *, as_json: bool) -> None:
    for name, reason in refused:
        say(f"{name}: {reason}", alarm="left out")
    encoder = out / MODEL / ENCODER
    facts = {
        "state": result.state,
        "encoder": str(encoder),
        "steps": result.steps,
        "seconds": result.seconds,
        "readings": result.readings,
        "left_out": [{"name": name, "reason": reason} for name, reason in refused],
    }
    if as_json:
        answer_json(facts)
    else:
        print(f"{result.state}: {encoder}")
    if refused:
        raise typer.Exit(1)


def _known(word: str, words: tuple[str, ...], option: str) -> Any:
    if word not in words:
        raise Refusal(f"{option} {' or '.join(words)}", repr(word), "name one of these")
    return word

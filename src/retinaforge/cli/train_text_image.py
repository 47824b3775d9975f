"""`retinaforge train text-image`: two small towers that know which caption is whose."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

EXIT_PARTLY = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge train text-image --pairs pairs --out towers`\n\n"
    "`retinaforge train text-image --pairs drawn --pairs taken --steps 3000 --out towers`\n\n"
    "The same command resumes. What it makes is an encoder for others: "
    "`--encoder retina-text:towers/model`."
)


def text_image(
    pairs: list[Path] = typer.Option(
        ..., help="Captioned images (metadata.jsonl); repeat for several folders."
    ),
    out: Path = typer.Option(..., help="Run folder; the same command resumes it."),
    steps: int = typer.Option(1000, min=1, help="Optimiser steps."),
    batch: int = typer.Option(64, min=2, help="Images a step."),
    rate: float = typer.Option(1e-3, help="Peak learning rate."),
    size: int = typer.Option(128, min=32, help="Side of the images, px, a multiple of 16."),
    wrong: bool = typer.Option(True, help="Also show each image a caption made false on purpose."),
    precision: str = typer.Option("auto", help="auto, bf16 or fp32."),
    checkpoint_every: int = typer.Option(100, min=1, help="Steps between checkpoints."),
    seed: int = typer.Option(0, help="Seed of weights and batches."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as JSON on stdout."),
) -> None:
    """Train an image tower and a text tower on captioned images: CLIP's loss with shared targets.

    Only pairs of the split "train" are learnt from (all, where none is named). OUT/model is what
    `--encoder retina-text:OUT/model` names. Exit code 0 when trained (or found done), 1 if images
    were left out as unreadable, 2 if refused or stopped.
    """
    from retinaforge.core import Refusal
    from retinaforge.tasks.contrast_data import ContrastPlan
    from retinaforge.tasks.contrast_train import (
        MODEL,
        TextImagePlan,
        train_image_text,
        training_pairs,
    )
    from retinaforge.training import rich_progress
    from retinaforge.training.pretrain_config import PretrainConfig

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    if size % 16:
        raise Refusal("--size a multiple of 16", str(size), f"write --size {16 * (size // 16)}")
    config = PretrainConfig(
        steps=steps, learning_rate=rate, warmup_steps=max(1, steps // 20), precision=precision,
        checkpoint_every=checkpoint_every, seed=seed,
    )  # fmt: skip
    plan = TextImagePlan(
        draws=ContrastPlan(batch=batch, wrong=wrong, seed=seed), config=config, side_px=size,
        seed=seed,
    )  # fmt: skip
    with progress_bar("reading pairs") as move:
        found = training_pairs(pairs, out, plan, move)
    result = train_image_text(found, out, plan, on_progress=rich_progress())
    for name, reason in found.refused:
        say(f"{name}: {reason}", alarm="left out")
    left_out = [{"name": name, "reason": reason} for name, reason in found.refused]
    if as_json:
        model = {"model": str(out / MODEL), "pairs": len(found.pairs), "left_out": left_out}
        answer_json(asdict(result) | model)
    else:
        print(f"{result.state}: {out / MODEL}")
    if left_out:
        raise typer.Exit(EXIT_PARTLY)

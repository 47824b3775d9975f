"""`retinaforge train`: an autoencoder with a loss expression, a segmenter, the quality grade."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal

import torch
import typer

from retinaforge.autoencoders import Autoencoder, AutoencoderConfig, decoder_only, load_autoencoder
from retinaforge.cli import segmenter, train_quality, train_text_image
from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.core import RetinaForgeError, seed_for
from retinaforge.encoders import Encoder
from retinaforge.encoders import load as load_encoder
from retinaforge.images import read_records, split_by_patient
from retinaforge.losses import build_terms, split_adversary
from retinaforge.nets.patchgan import PatchDiscriminator
from retinaforge.tasks.crops import CropPlan, crop_drawer
from retinaforge.tasks.sheets import Sheets, build_sheets
from retinaforge.training import (
    Adversary,
    Preflight,
    TrainConfig,
    device_for,
    rich_progress,
    train,
)

app = typer.Typer(
    no_args_is_help=True, help="Train an autoencoder, a segmenter or the quality grade."
)
app.add_typer(segmenter.app, name="segmenter")
app.command(epilog=train_quality.EXAMPLES)(train_quality.quality)
app.command("text-image", epilog=train_text_image.EXAMPLES)(train_text_image.text_image)


@app.command(
    epilog="Examples:\n\n"
    "`retinaforge train autoencoder --data DIR --out OUT --loss 'l1 + log'`\n\n"
    "`retinaforge train autoencoder --data DIR --out OUT --loss 'l1 + lpips(vgg)' "
    "--encoder vgg=vgg16:vgg.pth,heads=heads.pth`\n\n"
    "`retinaforge train autoencoder --data DIR --out OUT --init ./vae --decoder-only`\n\n"
    "`torchrun --nproc-per-node 2 -m retinaforge train autoencoder --data DIR --out OUT` "
    "on several GPUs or processes"
)
def autoencoder(
    data: Path = typer.Option(..., help="Photographs: a folder, imagefolder or manifest."),
    out: Path = typer.Option(..., help="Run folder; the same command resumes it."),
    loss: str = typer.Option("l1 + log", help="Weighted sum of losses; see docs/reference."),
    encoder: list[str] = typer.Option([], help="NAME=SPEC for each encoder the loss names."),
    kind: str = typer.Option("vq", help="vq, fsq or kl."),
    factor: int = typer.Option(4, help="4, 8 or 16: image side over latent side."),
    channels: int = typer.Option(8, min=1, help="Of the latent, or of a code (vq, kl)."),
    init: Path = typer.Option(None, help="Fine-tune this autoencoder instead of a new one."),
    only_decoder: bool = typer.Option(False, "--decoder-only", help="Freeze all but the decoder."),
    steps: int = typer.Option(2000, min=1, help="Optimiser steps."),
    batch: int = typer.Option(4, min=1, help="Images a step."),
    sheet: int = typer.Option(512, min=64, help="Side of the normalised square, px."),
    crop: int = typer.Option(256, min=32, help="Side of a training image, px."),
    frame: Literal["fov", "whole"] = typer.Option(
        "fov", help="What losses see; a generator's decoder needs the whole, black border too."
    ),
    rate: float = typer.Option(1e-3, help="Peak learning rate."),
    precision: str = typer.Option("auto", help="auto, bf16 or fp32."),
    match: bool = typer.Option(True, help="Match gradient norms of added terms to the pixel term."),
    seed: int = typer.Option(0, help="Seed of weights and data order."),
    preflight: bool = typer.Option(True, help="First see whether eight images can be learnt."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as JSON on stdout."),
) -> None:
    """Train an autoencoder on the training patients of a folder.

    Exit code 0 when trained (or found done), 1 if photographs were left out as unreadable,
    2 if refused or stopped (with advice).
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    config = TrainConfig(
        steps=steps, learning_rate=rate, precision=precision, match_gradients=match, seed=seed
    )
    # Before the photographs are read, which takes longer than finding a misspelt loss.
    terms = build_terms(loss, encoders=_encoders(encoder, config))
    adversary = split_adversary(loss)[1]
    torch.manual_seed(seed_for(seed, "weights") % 2**63)
    model = _model(init, kind, factor, channels, only_decoder)
    sheets = _sheets(data, out, sheet, seed)
    plan = CropPlan(batch_size=batch, crop_px=crop, seed=seed_for(seed, "data"), frame=frame)
    result = train(
        model,
        terms,
        crop_drawer(sheets, plan),
        config,
        out,
        adversary=adversary and Adversary(PatchDiscriminator(), adversary),
        preflight=Preflight() if preflight else None,
        on_progress=rich_progress(),
        meta={"loss": loss, "data": data.name, "data_fingerprint": sheets.fingerprint},
    )
    for name, reason in sheets.refused:
        say(f"{name}: {reason}", alarm="left out")
    facts = {
        "state": result.state,
        "model": str(result.model_folder),
        "steps": result.steps,
        "seconds": result.seconds,
        "left_out": [{"name": name, "reason": reason} for name, reason in sheets.refused],
    }
    if as_json:
        answer_json(facts)
    else:
        print(f"{result.state}: {result.model_folder}")
    if sheets.refused:
        raise typer.Exit(1)


def _encoders(named: list[str], config: TrainConfig) -> dict[str, Encoder]:
    """Load NAME=SPEC, each on the device of the training."""
    pairs = [one.partition("=") for one in named]
    return {name: load_encoder(spec).to(device_for(config)) for name, _, spec in pairs}


def _sheets(data: Path, out: Path, size_px: int, seed: int) -> Sheets:
    """Normalise the training patients' photographs; each process keeps its own copy."""
    records = [r for r in split_by_patient(read_records(data), seed=seed) if r.split == "train"]
    if not records:
        raise RetinaForgeError(f"no photograph of {data} is in the training split")
    rank = os.environ.get("RANK", "0")
    with progress_bar("normalising") as tick:
        return build_sheets(
            records, out / "cache" / f"sheets-{rank}", size_px=size_px, on_progress=tick
        )


def _model(
    init: Path | None, kind: str, factor: int, channels: int, only_decoder: bool
) -> torch.nn.Module:
    if init is None:
        return Autoencoder(AutoencoderConfig(kind=kind, factor=factor, code_dim=channels))
    loaded = load_autoencoder(init)
    say(loaded.report.in_words())
    if only_decoder:
        decoder_only(loaded.model)
    return loaded.model

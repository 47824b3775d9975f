"""`retinaforge usefulness`: do synthetic images help a classifier on real patients?"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, say, staged_progress
from retinaforge.cli.usefulness_backbone import Name, check, trained_settings, warnings_of
from retinaforge.encoders import load as load_encoder
from retinaforge.reports.usefulness_page import text_table, write_usefulness_page
from retinaforge.tasks.usefulness_arms import RATIOS
from retinaforge.tasks.usefulness_linear import BATCH, STEPS
from retinaforge.tasks.usefulness_prepare import gather
from retinaforge.tasks.usefulness_results import JSON, write_results
from retinaforge.tasks.usefulness_run import run_linear, run_trained
from retinaforge.tasks.usefulness_study import Options

EXIT_PARTLY = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge usefulness --real ../shared/data/idrid_grading --synthetic phantoms "
    "--target dr_grade --out useful`\n\n"
    "`retinaforge usefulness --real ../shared/data/idrid_grading --real ../shared/data/odir "
    "--synthetic drawn --target referable --encoder dinov2:dinov2.pth --out referable --json`\n\n"
    "`retinaforge usefulness --real ../shared/data/odir --synthetic drawn --target "
    "label:cataract,drusen --out labels`\n\n"
    "`retinaforge usefulness --real ../shared/data/idrid_grading --synthetic phantoms --target "
    "dr_grade --external ../shared/data/odir --few 60 --out few`\n\n"
    "`retinaforge usefulness --real ../shared/data/idrid_grading --synthetic phantoms --target "
    "referable --backbone resnet18 --weights resnet18-f37072fd.pth --arm real+synthetic "
    "--arm real+shuffled --jobs 2 --out trained`\n\n"
    "The same command again resumes: every arm and seed is a finished file. Nothing is fetched."
)


class Source(StrEnum):
    """What is left out in turn."""

    dataset = "dataset"
    camera = "camera"


def usefulness_command(
    real: list[Path] = typer.Option(
        ..., help="Folder of photographs that teach and judge; may be given again."
    ),
    synthetic: Path = typer.Option(
        ..., help="Folder of synthetic images with labels in metadata.jsonl or a table."
    ),
    target: str = typer.Option(
        ..., help="dr_grade, glaucoma, referable (grade 2 or more), or label:NAME,NAME."
    ),
    out: Path = typer.Option(..., help="Folder to write."),
    external: list[Path] = typer.Option(
        [], help="Folder of photographs that judge only; may be given again."
    ),
    backbone: Name = typer.Option(
        Name.linear, help="A linear head on a frozen encoder, or a network that is trained whole."
    ),
    encoder: str = typer.Option("fundus", help="Of linear: frozen encoder."),
    weights: Path = typer.Option(
        None,
        help="Of a trained backbone: its first weights; none: from scratch.",
    ),
    seeds: int = typer.Option(5, help="Rounds; at least two."),
    ratio: list[float] = typer.Option(
        list(RATIOS), help="Synthetic images for each photograph; may be given again."
    ),
    few: int = typer.Option(
        0, min=0, help="Teach with N photographs; the rest becomes the arm of more photographs."
    ),
    source: Source = typer.Option(
        Source.dataset, help="With several, each data set (or camera) is left out in turn."
    ),
    leave_out: bool = typer.Option(True, help="Leave each source out in turn."),
    arm: list[str] = typer.Option(
        [], help="Run this arm and photographs alone only; may be given again; none: all."
    ),
    steps: int = typer.Option(STEPS, min=1, help="Optimiser steps of every arm alike."),
    batch: int = typer.Option(None, min=2, help="Images a step; none: 64, trained backbones 32."),
    rate: list[float] = typer.Option(
        [], help="Of a trained backbone: learning rate to try; may be given again."
    ),
    decay: list[float] = typer.Option(
        [], help="Of a trained backbone: weight decay to try with each; may be given again."
    ),
    size: int = typer.Option(
        None, min=32, help="Side of the square; none: 384 for encoders of free size, 224 trained."
    ),
    jobs: int = typer.Option(
        None,
        min=1,
        help="Trainings at once, within memory; they change no number. None: one; of "
        "a trained backbone on a CPU one a core.",
    ),
    workers: int = typer.Option(1, min=1, help="Threads that decode; they change no number."),
    cache: Path = typer.Option(None, help="Keep what the encoder saw here; none: OUT/cache."),
    as_json: bool = typer.Option(False, "--json", help="Print usefulness.json on stdout."),
) -> None:
    """Teach a classifier with and without synthetic images, and judge it on real patients.

    Arms at equal steps, tuned alike: photographs alone, strongly augmented, oversampled, with
    synthetic images at several ratios, with their labels shuffled, synthetic alone (TSTR), with
    more photographs (--few), and photographs asked about synthetic images (TRTS). Each stands with
    its interval over patients and its difference from photographs alone. Writes report.html,
    usefulness.json and predictions.parquet. Exit code 0: done; 1: some images could not be read,
    each is named; 2: refused.
    """
    trained = check(backbone, encoder, weights, rate, decay)
    options = Options(
        seeds=seeds, ratios=tuple(ratio), few=few, leave_out=leave_out, steps=steps, size_px=size,
        workers=workers, arms=tuple(arm), jobs=jobs, batch=batch or (32 if trained else BATCH),
    )  # fmt: skip
    asked = gather(real, synthetic, target, external=external, sources=source.value)
    places = (cache or out / "cache", out / "fits", options)
    if trained:
        start, settings = trained_settings(backbone, weights, rate, decay)
        with staged_progress() as move:
            done = run_trained(asked, start, *places, settings=settings, say=say, on_progress=move)
        encoder = start.in_words()
        warned = warnings_of(asked, done, start=start)
    else:
        network = load_encoder(encoder)
        with staged_progress() as move:
            done = run_linear(asked, network, *places, say=say, on_progress=move)
        warned = warnings_of(asked, done, encoder=network)
    about = {
        "target": target,
        "folders": {"real": list(map(str, real)), "external": list(map(str, external)),
                    "synthetic": str(synthetic)},
        "backbone": backbone.value,
        "encoder": encoder,
        "warnings": warned,
    }  # fmt: skip
    told = write_results(done, out, about)
    _close(told, [write_usefulness_page(out), out / JSON], as_json=as_json)


def _close(told: dict[str, Any], written: list[Path], *, as_json: bool) -> None:
    for text in told["warnings"]:
        say(text, alarm="caution")
    for row in told["classes_left_out"]:
        say(f"{row['class']}: {row['reason']}", alarm="left out")
    unreadable = [row for row in told["left_out"] if row["kind"] == "unreadable"]
    apart = sum(row["kind"] == "kept apart" for row in told["left_out"])
    if apart:
        say(f"{apart} images would have stood on both sides and were left out", alarm="kept apart")
    for row in unreadable:
        say(f"{row['name']}: {row['reason']}", alarm="unreadable")
    if as_json:
        answer_json(told)
    else:
        print(text_table(told))
        print(*written, sep="\n")
    if unreadable:
        raise typer.Exit(EXIT_PARTLY)

"""`retinaforge usefulness-vessels`: do mask-to-fundus pairs help a vessel segmenter?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.reports.segmentation_usefulness_page import text_table, write_page
from retinaforge.tasks.segmentation_usefulness import SMALL, Options, missing_runs, run_study
from retinaforge.tasks.segmentation_usefulness_arms import RATIOS
from retinaforge.tasks.segmentation_usefulness_results import JSON, write_results
from retinaforge.tasks.segmentation_usefulness_set import gather
from retinaforge.tasks.segmenter import SegmenterConfig

EXIT_PARTLY = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge usefulness-vessels --real ../shared/data/drive --synthetic phantoms "
    "--out pairs-help`\n\n"
    "`retinaforge usefulness-vessels --real ../shared/data/drive --real ../shared/data/hrf "
    "--synthetic sampled --ratio 1 --ratio 4 --seeds 5 --steps 800 --out pairs-help --json`\n\n"
    "The same command again resumes."
)


def usefulness_vessels_command(
    real: list[Path] = typer.Option(..., help="Photographs with vessel masks; may be given again."),
    synthetic: Path = typer.Option(..., help="Synthetic images with the masks they show."),
    out: Path = typer.Option(..., help="Folder to write; resumed if begun."),
    ratio: list[float] = typer.Option(list(RATIOS), help="Pairs for each photograph."),
    seeds: int = typer.Option(5, min=1, help="Rounds of training an arm."),
    steps: int = typer.Option(SMALL.steps, min=1, help="Optimiser steps of every arm."),
    full: bool = typer.Option(False, "--full", help="The shipped segmenter's network and crops."),
    pseudo: bool = typer.Option(True, help="Also ask it with pseudo-labels of a segmenter."),
    split_seed: int = typer.Option(0, min=0, help="Of the split where the data state none."),
    as_json: bool = typer.Option(False, "--json", help="Print usefulness-vessels.json on stdout."),
) -> None:
    """Teach vessel segmenters with and without pairs, at equal steps; photographs judge.

    Arms: photographs alone; with pairs at each ratio; with pseudo-labels; with shuffled masks;
    pairs alone. Patients are never on two sides. Writes usefulness-vessels.html and .json. Exit
    code 0: every run is whole; 1: some failed, each is named; 2: refused.
    """
    config = replace(SegmenterConfig() if full else SMALL, steps=steps)
    options = Options(seeds=tuple(range(seeds)), ratios=tuple(ratio), pseudo=pseudo, config=config)
    eyes = gather(real, synthetic, seed=split_seed)
    waiting = len(missing_runs(out, options))
    say(
        f"{len(options.arms)} arms x {seeds} seeds x {steps} steps, {waiting} runs to go; "
        f"{len(eyes.teach)} photographs teach, {len(eyes.judge)} judge, {len(eyes.pairs)} pairs"
    )
    with progress_bar("steps") as move:
        results, failed = run_study(
            eyes, out, options, on_progress=lambda what, done, count: move(done, count)
        )
    about = {"data": [str(folder) for folder in real], "synthetic": str(synthetic)}
    told = write_results(out, eyes, options, results, failed, about)
    page = write_page(out)
    for text in told["cautions"]:
        say(text, alarm="caution")
    for one in failed:
        say(f"{one['arm']}, seed {one['seed']}: {one['reason']}", alarm="failed")
    if as_json:
        answer_json(told)
    else:
        print(text_table(told), page, out / JSON, sep="\n")
    if failed:
        raise typer.Exit(EXIT_PARTLY)

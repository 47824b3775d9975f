"""`retinaforge train quality`: the grade of a photograph's quality, from known damage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.tasks.quality_train import MODEL, QualityConfig, train_quality

EXAMPLES = (
    "Examples:  `retinaforge train quality --data ../shared/data --out RUN`  ·  "
    "`... --phantoms 4 --most 6` for a trial of some minutes"
)


def quality(
    data: Path = typer.Option(..., help="Folder of data sets with splits.csv."),
    out: Path = typer.Option(..., help="Run folder; the same command resumes it."),
    phantoms: int = typer.Option(QualityConfig.phantoms, min=1, help="Drawn eyes to learn from."),
    most: int = typer.Option(
        QualityConfig.most, min=2, help="Photographs of a data set in each part at most."
    ),
    seed: int = typer.Option(0, help="Seed of damage and phantoms."),
    as_json: bool = typer.Option(False, "--json", help="Print the model's card as JSON on stdout."),
) -> None:
    """Train the quality grade on phantoms and on damage planted in open photographs.

    Of `--data` only rows under CC BY 4.0 are used: training rows to learn from, validation and
    test rows to be told about.
    """
    config = replace(QualityConfig(), phantoms=phantoms, most=most, seed=seed)
    with progress_bar("measuring") as show:
        card = train_quality(data, out, config=config, on_step=show)
    if as_json:
        answer_json(card)
        return
    results = card["results"][max(card["results"], key=int)]["test"]["all"]
    say(f"{results['accuracy']:.1%} of {results['n']} held-out images graded as the rule does")
    print(out / MODEL)

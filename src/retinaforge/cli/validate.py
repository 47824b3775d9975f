"""`retinaforge validate REAL SYNTH`: two folders in, one page out, and a verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.core import Refusal
from retinaforge.reports.card_files import write_card
from retinaforge.reports.validation_page import write_validation_page
from retinaforge.validation.run import Options, validate

EXIT_PARTLY = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge validate photographs generated --out verdict`\n\n"
    "`retinaforge validate photographs generated --out verdict --train trained_on --workers 2`\n\n"
    "`retinaforge validate photographs reconstructed --out verdict --paired`\n\n"
    "`retinaforge validate ../shared/data/odir generated --out verdict --groups age,sex`\n\n"
    "`retinaforge validate photographs generated --out verdict --suite quick --json`\n\n"
    "`retinaforge validate photographs generated --out verdict --card smd --card claim`\n\n"
    "The same command again resumes. Nothing is fetched and nothing leaves this machine."
)


class CardName(StrEnum):
    """What authors must report."""

    smd = "smd"
    claim = "claim"


class SuiteName(StrEnum):
    """How thorough."""

    quick = "quick"
    full = "full"


def validate_command(
    real: Path = typer.Argument(..., metavar="REAL", help="Folder of real photographs."),
    synthetic: Path = typer.Argument(..., metavar="SYNTH", help="Folder of synthetic images."),
    out: Path = typer.Option(..., help="Folder to write; made if absent, resumed if begun."),
    suite: SuiteName = typer.Option(
        "full", help="quick: 60 images a side and three levels of damage; full: everything."
    ),
    paired: bool = typer.Option(False, "--paired", help="SYNTH reconstructs REAL, name by name."),
    encoder: list[str] = typer.Option(
        [],
        help="A further feature space, NAME:FILE with inception, clip, retfound, squeezenet, "
        "vgg16 or alexnet; may be given again.",
    ),
    groups: str = typer.Option("", help="Columns of REAL's table, e.g. age,sex,camera."),
    train: Path = typer.Option(
        None, help="What the generator was trained on: where copies are sought."
    ),
    lpips: str = typer.Option("", help="With --paired: encoder with heads, e.g. vgg16:F,heads=H."),
    panel: int = typer.Option(
        None,
        min=0,
        help="Real images that the sanity panel damages: 12 (quick), 24; 0: no panel.",
    ),
    size: int = typer.Option(None, min=64, help="Side of the common square; none: chosen."),
    workers: int = typer.Option(1, min=1, help="Processes; they do not change the result."),
    seed: int = typer.Option(0, help="Decides halves, damage and resamples."),
    cache: Path = typer.Option(None, help="Keep measurements here, for other runs too."),
    card: list[CardName] = typer.Option(
        [], help="Also write smd-card.md (its seven headings) or claim-checklist.md; again: both."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the scorecard as JSON on stdout."),
) -> None:
    """Compare synthetic fundus images with real ones, and say what they can be used for.

    Writes report.html, scorecard.json, per_image.parquet and rejects/. Exit code 0: every image
    was scored; 1: some could not be, each is named with its reason; 2: refused. What the verdict
    says does not change the exit code.
    """
    _refuse_inside((real, synthetic), out)
    options = Options(
        suite=suite.value, paired=paired, encoders=tuple(encoder),
        groups=tuple(name.strip() for name in groups.split(",") if name.strip()),
        train=train, lpips=lpips, panel_images=panel, size_px=size, workers=workers, seed=seed,
    )  # fmt: skip
    with _bars() as show:
        result = validate(real, synthetic, out, options, cache=cache, on_progress=show)
    # The page is made of what stands on the disk, as anybody can make it again.
    written = [write_validation_page(out), out / "scorecard.json"]
    written += [write_card(out, kind.value) for kind in card]
    _close(json.loads((out / "scorecard.json").read_text()), result, written, as_json=as_json)


@contextmanager
def _bars() -> Iterator[Any]:
    """Yield a function (what, done, all) that moves one bar for each part of the work."""
    with progress_bar("starting") as move:
        said: list[str] = []

        def show(what: str, done: int, count: int) -> None:
            if what not in said:
                said.append(what)
                say(what)
            move(done, count)

        yield show


def _refuse_inside(folders: tuple[Path, Path], out: Path) -> None:
    for folder in folders:
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise Refusal(
                "a folder outside those that are read", f"{out} in {folder}", "name another folder"
            )


def _close(
    scorecard: dict[str, Any], result: dict[str, Any], written: list[Path], *, as_json: bool
) -> None:
    left_out = [(side, row) for side, rows in result["left_out"].items() for row in rows]
    for side, row in left_out:
        say(f"{side} {row['name']}: {row['reason']}", alarm=row["status"])
    for sentence in result["verdict"]:
        say(sentence["text"], alarm=sentence["level"] if sentence["level"] != "pass" else "")
    for use in result["uses"]:
        say(f"{use['name']}: {use['answer']}")
    if as_json:
        answer_json(scorecard)
    else:
        print(*written, sep="\n")
    if left_out:
        raise typer.Exit(EXIT_PARTLY)

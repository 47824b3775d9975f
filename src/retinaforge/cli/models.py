"""`retinaforge reconstruct` and `retinaforge ceiling`: anybody's autoencoder, without training."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path

import typer
from rich import box
from rich.table import Table

from retinaforge.autoencoders import load_autoencoder
from retinaforge.cli.output import answer_json, progress_bar, say, stdout
from retinaforge.core import Record, Refusal, RetinaForgeError, Score
from retinaforge.core.artefacts import DiskFull
from retinaforge.images import read_records
from retinaforge.studies.ceiling import MODEL, measure_ceiling
from retinaforge.studies.folder import RESIZE_ONLY
from retinaforge.tasks.reconstruct import reconstruct_photograph, save_synthetic
from retinaforge.tasks.sheets import open_photograph

RECONSTRUCT_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reconstruct RUN/arms/l1/seed-0/model DIR --out OUT`\n\n"
    "`retinaforge reconstruct ./sd-vae-ft-mse DIR --out OUT --size 512 --no-native`"
)
CEILING_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge ceiling RUN/arms/l1/seed-0/model DIR --split test --out OUT`\n\n"
    "`retinaforge ceiling ./sd-vae-ft-mse DIR --size 512 --judge ours`"
)
MODEL_HELP = "An autoencoder: a folder of ours or of diffusers, or a taming-transformers .ckpt."
SIZE_HELP = "Side of the square on which the model works, in pixels."


def reconstruct(
    model: Path = typer.Argument(..., help=MODEL_HELP),
    folder: Path = typer.Argument(..., help="Photographs: a folder, imagefolder or manifest."),
    out: Path = typer.Option(..., help="Where the reconstructions go."),
    size: int = typer.Option(512, min=64, help=SIZE_HELP),
    native: bool = typer.Option(True, help="Write in the photographs' own size, not the square."),
    json: bool = typer.Option(False, "--json", help="Print the outcome as JSON on stdout."),
) -> None:
    """Send every photograph through an autoencoder; the files say that they are synthetic.

    Exit code 1 if some photographs could not be read; they are named, the others are done.
    """
    loaded = load_autoencoder(model)
    say(loaded.report.in_words())
    records = read_records(folder)
    written, refused = [], []
    with progress_bar("reconstructing") as tick:
        for done, record in enumerate(records, start=1):
            try:
                written.append(_one(loaded.model, record, out, size, native, model.name))
            except DiskFull:
                raise
            except (RetinaForgeError, OSError) as error:
                refused.append({"name": record.name, "reason": str(error)})
            tick(done, len(records))
    _close(written, refused, json=json)


def _one(model, record: Record, out: Path, size: int, native: bool, name: str) -> str:
    photo, fov = open_photograph(record)
    result = reconstruct_photograph(model, photo, fov, size_px=size)
    stem = f"{record.dataset}-{record.name}".replace("/", "_").rsplit(".", 1)[0]
    image = result.native if native else result.square
    return str(save_synthetic(image, out, stem, model=name))


def _close(written: list[str], refused: list[dict[str, str]], *, json: bool) -> None:
    for item in refused:
        say(f"{item['name']}: {item['reason']}", alarm="refused")
    if not written:
        reasons = "; ".join(f"{item['name']}: {item['reason']}" for item in refused[:3])
        raise Refusal(
            "at least one readable photograph", reasons, "run `retinaforge data check DIR`"
        )
    if json:
        answer_json({"written": written, "refused": refused})
    else:
        print(f"{len(written)} reconstructions, {len(refused)} refused")
    if refused:
        raise typer.Exit(1)


def ceiling(
    model: Path = typer.Argument(..., help=MODEL_HELP),
    folder: Path = typer.Argument(..., help="Photographs: a folder, imagefolder or manifest."),
    out: Path = typer.Option(None, help="Also write scorecard.json and per_image.parquet here."),
    size: int = typer.Option(512, min=64, help=SIZE_HELP),
    judge: list[str] = typer.Option(["ours", "classical"], help="Repeat for several judges."),
    split: str = typer.Option("", help="Only this split (train, val, test) where there is one."),
    limit: int = typer.Option(None, min=1, help="Only the first so many photographs."),
    json: bool = typer.Option(False, "--json", help="Print the scores as JSON on stdout."),
) -> None:
    """Measure what an autoencoder does to vessels: the ceiling of any generator built on it.

    Beside every score stands the same score of resizing alone, which needs no model.

    Exit code 1 if some photographs could not be read; they are named, the others are measured.
    """
    loaded = load_autoencoder(model)
    say(loaded.report.in_words())
    records = [r for r in read_records(folder) if not split or r.split == split][:limit]
    if not records:
        raise Refusal("at least one photograph", f"none in split {split!r}", "leave out --split")
    with progress_bar("measuring") as tick:
        result = measure_ceiling(
            loaded.model, records, size_px=size, judges=judge, out=out, on_progress=tick
        )
    if json:
        answer_json(
            {
                "scores": [score.as_dict() for score in result.scores],
                "refused": [{"name": name, "reason": reason} for name, reason in result.refused],
            }
        )
    else:
        _print_tables(result.scores)
    for name, reason in result.refused:
        say(f"{name}: {reason}", alarm="refused")
    if result.refused:
        raise typer.Exit(1)


def _print_tables(scores: Sequence[Score]) -> None:
    """Print one table for each judge and reference, the model beside resizing alone."""
    undefined = {}
    tables: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        if isnan(score.value):
            undefined[score.card.name] = score.reason
        key = score.where["judge"], score.where["reference"]
        tables.setdefault(key, []).append(score)
    for (judge, reference), own in tables.items():
        title = f"Vessels by {judge}, against {reference}" if judge else "Fidelity, field of view"
        stdout.print(_table(title, own))
    for name, reason in undefined.items():
        say(f"{name} is undefined somewhere: {reason}")


def _table(title: str, scores: Sequence[Score]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("measure", no_wrap=True)
    for column in (f"{MODEL} (95 % interval)", RESIZE_ONLY, "n", "unit"):
        table.add_column(column, justify="right")
    by_arm = {(score.card.name, score.where["arm"]): score for score in scores}
    for score in scores:
        if score.where["arm"] == MODEL:
            line = by_arm.get((score.card.name, RESIZE_ONLY))
            interval = "({:.3f} to {:.3f})".format(*score.interval) if score.interval else ""
            table.add_row(
                score.card.name, f"{_number(score)} {interval}", _number(line), str(score.n),
                "" if score.card.unit == "1" else score.card.unit,
            )  # fmt: skip
    return table


def _number(score: Score | None) -> str:
    return "—" if score is None or isnan(score.value) else f"{score.value:.3f}"

"""`retinaforge data`: look at photographs before anything is trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer
from rich.markup import escape
from rich.table import Table

from retinaforge.cli.output import answer_json, progress_bar, say, stdout
from retinaforge.images import DataReport, DatasetReport, check_folder

EXIT_PARTLY = 1

app = typer.Typer(help="Check and list photographs.", no_args_is_help=True)


@app.callback()
def _data() -> None:
    """Check and list photographs."""


@app.command()
def check(
    folder: Path = typer.Argument(help="A data set, or a folder of data sets."),
    as_json: bool = typer.Option(False, "--json", help="Print the whole report as JSON."),
    duplicates: bool = typer.Option(True, help="Look for photographs that stand there twice."),
) -> None:
    """Read every photograph and mask of FOLDER and print one table.

    Examples:

        retinaforge data check ../shared/data

        retinaforge data check my-photographs --no-duplicates

        retinaforge data check my-photographs --json > report.json

    FOLDER holds a manifest.csv, a Hugging Face metadata.csv (or .jsonl, .parquet), plain images,
    or subfolders with such tables. Exit code 0: all good; 1: some files were refused, all others
    were read; 2: nothing could be checked.
    """
    with progress_bar("photographs") as advance:
        report = check_folder(folder, duplicates=duplicates, on_progress=advance)
    if as_json:
        answer_json(report.as_dict())
    else:
        _print_report(report)
    if not report.all_good:
        raise typer.Exit(EXIT_PARTLY)


def _print_report(report: DataReport) -> None:
    stdout.print(_table(report))
    for dataset in report.datasets:
        for name, reason in dataset.refused:
            _line(f"refused {name}: {reason}")
        for name, reason in dataset.mask_problems:
            _line(f"mask of {name}: {reason}")
    for text in report.split_problems:
        _line(f"split: {text}")
    for pair in report.duplicates or ():
        flags = " (across splits)" if pair.crosses_splits else ""
        _line(f"same photograph{flags}: {pair.first} = {pair.second}, r = {pair.correlation:.3f}")
    unknown = sum(dataset.patients_unknown for dataset in report.datasets)
    if unknown:
        say(f"{unknown} photographs name no patient; there the photograph is the unit")


def _line(text: str) -> None:
    stdout.print(text, markup=False, highlight=False, soft_wrap=True)


def _table(report: DataReport) -> Table:
    table = Table(title=f"Photographs in {report.folder}", show_lines=True)
    for column in (
        "data set", "readable", "refused", "resolution", "field of view", "masks",
        "duplicates", "licence", "splits: images (units)",
    ):  # fmt: skip
        table.add_column(column, overflow="fold")
    for dataset in report.datasets:
        table.add_row(*map(escape, _cells(dataset, report)))
    return table


def _cells(dataset: DatasetReport, report: DataReport) -> tuple[str, ...]:
    splits = (
        f"{name} {count['images']} ({count['patients']})" for name, count in dataset.splits.items()
    )
    units = (
        f"{dataset.patients} patients" if not dataset.patients_unknown
        else f"{dataset.patients} patients, {dataset.patients_unknown} images of unknown ones"
    )  # fmt: skip
    return (
        dataset.dataset,
        f"{dataset.readable} of {dataset.images}",
        str(len(dataset.refused)),
        _shortened(dataset.resolutions),
        _shortened(dataset.fov_kinds),
        _masks(dataset),
        _duplicates(dataset, report),
        _shortened(dataset.licences),
        "\n".join((*splits, units)),
    )


def _masks(dataset: DatasetReport) -> str:
    problems = f"\n{len(dataset.mask_problems)} with problems" if dataset.mask_problems else ""
    return (_shortened(dataset.masks, most=6) or "none") + problems


def _duplicates(dataset: DatasetReport, report: DataReport) -> str:
    """Count the pairs that touch this data set."""
    if report.duplicates is None:
        return "not looked for"
    prefix = f"{dataset.dataset}/"
    several = len(report.datasets) > 1
    pairs = [
        pair
        for pair in report.duplicates
        if not several or pair.first.startswith(prefix) or pair.second.startswith(prefix)
    ]
    across = sum(pair.crosses_splits for pair in pairs)
    return f"{len(pairs)} pairs" + (f", {across} across splits" if across else "")


def _shortened(counts: Mapping[str, int], *, most: int = 3) -> str:
    """Return the most frequent values with their counts, one a line."""
    lines = [f"{value or 'not stated'}: {count}" for value, count in list(counts.items())[:most]]
    further = len(counts) - most
    return "\n".join((*lines, f"{further} more") if further > 0 else lines)

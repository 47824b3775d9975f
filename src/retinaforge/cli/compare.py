"""`retinaforge compare CARD CARD…`: several validations side by side."""

from __future__ import annotations

from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, say
from retinaforge.reports.compare_page import text_table, write_compare_page
from retinaforge.reports.comparison import compare_runs, read_runs

EXIT_DIFFERENT = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge compare verdict-a verdict-b`\n\n"
    "`retinaforge compare verdict-*/scorecard.json --out compared.html`"
)


def compare_command(
    cards: list[Path] = typer.Argument(
        ..., metavar="CARD CARD…", help="Folders of validations, or their scorecard.json."
    ),
    out: Path = typer.Option(None, help="Also write one page, an .html file."),
    every: bool = typer.Option(False, "--all", help="Every biomarker and quality number too."),
    as_json: bool = typer.Option(False, "--json", help="Print rows and warnings as JSON."),
) -> None:
    """Set several runs of `retinaforge validate` side by side, a row a score, a column a run.

    A star marks the run whose interval lies on the better side of all others. Exit code 0: the
    runs were made in the same way; 1: they were not (another size, suite, network, version), and
    each difference is named; 2: refused.
    """
    told = compare_runs(read_runs(cards))
    for text in told["warnings"]:
        say(text, alarm="caution")
    if as_json:
        answer_json(told)
    else:
        print(text_table(told, every=every))
    if out is not None:
        say(str(write_compare_page(told, out)))
    if told["warnings"]:
        raise typer.Exit(EXIT_DIFFERENT)

"""`retinaforge reader report` and `export`: what the answers come to, and the answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json

REPORT_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reader report STUDY`\n\n"
    "`retinaforge reader report STUDY --key ../key.json --by dr_grade --by label:drusen --out told`"
)
EXPORT_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reader export STUDY --out answers.csv`\n\n"
    "`retinaforge reader export STUDY --blind`"
)


def report(
    study: Path = typer.Argument(..., metavar="STUDY", help="Folder of `reader new`."),
    out: Path = typer.Option(None, help="Folder to write; none: STUDY/report."),
    key: Path = typer.Option(None, help="The key, where it is kept elsewhere."),
    by: list[str] = typer.Option(
        [], help="Part answers by a column or fact, repeatable; none: that of `reader new`."
    ),
    seed: int = typer.Option(0, help="Of the bootstrap."),
    as_json: bool = typer.Option(False, "--json", help="Print reader.json on stdout."),
) -> None:
    """Say how well readers tell real from synthetic, and how far they agree.

    Accuracy against one half with exact intervals, share called real on both sides, d', AUC, kappas
    between and within readers, intervals over readers and images, by stratum and by aspect. Writes
    reader.html (one file), reader.json and answers.csv. Readers may be half way. Exit code 0.
    """
    from retinaforge.core.artefacts import write_json, write_text
    from retinaforge.reports.reader_page import text_summary, write_reader_page
    from retinaforge.tasks.reader_answers import answers_csv, readings_of
    from retinaforge.tasks.reader_report import report_on

    told_study, truth, table = _opened(study, key)
    out = out or study / "report"
    readings = readings_of(told_study, table, truth)
    told = report_on(told_study, truth, readings, seed=seed, by=by)
    write_json(out / "reader.json", told)
    write_text(out / "answers.csv", answers_csv(readings))
    page = write_reader_page(out)
    if as_json:
        answer_json(told)
    else:
        print(text_summary(told))
        print(page)


def export(
    study: Path = typer.Argument(..., metavar="STUDY", help="Folder of `reader new`."),
    out: Path = typer.Option(None, help="CSV to write; none: stdout."),
    key: Path = typer.Option(None, help="The key, where it is kept elsewhere."),
    blind: bool = typer.Option(False, "--blind", help="Without the truth; no key is opened."),
) -> None:
    """Write every answer as a row of CSV: reader, image, what it is, answers, time."""
    from retinaforge.core.artefacts import write_text
    from retinaforge.tasks.reader_answers import answers_csv, readings_of

    told_study, truth, table = _opened(study, key, blind=blind)
    text = answers_csv(readings_of(told_study, table, truth))
    if out is None:
        print(text, end="")
    else:
        print(write_text(out, text))


def _opened(folder: Path, key: Path | None, *, blind: bool = False) -> Any:
    from retinaforge.tasks.reader_study import ANSWERS, read_key, read_study
    from retinaforge.web.table import read_table

    study = read_study(folder)
    truth = None if blind else read_key(study, key)
    return study, truth, read_table(folder / ANSWERS, study.told["id"])

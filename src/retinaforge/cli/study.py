"""`retinaforge study`: run an experiment that stands in a TOML file, and report it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import typer
from rich.live import Live
from rich.table import Table

from retinaforge.cli.output import answer_json, say, stderr
from retinaforge.phantoms import write_phantoms
from retinaforge.reports import markdown_table, write_report
from retinaforge.studies import StudyOutcome, load_study, run_study
from retinaforge.studies.folder import Job, RunFolder

app = typer.Typer(no_args_is_help=True, help="Run an experiment that stands in a TOML file.")

DEMO_PHANTOMS = 60


@app.command(
    epilog="Examples:\n\n"
    "`retinaforge study run studies/loss-study.toml --data DIR --out RUN`\n\n"
    "`retinaforge study run my-study.toml --data DIR --out RUN --processes 2`\n\n"
    "The same command again resumes, or finds it done."
)
def run(
    study: Path = typer.Argument(..., help="The study file (TOML)."),
    data: Path = typer.Option(..., help="Folder of photographs."),
    out: Path = typer.Option(..., help="Run folder; made if it is not there."),
    processes: int = typer.Option(None, min=1, help="Arms side by side; default one a core."),
    until: str = typer.Option("done", help="`trained` stops before measuring."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as JSON on stdout."),
) -> None:
    """Train every arm, measure it on the held-out patients, write one page.

    Exit code 0 if every arm finished, 1 if some failed (the report shows them), 2 if the study
    was refused.
    """
    if until not in ("trained", "done"):
        raise typer.BadParameter("expected trained or done", param_hint="--until")
    plan = load_study(study)
    with _live() as tick:
        outcome = run_study(plan, data, out, processes=processes, until=until, on_tick=tick)
    _close(outcome, out, as_json=as_json)


@app.command(
    epilog="Examples:\n\n`retinaforge study demo`\n\n`retinaforge study demo --out DIR --json`"
)
def demo(
    out: Path = typer.Option(Path("demo"), help="Where phantoms, run and report go."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as JSON on stdout."),
) -> None:
    """Run a small loss study on phantoms drawn here: three arms, no download, minutes on a CPU."""
    phantoms = out / "phantoms"
    say(f"drawing {DEMO_PHANTOMS} phantoms into {phantoms} (synthetic: no patient is in them)")
    write_phantoms(phantoms, count=DEMO_PHANTOMS, size_px=384, seed=0)
    with as_file(files("retinaforge.studies") / "demo.toml") as path:
        plan = load_study(path)
    with _live() as tick:
        outcome = run_study(plan, phantoms, out / "run", on_tick=tick)
    _close(outcome, out / "run", as_json=as_json)


@app.command(epilog="Examples:\n\n`retinaforge study report RUN`")
def report(run: Path = typer.Argument(..., help="A run folder.")) -> None:
    """Write a run's page again from the files that lie there, and print its path."""
    print(write_report(run))


@app.command(
    epilog="Examples:\n\n`retinaforge study table RUN`\n\n"
    "`retinaforge study table studies/loss-study/scorecard.json`"
)
def table(run: Path = typer.Argument(..., help="A run folder or a scorecard.json.")) -> None:
    """Print a run's main table as Markdown."""
    print(markdown_table(run))


def _close(outcome: StudyOutcome, out: Path, *, as_json: bool) -> None:
    for arm, seed, reason in outcome.failed:
        say(f"{arm} seed {seed}: {reason}", alarm="FAILED")
    if as_json:
        failed = [{"arm": a, "seed": s, "reason": r} for a, s, r in outcome.failed]
        report_path = str(outcome.report) if outcome.report else None
        answer_json({"run": str(out), "report": report_path, "failed": failed})
    elif outcome.report:
        print(f"report: {outcome.report}")
    else:
        print(f"trained: {out}")
    if outcome.failed:
        raise typer.Exit(1)


@contextmanager
def _live() -> Iterator[Any]:
    """Yield a function that redraws the table of jobs on stderr."""
    with Live(console=stderr, refresh_per_second=1, transient=not stderr.is_terminal) as live:
        yield lambda run, jobs: live.update(_job_table(run, jobs))


def _job_table(run: RunFolder, jobs: Sequence[Job]) -> Table:
    table = Table("arm", "seed", "state", "step", "images/s", "left", "total", "codes used")
    for job in jobs:
        status, line = run.status(job), _last_line(run.job(job) / "log.jsonl")
        table.add_row(
            job.arm,
            str(job.seed),
            status["state"],
            _number(line, "step", "{:.0f}"),
            _number(line, "images_per_s", "{:.1f}"),
            _number(line, "seconds_left", "{:.0f} s"),
            _number(line, "total", "{:.4f}"),
            _number(line, "codebook_use", "{:.0%}"),
        )
    return table


def _number(line: dict[str, Any], key: str, form: str) -> str:
    value = line.get(key)
    return "" if value is None else form.format(value)


def _last_line(path: Path) -> dict[str, Any]:
    """Return the last whole line of a log that another process is writing."""
    if not path.is_file():
        return {}
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 8192))
        lines = [line for line in stream.read().split(b"\n")[:-1] if line.startswith(b"{")]
    try:
        return json.loads(lines[-1]) if lines else {}
    except json.JSONDecodeError:
        return {}

"""`retinaforge demo`: chains that show what the package does, on eyes that it draws itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, bar_of, say

app = typer.Typer(no_args_is_help=True, help="Chains on drawn eyes: nothing is fetched.")
GENERATE = "pip install 'retinaforge[generate]'"


@app.callback()
def _group() -> None:
    """Chains on drawn eyes: nothing is fetched."""


@app.command(
    epilog="Examples:\n\n`retinaforge demo text --out demo-text`\n\n"
    "`retinaforge demo text --out demo-text --phantoms 1000 --json`\n\n"
    "The same command again resumes. `make demo` shows the loss study instead."
)
def text(
    out: Path = typer.Option(Path("demo-text"), help="Folder to write; resumed if begun."),
    phantoms: int = typer.Option(320, min=24, help="Drawn eyes."),
    smallest: bool = typer.Option(False, help="Two steps of everything: proof of the plumbing."),
    as_json: bool = typer.Option(False, "--json", help="Print demo.json on stdout."),
) -> None:
    """From phantoms to captions to a generator to the question whether it obeys, in one call.

    About ten minutes on two cores; ends with OUT/report.html. Its images prove the chain, not the
    method: at this size and in this time a generator learns little. Exit code 0, 1 if a step was
    done in part, 2 if one failed.
    """
    from dataclasses import replace

    from retinaforge.core import Refusal
    from retinaforge.reports.text_demo_page import write_text_demo_page
    from retinaforge.studies.text_demo import SMALLEST, TextDemo, run_text_demo

    _require_generate(Refusal)
    demo = SMALLEST if smallest else replace(TextDemo(), phantoms=phantoms)
    say("every image here is drawn or sampled: no patient is in them")
    with _line() as tick:
        told = run_text_demo(out, demo, tick)
    page = write_text_demo_page(out)
    if as_json:
        answer_json(told)
    else:
        print(f"report: {page}")
    if any(step["state"] == "done in part" for step in told["steps"]):
        raise typer.Exit(1)


def _require_generate(refusal: Any) -> None:
    from importlib.util import find_spec

    missing = [name for name in ("diffusers", "transformers", "tokenizers") if not find_spec(name)]
    if missing:
        raise refusal("the packages of generators", f"no {', '.join(missing)}", GENERATE)


@contextmanager
def _line() -> Iterator[Any]:
    """Yield what shows one line on stderr: the step, its number, the time left."""
    from rich.progress import BarColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    with bar_of(*columns) as bar:
        task = bar.add_task("", total=None, left="")
        said: list[str] = []

        def tick(what: str, done: int, count: int, seconds: float) -> None:
            minutes, rest = divmod(round(seconds), 60)
            left = f"{minutes}:{rest:02d} left"
            if what not in said:
                said.append(what)
                say(f"{done + 1}/{count} {what} · about {left}")
            bar.update(task, description=f"{done + 1}/{count} {what}", completed=done, total=count,
                       left=left)  # fmt: skip

        yield tick

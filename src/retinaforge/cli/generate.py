"""`retinaforge generate`: teach a generator by a recipe, and draw with it.

A command of another file is added here by one line: `app.command(NAME, epilog=...)(function)`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli import generate_obey, generate_sample
from retinaforge.cli.output import answer_json, bar_of, say

EXIT_PARTLY = 1
app = typer.Typer(help="Draw fundus images from captions.", no_args_is_help=True)
app.command(epilog=generate_sample.SAMPLE_EXAMPLES)(generate_sample.sample)
app.command(epilog=generate_sample.LADDER_EXAMPLES)(generate_sample.ladder)
app.command(epilog=generate_sample.INTERPOLATE_EXAMPLES)(generate_sample.interpolate)
app.command(epilog=generate_obey.ORACLE_EXAMPLES)(generate_obey.oracle)
app.command(epilog=generate_obey.OBEY_EXAMPLES)(generate_obey.obey)


@app.callback()
def _group() -> None:
    """Draw fundus images from captions."""


@app.command(
    epilog="Examples:\n\n"
    "`retinaforge generate train text-demo --pairs pairs --autoencoder model --out run`\n\n"
    "`retinaforge generate train retinalogos --pairs pairs --autoencoder vae --out run "
    "--set finetune.size_px=256 --set network.preset=lumina-33m`\n\n"
    "`retinaforge generate train retinalogos --pairs pairs --autoencoder vae --out run --arms`\n\n"
    "`accelerate launch --config_file recipes/accelerate-ddp.yaml -m retinaforge generate train "
    "retinalogos-gpu --pairs pairs --autoencoder vae --out run` on several GPUs\n\n"
    "The same command again resumes, or finds it done."
)
def train(
    recipe: str = typer.Argument(..., help="A recipe (TOML), or the name of a shipped one."),
    out: Path = typer.Option(..., help="Run folder; the same command resumes it."),
    pairs: Path = typer.Option(None, help="Folder of captioned images; none: the recipe's."),
    autoencoder: Path = typer.Option(None, help="Ours or diffusers'; none: the recipe's."),
    change: list[str] = typer.Option([], "--set", help="table.key=value; may be given again."),
    without: list[str] = typer.Option(
        [], help="Leave out pretrain, purify or finetune; may be given again."
    ),
    arms: bool = typer.Option(False, "--arms", help="Also train the ablation's arms, and compare."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as JSON on stdout."),
) -> None:
    """Pretrain at low resolution, purify the pairs, fine-tune at high resolution.

    Each step has a folder of its own in OUT, with step.json and step.html; OUT/run.json names the
    final model. Exit code 0 when all is done, 1 if rows were left out (images that cannot be
    read, captions without words; each is named), 2 if refused or stopped (with advice).
    """
    from retinaforge.reports.generator_step import write_arms_page, write_step_page
    from retinaforge.tasks.generator_prepare import is_main
    from retinaforge.tasks.generator_recipe import load_recipe
    from retinaforge.tasks.generator_run import run_recipe
    from retinaforge.tasks.generator_train import Telling
    from retinaforge.training import rich_progress

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    plan = load_recipe(recipe, change)
    with _bars() as on_count:
        done = run_recipe(
            plan, out, pairs=pairs, autoencoder=autoencoder, without=without, arms=arms,
            telling=Telling(on_count if is_main() else None, rich_progress()),
            on_step=lambda folder, told: _narrate(told, write_step_page(folder)),
        )  # fmt: skip
    if not is_main():  # of several processes one answers
        return
    page = write_arms_page(out) if done.arms else None
    _close(done, out, page, as_json=as_json)


@app.command(epilog="Examples:\n\n`retinaforge generate show run`")
def show(
    run: Path = typer.Argument(..., help="Folder of `retinaforge generate train --out`."),
    as_json: bool = typer.Option(False, "--json", help="Print it as JSON on stdout."),
) -> None:
    """Say where a run stands: steps done, what came of them, where the model lies."""
    from retinaforge.reports.generator_step import run_told

    told = run_told(run)
    if as_json:
        answer_json(told)
        return
    print(f"{told['recipe']} in {run}")
    for step in told["steps"]:
        print(f"  {step['folder']}: {step['said']}")
    print(f"  model: {run / told['model'] if told['model'] else 'none yet'}")


def _narrate(told: dict[str, Any], page: Path) -> None:
    say(f"{told['step']}: done, {page}")


def _close(done: Any, out: Path, page: Path | None, *, as_json: bool) -> None:
    for name, reason in done.left_out:
        say(f"{name}: {reason}", alarm="left out")
    facts = {
        "model": None if done.model is None else str(done.model),
        "steps": [
            {"step": one.step, "folder": str(one.folder), "state": one.state} for one in done.steps
        ],
        "arms": list(done.arms),
        "left_out": [{"name": name, "reason": reason} for name, reason in done.left_out],
    }
    if as_json:
        answer_json(facts)
    else:
        for one in done.steps:
            print(f"{one.step}: {one.state}: {one.folder / 'step.html'}")
        if page is not None:
            print(f"arms: {page}")
        print(f"model: {done.model}")
    if done.left_out:
        raise typer.Exit(EXIT_PARTLY)


@contextmanager
def _bars() -> Iterator[Any]:
    """Yield a function (what, done, all) that moves one bar a task, gone when the task is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeLeft(),
    )  # fmt: skip
    open_bars: dict[str, tuple[Any, Any]] = {}

    def close() -> None:
        for bar, _ in open_bars.values():
            bar.stop()
        open_bars.clear()

    def move(what: str, done: int, count: int) -> None:
        if what not in open_bars:
            close()
            bar = bar_of(*columns)
            open_bars[what] = (bar, bar.add_task(what, total=count, rate=""))
            bar.start()
        bar, task = open_bars[what]
        speed = bar.tasks[0].speed
        bar.update(task, completed=done, rate=f"{speed:.0f}/s" if speed else "")
        if done >= count:
            close()

    try:
        yield move
    finally:
        close()

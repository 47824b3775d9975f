"""`retinaforge generate oracle` and `obey`: which words a generator obeys."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

EXIT_PARTLY = 1
ORACLE_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge generate oracle pairs --out oracle --size 128`\n\n"
    "`retinaforge generate oracle records.jsonl --out oracle --size 128 --autoencoder vae`\n\n"
    "Its ceiling.json says how far each word can be read at all."
)
OBEY_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge generate obey run/finetune/model --oracle oracle --out obeyed`\n\n"
    "`retinaforge generate obey run/finetune/model --oracle oracle --out obeyed --word eye "
    "--word hard_exudate --bases 48`\n\n"
    "`retinaforge generate obey run/finetune/model --oracle oracle --out obeyed "
    "--fidelity quick`\n\n"
    "The same command again resumes."
)
SOURCE_HELP = (
    "Phantoms: a folder of pairs, or records.jsonl; at least 8 eyes to learn from and 8 held out."
)
OURS = "ours"


class Fidelity(StrEnum):
    """Whether `validate` is run on the samples of held-out captions."""

    none = "none"
    quick = "quick"
    full = "full"


def oracle(
    source: Path = typer.Argument(..., help=SOURCE_HELP),
    out: Path = typer.Option(..., help="Folder to write; finished work is kept."),
    size: int = typer.Option(128, min=32, help="Side of the images that will be read, px."),
    autoencoder: Path = typer.Option(None, help="Through which generated images pass."),
    epochs: int = typer.Option(8, min=1, help="Passes over the training eyes."),
    minutes: float = typer.Option(20.0, help="Training ends after this many minutes at most."),
    most: int = typer.Option(None, min=1, help="Eyes of each split, at most; none: all."),
    seed: int = typer.Option(0, help="Of weights and order."),
    as_json: bool = typer.Option(False, "--json", help="Print ceiling.json on stdout."),
) -> None:
    """Teach a small network to read facts off drawn eyes, and say how well it reads.

    Learns from the train split and is judged on the test split (val where there is none). Exit
    code 0, or 2 if refused.
    """
    from retinaforge.tasks.oracle import train_oracle
    from retinaforge.tasks.oracle_train import OracleConfig
    from retinaforge.validation.obedience_ceiling import write_ceiling

    config = OracleConfig(epochs=epochs, most_minutes=minutes, seed=seed)
    with progress_bar("starting") as move:
        about = train_oracle(
            source, out, side_px=size, autoencoder=autoencoder, config=config, most=most,
            on_progress=_narrated(move),
        )  # fmt: skip
        say("how far each word can be read")
        told = write_ceiling(out)
    say(f"learnt from {about['took']['eyes']} eyes in {about['took']['seconds']:.0f} s")
    if as_json:
        answer_json(told)
        return
    for row in told["words"]:
        print(ceiling_line(row))
    print(out)


def ceiling_line(row: dict[str, Any]) -> str:
    """Return one line of the ceiling's table."""
    value, interval = row["value"], row["interval"]
    shown = row["reason"] if value is None else f"{value:.3f}"
    span = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    way = "" if row["through"] == "itself" else " through the autoencoder"
    reader = "" if row["reader"] == "network" else " by closed form"
    return f"{row['said']:32s} {row['measure']}{reader}{way}: {shown}{span}, n {row['n']}"


def obey(
    model: Path = typer.Argument(..., help="A generator's folder, as run/finetune/model."),
    oracle: Path = typer.Option(..., help="Folder of `retinaforge generate oracle`."),
    out: Path = typer.Option(..., help="Folder to write; made if absent, resumed if begun."),
    records: Path = typer.Option(None, help="Eyes of known facts; none: the oracle's own."),
    word: list[str] = typer.Option([], help="A word to ask for; may be given again; none: all."),
    bases: int = typer.Option(24, min=2, help="Held-out eyes a word."),
    ladders: int = typer.Option(16, min=1, help="Held-out eyes whose severity is raised."),
    natural: int = typer.Option(96, min=2, help="Held-out captions drawn as they are."),
    same: int = typer.Option(12, min=2, help="Seeds of one caption, for each of four captions."),
    steps: int = typer.Option(50, min=1, help="Steps of the solver."),
    method: str = typer.Option("euler", help="Solver."),
    guidance: float = typer.Option(4.0, help="How far words pull."),
    size: str = typer.Option("", help="Side, px; none: what the generator learnt at."),
    batch: str = typer.Option("auto", help="Images at once."),
    diagnosis: bool = typer.Option(False, help="Captions name grades, as training's did."),
    only: str = typer.Option("", help="Captions speak of these facts, as training's did: a,b,c."),
    places: bool = typer.Option(True, help="Captions say where lesions lie, as training's did."),
    most_words: int = typer.Option(150, min=20, help="Longest caption, as training's was."),
    encoder: str = typer.Option(OURS, help="Sees diversity and memory: ours, NAME:FILE, or none."),
    segmenters: bool = typer.Option(True, help="Our segmenters also read side, cup and vessels."),
    fidelity: Fidelity = typer.Option("none", help="Also run `validate`: quick or full."),
    seed: int = typer.Option(0, help="Of captions, donors and noise."),
    as_json: bool = typer.Option(False, "--json", help="Print obedience.json on stdout."),
) -> None:
    """Ask for one word at a time, measure the samples, and say which words are obeyed.

    Each score stands beside captions shuffled among the samples, and beside what the same oracle
    reads of eyes that do show the word. Writes report.html and obedience.json. Exit code 0 when
    every image was drawn and read, 1 if some were not (each is named), 2 if refused. What the
    verdicts say does not change the exit code.
    """
    from retinaforge.reports.obedience_page import write_obedience_page
    from retinaforge.tasks.obey_plan import PlanSizes
    from retinaforge.tasks.oracle_segmenters import read_segmenters
    from retinaforge.tasks.sample_draw import SamplePlan
    from retinaforge.tasks.sample_open import batch_for, open_painter, precision_for
    from retinaforge.validation.obedience_run import ObeyOptions, obey_generator

    painter = open_painter(model)
    side = size or str(painter.trained_px or 128)
    plan = SamplePlan(
        size=side, steps=steps, method=method, guidance=guidance,  # type: ignore[arg-type]
        batch=batch_for(batch, painter, side), precision=precision_for("auto", painter),
    )  # fmt: skip
    named = tuple(name.strip() for name in only.split(",") if name.strip())
    sizes = PlanSizes(
        bases, ladders, natural, same, seed=seed, diagnosis=diagnosis, only=named, places=places,
        most_words=most_words,
    )  # fmt: skip
    options = ObeyOptions(sizes=sizes, words=tuple(word) or None, seed=seed)
    with progress_bar("starting") as move:
        told = obey_generator(
            painter, plan, oracle, out, records=records, model=str(model), options=options,
            embed=embedder(encoder), segment=read_segmenters if segmenters else None,
            suite=None if fidelity == "none" else fidelity.value,
            on_progress=_narrated(move),
        )  # fmt: skip
    _close(told, write_obedience_page(out), as_json=as_json)


def embedder(spec: str) -> Any:
    """Return what turns images into vectors; None for "none"."""
    if spec == "none":
        return None
    from functools import partial

    from retinaforge.encoders import load as load_encoder
    from retinaforge.encoders.fundus import shipped_encoder
    from retinaforge.tasks.embedding import embed_arrays

    return partial(embed_arrays, shipped_encoder() if spec == OURS else load_encoder(spec))


def _narrated(move: Callable[[int, int], None]) -> Callable[[str, int, int], None]:
    said: list[str] = []

    def tell(what: str, done: int, count: int) -> None:
        if what not in said:
            said.append(what)
            say(what)
        move(done, count)

    return tell


def other_side(told: dict[str, Any]) -> str:
    """Return a caution where samples are of another size than the oracle learnt; else nothing."""
    learnt, drawn = told["oracle"]["side_px"], told["side_px"]
    if learnt == drawn:
        return ""
    return f"the oracle learnt at {learnt} px, samples are of {drawn} px: read it with care"


def _close(told: dict[str, Any], page: Path, *, as_json: bool) -> None:
    if caution := other_side(told):
        say(caution, alarm="caution")
    for name, source, reason in told["failed"]:
        say(f"{name} ({source}): {reason}", alarm="failed")
    if as_json:
        answer_json(told)
    else:
        for row in told["words"]:
            print(row["sentence"])
        if told["ladder"]:
            print(ladder_line(told["ladder"]))
        print(page)
    if told["failed"]:
        raise typer.Exit(EXIT_PARTLY)


def ladder_line(ladder: dict[str, Any]) -> str:
    """Return the severity ladder in a sentence."""
    samples = ladder["grade"]["samples"]
    rise, never = samples["slope"], samples["monotone"]
    span = rise["interval"]
    within = f" [{span[0]:.2f}, {span[1]:.2f}]" if span else ""
    return (
        f"severity ladder: {rise['value']:.2f}{within} grades read a grade asked, "
        f"{never['value']:.0%} of {ladder['n']} ladders never fall"
    )

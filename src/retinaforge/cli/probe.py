"""`retinaforge probe ENCODER… DATA…`: what a small head can read from a frozen encoder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.core import Record, Refusal
from retinaforge.encoders import Encoder
from retinaforge.encoders import load as load_encoder
from retinaforge.encoders.ledger import seen, warning
from retinaforge.images import read_records
from retinaforge.reports.probe_page import text_table, write_probe_page
from retinaforge.tasks.probe import PROBES, Options, probe
from retinaforge.tasks.probe_rebuilt import reconstructions
from retinaforge.tasks.probe_results import write_results

EXIT_PARTLY = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge probe retfound:RETFound_cfp.pth ../shared/data/idrid_grading "
    "--target dr_grade --out probed`\n\n"
    "`retinaforge probe random-vit-tiny@0 squeezenet:squeezenet.npz ../shared/data/odir "
    "--target age --out probed`\n\n"
    "`retinaforge probe random-vit-tiny ../shared/data/drive ../shared/data/hrf "
    "../shared/data/chase_db1 --target camera --out probed --json`\n\n"
    "`retinaforge probe random-vit-tiny ../shared/data/odir --target sex --out probed "
    "--after reconstructed`\n\n"
    "What stands first and is no folder is an encoder. The same command again resumes; nothing is "
    "fetched."
)


class ProbeName(StrEnum):
    """Heads."""

    linear = "linear"
    knn = "knn"
    attentive = "attentive"


def probe_command(
    words: list[str] = typer.Argument(
        ..., metavar="ENCODER… DATA…", help="Encoders (NAME:FILE, random-vit-tiny@0), then folders."
    ),
    target: str = typer.Option(
        ..., help="dr_grade, glaucoma, age, sex, camera, eye, dataset, or a column of the tables."
    ),
    out: Path = typer.Option(..., help="Folder to write."),
    head: list[ProbeName] = typer.Option(
        list(PROBES), help="linear, knn or attentive; may be given again; none: all three."
    ),
    after: Path = typer.Option(
        None, help="What `retinaforge reconstruct` made of DATA: what does it lose?"
    ),
    twins: bool = typer.Option(True, help="Also probe each architecture untrained."),
    size: int = typer.Option(
        None, min=32, help="Side of the square for encoders of free size; none: 384."
    ),
    batch: int = typer.Option(16, min=1, help="Photographs a step."),
    workers: int = typer.Option(1, min=1, help="Threads that decode; they change no number."),
    cache: Path = typer.Option(None, help="Keep what encoders saw here; none: OUT/cache."),
    as_json: bool = typer.Option(False, "--json", help="Print probe.json on stdout."),
) -> None:
    """Read a target from what frozen encoders see of photographs, patient by patient.

    Beside every encoder stand the majority (or mean), thirty numbers of colour and its own
    architecture untrained. Writes probe.html, probe.json and predictions.parquet. A camera or data
    set that can be told is a shortcut that others can take. Exit code 0: all photographs with a
    truth were probed; 1: some could not be read, each is named; 2: refused.
    """
    specs, folders = _sorted_words(words)
    records = [record for folder in folders for record in read_records(folder)]
    encoders = _named(specs)
    options = Options(
        probes=tuple(h.value for h in head), size_px=size, twins=twins, batch=batch,
        workers=workers,
    )  # fmt: skip
    rebuilt = None if after is None else reconstructions(read_records(after), records)
    with progress_bar("starting") as move:
        probed = probe(
            encoders, records, target, cache or out / "cache", options, after=rebuilt,
            on_progress=lambda what, done, count: move(done, count),
        )  # fmt: skip
    about = {
        "data": [str(folder) for folder in folders],
        "specs": dict(zip(encoders, specs, strict=True)),
        "after_folder": None if after is None else str(after),
        "warnings": seen_before(encoders, probed.records),
    }
    told = write_results(probed, out, about)
    _close(told, [write_probe_page(out), out / "probe.json"], as_json=as_json)


def seen_before(encoders: dict[str, Encoder], records: tuple[Record, ...]) -> list[str]:
    """Return a warning for each encoder that has seen a data set that is probed."""
    here = sorted({record.dataset for record in records})
    said = (warning(name, seen(encoder.card, here)) for name, encoder in encoders.items())
    return [text for text in said if text]


def _sorted_words(words: list[str]) -> tuple[list[str], list[Path]]:
    """Part encoders, which stand first, from folders."""
    specs = [word for word in words if not Path(word).is_dir()]
    folders = [Path(word) for word in words if Path(word).is_dir()]
    if not specs or not folders or words != [*specs, *map(str, words[len(specs) :])]:
        raise Refusal(
            "encoders, then folders of photographs",
            f"{len(specs)} that are no folder and {len(folders)} folders: {' '.join(words)}",
            "such as `retinaforge probe random-vit-tiny photographs --target camera --out OUT`",
        )
    return specs, folders


def _named(specs: list[str]) -> dict[str, Encoder]:
    """Load the encoders; each is called as its card says, numbered where two say the same."""
    found: dict[str, Encoder] = {}
    for spec in specs:
        encoder = load_encoder(spec)
        name, number = encoder.card.name, 2
        while name in found:
            name, number = f"{encoder.card.name} ({number})", number + 1
        found[name] = encoder
    return found


def _close(told: dict[str, Any], written: list[Path], *, as_json: bool) -> None:
    for text in told["warnings"]:
        say(text, alarm="caution")
    for row in told["target"]["classes_left_out"]:
        say(f"{told['target']['name']} {row['class']}: {row['reason']}", alarm="left out")
    unreadable = [row for row in told["left_out"] if row["kind"] == "unreadable"]
    for row in unreadable:
        say(f"{row['name']}: {row['reason']}", alarm="unreadable")
    if as_json:
        answer_json(told)
    else:
        print(text_table(told))
        print(*written, sep="\n")
    if unreadable:
        raise typer.Exit(EXIT_PARTLY)

"""`retinaforge captions write`: captions by the grammar, or by a model, served or in here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from retinaforge.cli.output import answer_json, bar_of, counted, say

if TYPE_CHECKING:
    from retinaforge.tasks.caption_run import CaptionRun
    from retinaforge.tasks.caption_run_sums import Sums

EXIT_PARTLY = 1
TEMPLATE = "template"
SHOWN = 20
NO_CAPTION = ("refused", "failed")
BARE = (
    "their records hold nothing that may be told; `captions records --measure` finds more, "
    "--diagnosis tells grades too"
)
WITH_DIAGNOSIS = "fundus-report-v1"
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions write records.jsonl --out pairs`\n\n"
    "`retinaforge captions write records.jsonl --out pairs --captions-per-image 8 --diagnosis "
    "--link copy --seed 1`\n\n"
    "`retinaforge captions write records.jsonl --out said --writer http://127.0.0.1:8000/v1 "
    "--model Qwen/Qwen2.5-VL-7B-Instruct --image-px 768 --rounds 2`\n\n"
    "`retinaforge captions write records.jsonl --out said --writer hosted.toml --send-images "
    "--budget 5 --limit 20`\n\n"
    "`retinaforge captions write records.jsonl --out said --writer hf:./llava --samples 5`\n\n"
    "The same command again resumes: no answer is asked, or paid, for twice."
)


class LinkName(StrEnum):
    """How images get into a folder of pairs."""

    reference = "reference"
    symlink = "symlink"
    copy = "copy"


def write(
    table: Path = typer.Argument(..., metavar="RECORDS", help="What `captions records` wrote."),
    out: Path = typer.Option(..., help="Folder of pairs to write: metadata.jsonl and images."),
    writer: str = typer.Option(
        TEMPLATE, help="template, an endpoint's .toml file, its address up to /v1, or hf:FOLDER."
    ),
    captions_per_image: int = typer.Option(
        None, min=1, help="Captions of each image; none: 4 of the template, 1 of a model."
    ),
    seed: int = typer.Option(0, min=0, help="The same seed writes the same words (template)."),
    diagnosis: bool = typer.Option(False, help="Name diseases and grades too."),
    person: bool = typer.Option(False, help="Template: name age, sex, ethnicity and camera too."),
    only: str = typer.Option(
        "", help="Template: speak of these facts alone, and of each: eye,drusen,…"
    ),
    places: bool = typer.Option(True, help="Template: say where lesions lie."),
    most_words: int = typer.Option(None, min=20, help="Template: longest caption; none: 210."),
    link: LinkName = typer.Option(
        LinkName.reference, help="Images stay where they are, are linked to, or copied."
    ),
    root: Path = typer.Option(
        None, "--root", "--images", help="Where the images lie; none: where RECORDS says."
    ),
    limit: int = typer.Option(None, min=1, help="Only the first so many images, to try."),
    model: str = typer.Option(None, help="Its name at the endpoint."),
    prompt: str = typer.Option(None, help="A shipped prompt or a .toml file; fundus-caption-v1."),
    key_variable: str = typer.Option(
        None, help="NAME of the environment variable that holds the key."
    ),
    send_images: bool = typer.Option(
        False, "--send-images", help="Photographs and records may leave this machine."
    ),
    image_px: int = typer.Option(None, min=0, help="Longest side of the image that is sent."),
    jpeg_quality: int = typer.Option(None, min=1, max=95, help="Of the image that is sent."),
    threads: int = typer.Option(None, min=1, help="Requests at a time."),
    per_minute: float = typer.Option(0.0, min=0, help="Requests a minute at most; 0: no limit."),
    temperature: float = typer.Option(None, min=0, help="Of the model."),
    max_tokens: int = typer.Option(None, min=16, help="Of one answer."),
    timeout: float = typer.Option(None, min=0.1, help="Seconds for one attempt."),
    tries: int = typer.Option(None, min=1, help="Attempts a caption."),
    rounds: int = typer.Option(1, min=1, help="2: ask again, with what was found wrong."),
    samples: int = typer.Option(1, min=1, help="Drafts a caption; what most of them say is kept."),
    strict: bool = typer.Option(False, help="Leave captions out that contradict the record."),
    again: bool = typer.Option(False, help="Ask refused captions again too, not only failed ones."),
    budget: float = typer.Option(math.inf, min=0, help="Ask no more once so much is spent."),
    price_in: float = typer.Option(None, min=0, help="Price of a million tokens read."),
    price_out: float = typer.Option(None, min=0, help="Price of a million tokens written."),
    currency: str = typer.Option(None, help="Of the prices."),
    force: bool = typer.Option(
        False, "--force", help="Write over captions of another seed, writer or set of images."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print captions_run.json on stdout."),
) -> None:
    """Write captions of each image from what is known of it, and from looking at it.

    The template states only facts of the record, in 20 to 210 words; every caption of a model is
    checked against the record and marked. No diagnosis unless asked. Writes metadata.jsonl,
    answers.jsonl (every answer) and captions_run.json (counts, cost, what is missing and why).
    A folder begun with another seed, writer or set of images is not written over unless --force.
    Exit code 0: every caption is there; 1: some are missing, each is named; 2: refused.
    """
    from retinaforge.tasks.caption_run import RunOptions, run_writer
    from retinaforge.tasks.caption_run_writers import WriterWish, opened_writer
    from retinaforge.tasks.records_file import read_known

    grammar = writer == TEMPLATE
    if diagnosis and not grammar:
        prompt, diagnosis = prompt or WITH_DIAGNOSIS, False
    given = {
        "model": model, "prompt": prompt, "key_variable": key_variable, "image_px": image_px,
        "jpeg_quality": jpeg_quality, "threads": threads, "temperature": temperature,
        "max_tokens": max_tokens, "timeout_s": timeout, "tries": tries, "price_in": price_in,
        "price_out": price_out, "currency": currency, "diagnosis": diagnosis or None,
        "person": person or None,
        "only": tuple(name.strip() for name in only.split(",") if name.strip()) or None,
        "places": None if places else False,
        "words": None if most_words is None else (20, most_words),
    }  # fmt: skip
    wish = WriterWish(
        writer, {key: value for key, value in given.items() if value is not None}, per_minute,
        rounds, samples,
    )  # fmt: skip
    options = RunOptions(
        seed=seed, count=captions_per_image or (4 if grammar else 1),
        again=("failed", "refused") if again else ("failed",), budget=budget,
        send_images=send_images, strict=strict, sync_s=1.0 if grammar else 0.0,
        force=force,
    )  # fmt: skip
    known, bad = read_known(table, root)
    with opened_writer(wish) as (author, about), _bar() as move:
        run = run_writer(
            author, known[:limit], out, options, link=link.value, about=about, on_progress=move
        )
    left_out = [(f"line {row.line} {row.image}".strip(), row.why) for row in bad]
    if grammar:
        from retinaforge.tasks.caption_run_check import silent

        run.told["silent"] = silent(run.pairs)
    _close(run, left_out, out, as_json=as_json)


@contextmanager
def _bar() -> Iterator[Any]:
    """Yield a function (done, all, sums) that moves a bar with what was spent and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeLeft())
    with bar_of(*columns) as bar:
        task = bar.add_task("captions", total=None)

        def move(done: int, total: int, sums: Sums) -> None:
            bar.update(task, completed=done, total=total, description=_words(sums))

        yield move


def _words(sums: Sums) -> str:
    """Return what the bar says: captions, refusals and failures, cost so far."""
    said = ["captions"]
    said += [f"{sums.statuses[kind]} {kind}" for kind in NO_CAPTION if sums.statuses[kind]]
    if sums.priced:
        said.append(f"cost {'over ' if sums.unpriced else ''}{sums.spent:.4g}")
    return ", ".join(said)


def _close(run: CaptionRun, left_out: list[tuple[str, str]], out: Path, *, as_json: bool) -> None:
    for name, why in left_out[:SHOWN]:
        say(f"{name}: {why}", alarm="left out")
    for row in run.missing[:SHOWN]:
        say(f"{row.image}: {row.reason}", alarm=row.status)
    if (more := len(run.missing) - SHOWN) > 0:
        say(f"{more} more are missing; captions_run.json names them")
    if bare := run.told.get("silent"):
        say(f"captions of {counted(bare, 'image')} say nothing of the eye: {BARE}", alarm="note")
    if as_json:
        answer_json({**run.told, "pairs": str(out), "left_out": len(left_out)})
    else:
        _tell(run.told)
        print(out)
    if run.missing or left_out:
        raise typer.Exit(EXIT_PARTLY)


def _tell(told: dict[str, Any]) -> None:
    counts, cost = told["counts"], told["cost"]
    say(f"{told['images']} images, {told['captions']} captions")
    if not told["models"] or "prompt" not in told["writer"]:
        return
    value = "unknown" if cost["value"] is None else f"{cost['value']:g} {cost['currency']}".strip()
    say(
        f"{counts['answered']} answered, {counts['refused']} refused, {counts['failed']} failed, "
        f"{counts['with_findings']} with findings; {told['tokens']['in']} tokens read, "
        f"{told['tokens']['out']} written; cost {value}"
    )
    for note, count in told["notes"].items():
        say(f"{note} ({count} answers)", alarm="note")

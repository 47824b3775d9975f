"""`retinaforge generate sample` and `ladder`: images of captions by a trained generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from retinaforge.cli.generate_sample_masks import require_masks, tell_masks, with_masks
from retinaforge.cli.generate_sample_told import (
    answer_result,
    sampling_bar,
    tell_unlearnt,
    write_grid,
)
from retinaforge.cli.output import counted, say
from retinaforge.core import Refusal

if TYPE_CHECKING:
    from retinaforge.tasks.sample_painter import Painter
    from retinaforge.tasks.sample_requests import BadCaption, Request, Wording
    from retinaforge.tasks.sample_result import SampleResult

SAMPLE_EXAMPLES = (
    "Examples:\n\n"
    '`retinaforge generate sample MODEL --prompt "A right eye with drusen." --count 8 --out DIR`'
    "\n\n"
    "`retinaforge generate sample MODEL --captions pairs --per-caption 2 --out DIR --grid`\n\n"
    "`retinaforge generate sample MODEL --captions captions.txt --out DIR --as webdataset "
    '--method dpm --steps 20 --negative "blurred"`\n\n'
    '`retinaforge generate sample MODEL --prompt "" --masks vessel_masks --out DIR --check`\n\n'
    "`retinaforge generate sample MODEL --captions pairs --split val --masks own --out DIR "
    "--check`\n\n"
    "The same command again resumes."
)
LADDER_EXAMPLES = (
    "Examples:\n\n"
    '`retinaforge generate ladder MODEL --prompt "No haemorrhages." --prompt "A few '
    'haemorrhages." --prompt "Many haemorrhages." --rows 6 --out DIR`'
)
INTERPOLATE_EXAMPLES = (
    "Examples:\n\n"
    '`retinaforge generate interpolate MODEL --prompt "A right eye without drusen." '
    '--prompt "A right eye with many drusen." --images 9 --rows 3 --out DIR`\n\n'
    '`retinaforge generate interpolate MODEL --prompt "A right eye." --seed 0 --to-seed 1 '
    "--out DIR` from one eye to another\n\n"
    "The same command again resumes."
)
MODEL_HELP = "A generator's folder, as `generate train` or diffusers wrote it."
PROMPT_HELP = "A caption; repeat for several. An empty one asks for any eye."
CAPTIONS_HELP = "A folder of pairs, a .jsonl of pairs or records, or a text file of captions."
CLASS_HELP = "NAME=VALUE beside the words, as eye=OS or dr_grade=2; repeatable."
SIZE_HELP = "128, or 192x128 (width x height), px; the field of view is drawn whole."
INTERVAL_HELP = "Times (0 noise, 1 data) between which guidance acts."
MASKS_HELP = (
    "A mask, a folder of masks, or a folder of one for each map (vessel/, lesions/hard_exudate/), "
    "in turn; own: each caption's own."
)
GUIDE_HELP = "Masks pull as words do: guidance goes away from having neither."
CHECK_HELP = "Also measure how far the images follow their masks (OUT/masks.json)."


class Method(StrEnum):
    """Solvers."""

    euler = "euler"
    heun = "heun"
    midpoint = "midpoint"
    dpm = "dpm"
    adams = "adams"


class Form(StrEnum):
    """What is written."""

    imagefolder = "imagefolder"
    webdataset = "webdataset"


def sample(
    model: Path = typer.Argument(..., help=MODEL_HELP),
    prompt: list[str] = typer.Option([], help=PROMPT_HELP),
    captions: Path = typer.Option(None, help=CAPTIONS_HELP),
    out: Path = typer.Option(..., help="Folder to write; made if absent, resumed if begun."),
    count: int = typer.Option(None, min=1, help="Images in all, going round the captions."),
    per_caption: int = typer.Option(1, min=1, help="Images of each caption."),
    seed: int = typer.Option(0, min=0, help="Of the first image; image i has seed + i."),
    same_noise: bool = typer.Option(False, help="The same seeds for every caption."),
    steps: int = typer.Option(50, min=1, help="Steps of the solver."),
    method: Method = typer.Option("euler", help="Solver; heun and midpoint ask twice a step."),
    guidance: float = typer.Option(4.0, help="How far words pull; 1 for no guidance."),
    interval: str = typer.Option("0-1", help=INTERVAL_HELP),
    negative: str = typer.Option("", help="What is guided away from, in words."),
    shift: float = typer.Option(1.0, help="Above 1, more steps near the noise (large images)."),
    size: str = typer.Option("", help=SIZE_HELP + " By default what the generator learnt at."),
    classes: list[str] = typer.Option([], "--class", help=CLASS_HELP),
    masks: Path = typer.Option(None, help=MASKS_HELP),
    split: str = typer.Option("", help="Only captions of this split, as val."),
    guide_masks: bool = typer.Option(False, help=GUIDE_HELP),
    check: bool = typer.Option(False, "--check", help=CHECK_HELP),
    batch: str = typer.Option("auto", help="Images at once; halved where memory ends."),
    precision: str = typer.Option("auto", help="fp32 or bf16; auto is bf16 on a GPU."),
    autoencoder: Path = typer.Option(None, help="In place of the folder's, or where it has none."),
    text_encoder: str = typer.Option(None, help="In place of the folder's, or where it has none."),
    form: Form = typer.Option("imagefolder", "--as", help="What to write."),
    shard_size: int = typer.Option(1000, min=1, help="Images a shard of webdataset."),
    grid: bool = typer.Option(False, help="Also write synthetic_grid.png with the captions."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON on stdout."),
) -> None:
    """Draw images of captions; every file says that it is synthetic, and how it was made.

    Exit code 0 when all are drawn, 1 if some captions or images failed (they are named, the
    others are drawn), 2 if refused.
    """
    from retinaforge.tasks.sample_requests import requests_of

    wordings, bad = _wordings(prompt, captions, seed, split)
    given = masks is not None or any(one.mask for one in wordings)
    require_masks(masks, check=check, given=given, form=form.value)
    asks = partial(
        requests_of,
        seed=seed,
        per_caption=per_caption,
        count=count,
        same_noise=same_noise,
        classes=_classes(classes),
    )
    plan = {
        "steps": steps, "method": method.value, "guidance": guidance, "negative": negative,
        "interval": _interval(interval), "time_shift": shift, "guide_masks": guide_masks,
    }  # fmt: skip
    how = {"size": size, "batch": batch, "precision": precision}
    parts = {"autoencoder": autoencoder, "text_encoder": text_encoder}
    written = {"form": form.value, "shard_size": shard_size, "bad_captions": bad}

    def asking(painter: Painter, side: str) -> list[Request]:
        return asks(with_masks(wordings, masks, painter, side, out, captions, bad))

    result, asked, painter = _draw(model, parts, asking, out, plan, how, written)
    if grid:
        write_grid(out, asked)
    if check:
        tell_masks(out, asked, painter, size)
    answer_result(result, out, as_json=as_json)


def ladder(
    model: Path = typer.Argument(..., help=MODEL_HELP),
    prompt: list[str] = typer.Option(..., help="A caption, one a column, in order; repeat."),
    out: Path = typer.Option(..., help="Folder to write; made if absent, resumed if begun."),
    rows: int = typer.Option(4, min=1, help="Seeds, one a row."),
    seed: int = typer.Option(0, min=0, help="Of the first row."),
    steps: int = typer.Option(50, min=1, help="Steps of the solver."),
    method: Method = typer.Option("euler", help="Solver."),
    guidance: float = typer.Option(4.0, help="How far words pull."),
    negative: str = typer.Option("", help="What is guided away from, in words."),
    size: str = typer.Option("", help=SIZE_HELP),
    batch: str = typer.Option("auto", help="Images at once."),
    autoencoder: Path = typer.Option(None, help="In place of the folder's, or where it has none."),
    text_encoder: str = typer.Option(None, help="In place of the folder's, or where it has none."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON on stdout."),
) -> None:
    """Draw several captions from the same noise: one seed a row, one caption a column.

    What differs along a row is the words' doing alone. The sheet is OUT/synthetic_ladder.png.

    Exit code 0 when all are drawn, 1 if some failed, 2 if refused.
    """
    from retinaforge.tasks.sample_grid import folder_sheet
    from retinaforge.tasks.sample_requests import Wording, requests_of

    wordings = [Wording(text) for text in prompt]
    asked = requests_of(wordings, seed=seed, count=rows * len(prompt), same_noise=True)
    plan = {"steps": steps, "method": method.value, "guidance": guidance, "negative": negative}
    how = {"size": size, "batch": batch, "precision": "auto"}
    parts = {"autoencoder": autoencoder, "text_encoder": text_encoder}
    result, _, _ = _draw(model, parts, lambda painter, side: asked, out, plan, how, {})
    sheet = out / "synthetic_ladder.png"
    texts = [one.wording.text for one in asked]
    folder_sheet(out, [one.stem for one in asked], texts, sheet, columns=len(prompt), heads=True)
    say(f"sheet: {sheet}")
    answer_result(result, out, as_json=as_json)


def interpolate(
    model: Path = typer.Argument(..., help=MODEL_HELP),
    prompt: list[str] = typer.Option(..., help="The caption; a second one is the other end."),
    out: Path = typer.Option(..., help="Folder to write; made if absent, resumed if begun."),
    images: int = typer.Option(7, min=2, help="Images a row, both ends among them."),
    rows: int = typer.Option(1, min=1, help="Rows; row r has seed + r."),
    seed: int = typer.Option(0, min=0, help="Of the first row's noise."),
    to_seed: int = typer.Option(None, min=0, help="Of the other end's noise; none: it is fixed."),
    steps: int = typer.Option(50, min=1, help="Steps of the solver."),
    method: Method = typer.Option("euler", help="Solver."),
    guidance: float = typer.Option(4.0, help="How far words pull."),
    negative: str = typer.Option("", help="What is guided away from, in words."),
    size: str = typer.Option("", help=SIZE_HELP),
    batch: str = typer.Option("auto", help="Images at once."),
    autoencoder: Path = typer.Option(None, help="In place of the folder's, or where it has none."),
    text_encoder: str = typer.Option(None, help="In place of the folder's, or where it has none."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON on stdout."),
) -> None:
    """Draw the way from one caption to another, from one seed to another, or both at once.

    Between captions the noise is fixed and the velocities are mixed in equal shares; between
    seeds the noise goes along the great circle. The sheet is OUT/synthetic_interpolation.png.

    Exit code 0 when all are drawn, 1 if some failed, 2 if refused.
    """
    from retinaforge.tasks.sample_between import label, requests_between
    from retinaforge.tasks.sample_grid import folder_sheet

    asked = requests_between(prompt, seed=seed, to_seed=to_seed, images=images, rows=rows)
    plan = {"steps": steps, "method": method.value, "guidance": guidance, "negative": negative}
    how = {"size": size, "batch": batch, "precision": "auto"}
    parts = {"autoencoder": autoencoder, "text_encoder": text_encoder}
    result, _, _ = _draw(model, parts, lambda painter, side: asked, out, plan, how, {})
    sheet = out / "synthetic_interpolation.png"
    stems, texts = [one.stem for one in asked], [label(one) for one in asked]
    folder_sheet(out, stems, texts, sheet, columns=images, cell_px=160)
    say(f"sheet: {sheet}")
    answer_result(result, out, as_json=as_json)


def _draw(
    model: Path,
    parts: Mapping[str, Any],
    asking: Callable[[Painter, str], Sequence[Request]],
    out: Path,
    plan: Mapping[str, Any],
    how: Mapping[str, str],
    written: Mapping[str, Any],
) -> tuple[SampleResult, Sequence[Request], Painter]:
    from retinaforge.tasks.sample import sample_images
    from retinaforge.tasks.sample_draw import SamplePlan, require_plan
    from retinaforge.tasks.sample_open import batch_for, open_painter, precision_for

    painter = open_painter(model, **parts)
    side = how["size"] or str(painter.trained_px or 128)
    whole = SamplePlan(
        size=side,
        batch=batch_for(how["batch"], painter, side),
        precision=precision_for(how["precision"], painter),
        **plan,
    )
    asked = asking(painter, side)
    require_plan(painter, whole, asked)
    say(
        f"{counted(len(asked), 'image')} of {side} px, {whole.method} with {whole.steps} steps, "
        f"guidance {whole.guidance:g}, batches of {whole.batch}, on {painter.device}"
    )
    tell_unlearnt(painter, asked)
    with sampling_bar() as tell:
        result = sample_images(painter, asked, whole, out, on_progress=tell, **written)
    return result, asked, painter


def _wordings(
    prompts: Sequence[str], captions: Path | None, seed: int, split: str
) -> tuple[list[Wording], list[BadCaption]]:
    from retinaforge.tasks.sample_requests import Wording, of_split, read_wordings

    if bool(prompts) == (captions is not None):
        came = "both" if prompts else "neither"
        raise Refusal("either --prompt or --captions", came, "say what to draw")
    if captions is not None:
        good, bad = read_wordings(captions, seed=seed)
        return of_split(good, split), bad
    if split:
        raise Refusal("--split with --captions", "prompts", "leave it out")
    return [Wording(text) for text in prompts], []


def _classes(words: Sequence[str]) -> dict[str, str]:
    found = dict(word.partition("=")[::2] for word in words)
    if not all(found.values()):
        raise Refusal("--class NAME=VALUE", " ".join(words), "as in --class eye=OS")
    return found


def _interval(words: str) -> tuple[float, float]:
    try:
        first, last = (float(word) for word in words.split("-"))
    except ValueError as error:
        raise Refusal("--interval FROM-TO", repr(words), "as in --interval 0.1-0.8") from error
    return first, last

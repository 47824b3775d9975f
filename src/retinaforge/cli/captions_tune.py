"""`retinaforge captions tune`: a vision-language model learns our captions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

EXIT_PARTLY = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions tune pairs --model ./llava --out ./tuned`\n\n"
    "`retinaforge captions tune pairs --model ./llava --out ./tuned --steps 5000 --rank 32 --json`"
    "\n\nThen captions write takes `--writer hf:./tuned --prompt fundus-plain-v1`. Nothing is "
    "downloaded."
)


def tune(
    pairs: Path = typer.Argument(..., metavar="PAIRS", help="Captioned photographs."),
    model: Path = typer.Option(..., help="Folder of a vision-language model of transformers."),
    out: Path = typer.Option(..., help="Folder of the tuned model."),
    align_steps: int = typer.Option(200, min=0, help="Steps of the connector alone."),
    steps: int = typer.Option(1000, min=0, help="Steps of LoRA in the language model."),
    batch: int = typer.Option(8, min=1, help="Captions a step, one after the other."),
    align_rate: float = typer.Option(1e-3, help="Learning rate of the first stage."),
    rate: float = typer.Option(2e-4, help="Learning rate of the second stage."),
    rank: int = typer.Option(16, min=1, help="Of LoRA."),
    prompt: str = typer.Option("fundus-plain-v1", help="What it is asked, now and later."),
    image_px: int = typer.Option(768, min=16, help="Longest side of the image."),
    seed: int = typer.Option(0, min=0, help="Of order, paraphrases and LoRA's weights."),
    as_json: bool = typer.Option(False, "--json", help="Print tune.json on stdout."),
) -> None:
    """Fine-tune a captioner in two stages: the connector, then LoRA in the language model.

    Pairs of split val are held out and their loss told before and after; test is never read. A run
    that is stopped begins anew. Exit code 0: all pairs could be read; 1: rows, captions without
    words or images that cannot be read were left out, each is named; 2: refused.
    """
    from retinaforge.tasks.caption_tune import TunePlan, tune_captioner
    from retinaforge.tasks.pairs_checks import some_pairs, with_images, with_words

    plan = TunePlan(align_steps, steps, batch, align_rate, rate, rank, prompt, image_px, seed)
    found, bad = some_pairs(pairs)
    spoken, silent = with_words(found)
    with progress_bar("looking") as move:
        good, unreadable = with_images(spoken, move)
    left_out = [*bad, *silent, *unreadable]
    for what, why in left_out:
        say(f"{what}: {why}", alarm="left out")
    with progress_bar("tuning") as move:
        told = tune_captioner(model, good, out, plan, lambda done, total, loss: move(done, total))
    if as_json:
        answer_json({**told, "left_out": [{"what": what, "why": why} for what, why in left_out]})
    else:
        _tell(told, out)
    if left_out:
        raise typer.Exit(EXIT_PARTLY)


def _tell(told: dict[str, Any], out: Path) -> None:
    held = told["held_out_loss"]
    if held["before"] is not None:
        say(f"held-out loss a token {held['before']:.3f} before, {held['after']:.3f} after")
    print(out)

"""`retinaforge captions tune`: a vision-language model learns our captions."""

from __future__ import annotations

from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

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
    that is stopped begins anew.
    """
    from retinaforge.tasks.caption_tune import TunePlan, tune_captioner
    from retinaforge.tasks.pairs import read_pairs

    plan = TunePlan(align_steps, steps, batch, align_rate, rate, rank, prompt, image_px, seed)
    with progress_bar("tuning") as move:
        told = tune_captioner(
            model, read_pairs(pairs), out, plan, lambda done, total, loss: move(done, total)
        )
    if as_json:
        answer_json(told)
        return
    held = told["held_out_loss"]
    if held["before"] is not None:
        say(f"held-out loss a token {held['before']:.3f} before, {held['after']:.3f} after")
    print(out)

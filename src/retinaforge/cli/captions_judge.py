"""`retinaforge captions judge`: what a captioner's captions are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, say

EXIT_PARTLY = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions judge said --against pairs`\n\n"
    "`retinaforge captions judge said --against pairs --out judged.json --json`\n\n"
    "To judge a model's eyes, and not how well it copies, let captions write ask it without the "
    "record: `--prompt fundus-blind-v1`."
)


def judge(
    said: Path = typer.Argument(..., metavar="PAIRS", help="The captions to judge."),
    against: Path = typer.Option(
        ..., help="Pairs of the same images: true records, reference texts."
    ),
    out: Path = typer.Option(None, help="File for the result, a row a caption; none: no file."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Judge captions: facts against records, LMOD's failure tags, words against references.

    Exit code 0: every image of AGAINST has a caption that was judged; 1: some have none, or rows of
    either table cannot be read, each is named; 2: refused.
    """
    from retinaforge.tasks.caption_judge import judge as judged
    from retinaforge.tasks.caption_judge import write_judged
    from retinaforge.tasks.pairs_checks import some_pairs

    captions, truth = some_pairs(said), some_pairs(against)
    left_out = [
        (f"{side}, {row}", why)
        for side, read in (("PAIRS", captions), ("--against", truth))
        for row, why in read.bad
    ]
    told = judged(captions.pairs, truth.pairs)
    told["left_out"] = [{"row": row, "why": why} for row, why in left_out]
    if out:
        write_judged(out, told)
    if as_json:
        answer_json(told)
    else:
        _table(told)
        if out:
            print(out)
    for row, why in left_out:
        say(f"{row}: {why}", alarm="left out")
    if told["without_caption"]:
        say(f"{told['without_caption']} images have no caption", alarm="missing")
    if told["without_caption"] or left_out:
        raise typer.Exit(EXIT_PARTLY)


def _table(told: dict[str, Any]) -> None:
    print(f"{told['captions']} captions")
    for tag, row in told["tags"].items():
        print(f"{tag:<16} {row['captions']:>6} {row['share']:>6.1%} "
              f"({row['low']:.1%} to {row['high']:.1%})")  # fmt: skip
    for part, names in (("facts", ("precision", "recall", "f1")),
                        ("text", ("bleu", "rouge_l", "meteor"))):  # fmt: skip
        for name in names:
            value = told[part][name]
            print(f"{name:<16} {'undefined' if value is None else f'{value:.3f}':>6}")

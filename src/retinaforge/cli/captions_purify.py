"""`retinaforge captions purify` and `captions adherence`: do images and words agree?"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

EXIT_PARTLY = 1
PURIFY_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions purify pairs --encoder retina-text:towers/model --out purified`\n\n"
    "`retinaforge captions purify pairs --encoder flair:model.safetensors --keep 0.7 --lint "
    "--out purified --json`\n\n"
    "What was kept is purified/kept.jsonl; beside it lie all pairs (unfiltered.jsonl) and as many "
    "drawn at random (random.jsonl)."
)
ADHERENCE_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions adherence samples --encoder retina-text:towers/model`\n\n"
    "`retinaforge captions adherence samples --encoder flair:model.safetensors --out adherence`"
)


class TextText(StrEnum):
    """How captions of one image are compared."""

    facts = "facts"
    cosine = "cosine"


def purify(
    pairs: Path = typer.Argument(..., metavar="PAIRS", help="Captioned images (metadata.jsonl)."),
    encoder: str = typer.Option(..., help="Of images and words: retina-text:DIR, clip:FILE, ..."),
    out: Path = typer.Option(..., help="Folder to write."),
    keep: float = typer.Option(0.5, help="Share of the admitted pairs that is kept."),
    text_text: TextText = typer.Option(
        TextText.facts, help="Compare captions by shared facts, or by the encoder's cosine."
    ),
    text_weight: float = typer.Option(0.5, min=0, help="Of text-text; image-text has 1."),
    least_side: int = typer.Option(128, min=1, help="Least short side of an image, px."),
    fewest_characters: int = typer.Option(10, min=0, help="Of a caption."),
    most_characters: int = typer.Option(1024, min=1, help="Of a caption."),
    lint: bool = typer.Option(False, help="Also leave out captions with an error by `lint`."),
    split: str = typer.Option("", help="Only pairs of this split, e.g. train; none: all."),
    seed: int = typer.Option(0, help="Seed of the random arm."),
    as_json: bool = typer.Option(False, "--json", help="Print purify.json on stdout."),
) -> None:
    """Keep the pairs whose image and captions agree best (RetinaLogos's second step).

    Score: image-text cosine + 0.5 x agreement with the image's other captions, each scaled to
    [0, 1] within the set; the best half is kept (UniMedVL's documented rule; RetinaLogos's own
    thresholds are not public). Says what the selection drops more than the rest, and how many
    captions are too long for the rule (whole records make more than 1,024 characters). Exit code
    0: every pair has a score; 1: some rows or images could not be read, each is named; 2: refused.
    """
    from retinaforge.encoders import load
    from retinaforge.tasks.pairs_checks import some_pairs
    from retinaforge.tasks.purify import purify as purified
    from retinaforge.tasks.purify import write_purified
    from retinaforge.tasks.purify_scores import Rule

    rule = Rule(keep, text_weight, least_side, (fewest_characters, most_characters), lint)
    found, bad = some_pairs(pairs, split)
    loaded = load(encoder)
    with progress_bar("looking") as move:
        result = purified(
            found, loaded, rule, text_text=text_text.value, cache=out / "cache", on_progress=move
        )
    result = replace(result, left_out=(*bad, *result.left_out))
    about = {"pairs_folder": str(pairs), "text_text": text_text.value,
             "encoder": loaded.card.as_dict(), "spec": encoder}  # fmt: skip
    told = write_purified(result, out, rule, about, seed=seed)
    _tell(told, told["left_out"], as_json=as_json)
    if not as_json:
        say(f"{told['kept']} of {told['admitted']} admitted pairs kept, of {told['pairs']} in all")
        for words in _too_long(told):
            say(words, alarm="shut out")
        for words in told["lost"][:10]:
            say(words, alarm="dropped more")
        print(out / "kept.jsonl")
    if told["left_out"]:
        raise typer.Exit(EXIT_PARTLY)


def adherence(
    samples: Path = typer.Argument(
        ..., metavar="SAMPLES", help="Images with captions (metadata.jsonl: file_name, text)."
    ),
    encoder: str = typer.Option(..., help="Of images and words: retina-text:DIR, flair:FILE, ..."),
    out: Path = typer.Option(None, help="Folder for adherence.json; none: not written."),
    split: str = typer.Option("", help="Only pairs of this split; none: all."),
    seed: int = typer.Option(0, help="Seed of shuffles and intervals."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON on stdout."),
) -> None:
    """Score images against their own captions and against those of others.

    Prints the mean cosine of matched and shuffled captions, the chance that a matched pair scores
    higher (AUROC; 0.5 sees nothing), each with a 95 % interval over patients or captions, for the
    whole caption and for each part of the eye. A score sees only the words its encoder sees. Exit
    code 0: all images were scored; 1: some rows or images could not be read, each is named; 2:
    refused.
    """
    from retinaforge.core.artefacts import write_json
    from retinaforge.encoders import load
    from retinaforge.tasks.adherence import adherence_of
    from retinaforge.tasks.pairs_checks import some_pairs

    found, bad = some_pairs(samples, split)
    loaded = load(encoder)
    with progress_bar("looking") as move:
        told = adherence_of(
            loaded, found, out / "cache" if out else None, seed=seed, on_progress=move
        )
    unread = [{"name": row, "reason": why} for row, why in bad]
    told = {"samples": str(samples), "spec": encoder, **told}
    told["left_out"] = [*unread, *told["left_out"]]
    if out is not None:
        write_json(out / "adherence.json", told)
    _tell(told, told["left_out"], as_json=as_json)
    if not as_json:
        print("\n".join(_table(told)))
    if told["left_out"]:
        raise typer.Exit(EXIT_PARTLY)


def _tell(told: dict[str, Any], left_out: list[dict[str, str]], *, as_json: bool) -> None:
    for row in left_out:
        say(f"{row['name']}: {row['reason']}", alarm="left out")
    if told["warning"]:
        say(told["warning"], alarm="warning")
    if as_json:
        answer_json(told)


def _too_long(told: dict[str, Any]) -> list[str]:
    """Return how many captions the rule's lengths shut out, and the flag that admits them."""
    (fewest, most), length = told["rule"]["characters"], told["length"]
    sides = (
        ("too_long", f"longer than {most} characters", f"--most-characters {length['longest']}"),
        ("too_short", f"shorter than {fewest}", f"--fewest-characters {length['shortest']}"),
    )
    return [
        f"{length[side]} of {told['scored']} captions ({length[side] / told['scored']:.0%}) are "
        f"{words}: {flag} admits them"
        for side, words, flag in sides
        if length[side]
    ]


def _table(told: dict[str, Any]) -> list[str]:
    lines = [f"{'':12}{'n':>6}{'matched':>10}{'shuffled':>10}  AUROC"]
    for name, row in {"whole": told["whole"], **told["parts"]}.items():
        if "auroc" not in row:
            lines.append(f"{name:12}{row['n']:6d}  {row['reason']}")
            continue
        means = (_number(row[side]["value"]) for side in ("matched", "shuffled"))
        lines.append(f"{name:12}{row['n']:6d}" + "".join(f"{m:>10}" for m in means)
                     + f"  {_interval(row['auroc'])}")  # fmt: skip
    found = told["retrieval"]
    return [*lines, f"own caption found among {found['among']}: median rank "
            f"{found['median_rank']:g}, first {found['recall_at_1']:.1%}, "
            f"in ten {found['recall_at_10']:.1%}"]  # fmt: skip


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(row: dict[str, Any]) -> str:
    if row["interval"] is None:
        return f"{_number(row['value'])} ({row['reason']})"
    low, high = row["interval"]
    return f"{row['value']:.3f} ({low:.3f} to {high:.3f})"

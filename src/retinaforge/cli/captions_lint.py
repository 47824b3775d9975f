"""`retinaforge captions lint`: every caption against its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

EXIT_FOUND = 1
SHOWN = 5
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions lint pairs`\n\n"
    "`retinaforge captions lint pairs --text-encoder run/finetune/model --out found`\n\n"
    "`retinaforge captions lint said --regions hard_exudate,drusen --json`"
)


def lint(
    folder: Path = typer.Argument(..., metavar="PAIRS", help="Captioned images with records."),
    diagnosis: bool = typer.Option(False, help="Diseases and grades may be named."),
    words: tuple[int, int] = typer.Option((20, 210), help="Fewest and most words."),
    text_encoder: Path = typer.Option(
        None,
        help="A text encoder's or generator's folder: count its tokens, known and not.",
    ),
    max_tokens: int = typer.Option(256, min=4, help="Tokens that the text encoder reads."),
    regions: str = typer.Option("", help="Facts that must bring an evidence box: drusen,…"),
    out: Path = typer.Option(None, help="Folder for lint.json and findings.jsonl; none: no file."),
    as_json: bool = typer.Option(False, "--json", help="Print the sums as JSON."),
) -> None:
    """Check every caption against its record: sides, numbers, counts, what nobody found.

    Exit code 0: no caption has an error; 1: some have (warnings alone do not count), an image is
    missing, or a row of the table is none; each is named.
    """
    from retinaforge.captions.focus import focus
    from retinaforge.captions.lint import LintRules
    from retinaforge.captions.record import EyeRecord
    from retinaforge.core.artefacts import write_json, write_text
    from retinaforge.tasks.caption_lint import has_error, lint_pairs
    from retinaforge.tasks.pairs_checks import some_pairs

    asked = tuple(name.strip() for name in regions.split(",") if name.strip())
    focus(EyeRecord(image=""), asked)  # refuses names that are no facts
    pairs, bad = some_pairs(folder)
    rules = LintRules(
        diagnosis=diagnosis, words=words, most_tokens=max_tokens, regions=asked,
        **_counters(text_encoder),
    )  # fmt: skip
    with progress_bar("captions") as move:
        told, rows = lint_pairs(pairs, rules, on_progress=move)
    told["bad_rows"] = [{"row": row, "why": why} for row, why in bad]
    if out:
        write_json(out / "lint.json", told)
        write_text(out / "findings.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    if as_json:
        answer_json(told)
    else:
        _table(told)
        if out:
            print(out)
    wrong = [row for row in rows if has_error(row)]
    _name(wrong, told)
    if wrong or bad or told["missing_images"]:
        raise typer.Exit(EXIT_FOUND)


def _name(wrong: list[dict[str, Any]], told: dict[str, Any]) -> None:
    """Say what is wrong: rows that are none, missing images, the first captions with errors."""
    for row in told["bad_rows"]:
        say(f"{row['row']}: {row['why']}", alarm="left out")
    for name in told["missing_images"][:SHOWN]:
        say(f"{name}: no such image file", alarm="missing")
    if (more := len(told["missing_images"]) - SHOWN) > 0:
        say(f"{more} more images are missing; --json names them")
    for row in wrong[:SHOWN]:
        first = next(each for each in row["findings"] if each["severity"] == "error")
        say(f"{row['image']}: {first['code']}: {first['message']}", alarm="error")
    if wrong:
        say(f"{len(wrong)} captions of {told['captions']} have an error")


def _counters(folder: Path | None) -> dict[str, Any]:
    """Return what counts tokens as the text encoder does, and unknown ones; {} without one."""
    if folder is None:
        return {}
    from transformers import AutoTokenizer

    from retinaforge.core import Refusal
    from retinaforge.generators.text_unknown import UnknownCounter

    inside = folder / "tokenizer"
    try:
        tokeniser = AutoTokenizer.from_pretrained(
            inside if inside.is_dir() else folder, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise Refusal(
            "a folder with a tokeniser",
            str(folder),
            "name a text encoder's folder, or a generator's that has tokenizer/",
        ) from error
    return {
        "tokens": lambda text: len(tokeniser(text)["input_ids"]),
        "unknown": UnknownCounter(tokeniser),
    }


def _table(told: dict[str, Any]) -> None:
    facts, numbers, tokens = told["facts"], told["numbers"], told["tokens"]
    print(f"{told['captions']} captions of {told['images']} images, "
          f"{told['with_findings']} with findings")  # fmt: skip
    if told["without_record"]:
        print(f"{told['without_record']} images without a record: their claims are not checked")
    for name, row in told["codes"].items():
        print(f"{row['severity']:<8} {name:<20} {row['captions']:>7} captions")
    for name in ("precision", "recall"):
        value = facts[name]
        print(f"{name:<9} of facts {'undefined' if value is None else f'{value:.4f}':>9}")
    print(f"numbers: {numbers['said']} said, {numbers['wrong']} wrong")
    if tokens:
        cut, lost = tokens["truncated"], tokens["with_unknown"]
        print(f"tokens: median {tokens['median']:g}, longest {tokens['longest']}, "
              f"{cut} captions longer than {tokens['most_read']}; "
              f"{tokens['unknown_share']:.1%} unknown, in {lost} captions")  # fmt: skip

"""`retinaforge reader new`: a blinded study in a folder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

EXIT_PARTLY = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reader new --real photographs --synthetic samples --readers 3 --out STUDY`\n\n"
    "`retinaforge reader new --real photographs --synthetic samples --design 2afc --images 80 "
    "--by dr_grade --out STUDY`\n\n"
    "`retinaforge reader new --real photographs --synthetic samples --design grading --ask verdict "
    "--key ../key.json --out STUDY`"
)


class Design(StrEnum):
    """What readers are asked."""

    turing = "turing"
    pairs = "2afc"
    grading = "grading"


class Codec(StrEnum):
    """How images are encoded, all alike."""

    png = "png"
    jpeg = "jpeg"


class Grade(StrEnum):
    """What a grade grades."""

    dr_grade = "dr_grade"
    glaucoma = "glaucoma"
    amd_stage = "amd_stage"


class Field(StrEnum):
    """What is left of each image."""

    shared = "shared"
    circle = "circle"
    own = "own"


class Ask(StrEnum):
    """Further parts of the form."""

    verdict = "verdict"
    aspects = "aspects"
    grade = "grade"
    comment = "comment"


def new(
    real: Path = typer.Option(..., help="Folder of photographs."),
    synthetic: Path = typer.Option(..., help="Folder of synthetic images."),
    out: Path = typer.Option(..., help="Folder of the study, to be made."),
    design: Design = typer.Option(
        Design.turing,
        help="turing: real or synthetic; 2afc: which of two; grading: six aspects.",
    ),
    readers: int = typer.Option(3, min=1, help="Readers; each gets a code."),
    images: int = typer.Option(
        None, min=4, help="Images in all, half of them real; none: what both sides have, up to 100."
    ),
    repeats: float = typer.Option(0.2, min=0, max=0.5, help="Share shown twice."),
    by: str = typer.Option(
        None, help="Balance both sides by a column or fact: dr_grade, referable, label:drusen."
    ),
    ask: list[Ask] = typer.Option([], help="Also ask: verdict, aspects, grade; repeatable."),
    grade: Grade = typer.Option(Grade.dr_grade, help="What a grade grades."),
    title: str = typer.Option("Reader study", help="Head of the page; readers see it."),
    size: int = typer.Option(None, min=64, help="Side in px; none: the largest without enlarging."),
    codec: Codec = typer.Option(Codec.png, help="png, or jpeg of quality 95."),
    field: Field = typer.Option(
        Field.shared,
        help="Black outside what all images show (shared), one circle, or as each is (own).",
    ),
    key: Path = typer.Option(None, help="Where the key is kept; none: OUT/key.json."),
    seed: int = typer.Option(None, help="Of draw and orders; none: drawn, kept in the key."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON on stdout."),
) -> None:
    """Make the folder of a blinded, balanced study, with a code for each reader.

    Images are decoded, cut to the field of view, brought to one size and encoded alike, with random
    names, one length and no metadata; what may still tell sides apart is said. Codes and token are
    printed once and kept as hashes. Exit code 0: made; 1: some files could not be read, each is
    named and replaced; 2: refused.
    """
    from retinaforge.tasks.reader_new import Options, new_study
    from retinaforge.tasks.reader_sides import read_side

    options = Options(
        design=design.value, readers=readers, images=images, repeats=repeats, by=by,
        ask=tuple(part.value for part in ask), grade=grade.value, title=title, size_px=size,
        codec=codec.value, field=field.value, seed=seed,
    )  # fmt: skip
    (photographs, bad), (drawn, worse) = read_side(real), read_side(synthetic)
    with progress_bar("starting") as move:
        told = new_study(
            photographs, drawn, out, options, key=key,
            on_progress=lambda what, done, count: move(done, count),
        )  # fmt: skip
    told["unreadable"] = [*bad, *worse, *told["unreadable"]]
    for row in told["unreadable"]:
        say(f"{row['name']}: {row['reason']}", alarm="unreadable")
    for text in told["warnings"]:
        say(text, alarm="caution")
    if as_json:
        answer_json(told)
    else:
        _print_codes(told)
    if told["unreadable"]:
        raise typer.Exit(EXIT_PARTLY)


def _print_codes(told: dict[str, Any]) -> None:
    found = told["accuracy_found"]
    say(
        f"{told['images']} images of {told['size_px']} px, {told['trials']} to read each, "
        f"{told['repeats']} of them twice. One reader who is right in "
        + (f"{found:.1%} or more is told from a guess with power 80 %." if found else
           "all is not told from a guess: too few images.")
    )  # fmt: skip
    say("Codes are printed now and never again:")
    for reader, code in told["codes"].items():
        print(f"{reader}\t{code}")
    print(f"organiser\t{told['token']}")
    say(f"retinaforge reader serve {told['folder']}")

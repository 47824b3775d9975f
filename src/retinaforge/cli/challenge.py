"""`retinaforge challenge`: score answers to REFUGE, REFUGE2 and GAMMA, in their own files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

EXIT_PARTLY = 1
MOST_NAMED = 20
app = typer.Typer(
    no_args_is_help=True,
    help="Score answers to glaucoma challenges (REFUGE, REFUGE2, GAMMA) in their own files.",
)
TRUTH = typer.Option(..., help="Folder of the challenge's truth.")
ANSWERS = typer.Option(..., help="Folder of an unpacked submission.")
OUT = typer.Option(..., help="Folder to write.")
GROUPS = typer.Option(
    None, help="Table of name, device, quality, patient; none: groups.csv beside the truth."
)
LOOSE = typer.Option(
    False, "--loose", help="Greys between 0 and 255 count as rim, as in REFUGE's own evaluation."
)
JSON = typer.Option(False, "--json", help="Print challenge.json on stdout.")


class LayoutName(StrEnum):
    """Challenges."""

    refuge = "refuge"
    refuge2 = "refuge2"
    gamma = "gamma"


class SideName(StrEnum):
    """What to write."""

    truth = "truth"
    answers = "answers"


def _examples(name: str) -> str:
    return (
        f"Examples:\n\n`retinaforge challenge {name} --truth TRUTH --answers SUBMISSION "
        f"--out scored`\n\nFor the truth of drawn eyes: challenge export --layout {name}"
    )


@app.command(epilog=_examples("refuge"))
def refuge(
    truth: Path = TRUTH, answers: Path = ANSWERS, out: Path = OUT, groups: Path = GROUPS,
    loose: bool = LOOSE, as_json: bool = JSON,
) -> None:  # fmt: skip
    """Dice of disc and cup, vertical cup-to-disc error, fovea distance, AUC, by device and quality.

    Answers: segmentation/*.bmp (0 cup, 128 rim, 255 rest), classification_results.csv,
    fovea_location_results.csv. A task may be left out. Writes challenge.html, challenge.json and
    images.csv. Exit code 0: every image of the tasks answered was scored; 1: answers are missing or
    were refused, each is named; 2: refused.
    """
    _score("refuge", truth, answers, out, groups, loose, as_json)


@app.command(epilog=_examples("refuge2"))
def refuge2(
    truth: Path = TRUTH, answers: Path = ANSWERS, out: Path = OUT, groups: Path = GROUPS,
    loose: bool = LOOSE, as_json: bool = JSON,
) -> None:  # fmt: skip
    """As refuge, with REFUGE2's truth: Disc_Masks, glaucoma.csv or task1.xls, fovea.csv.

    Exit code 0: every image of the tasks answered was scored; 1: answers are missing or were
    refused, each is named; 2: refused.
    """
    _score("refuge2", truth, answers, out, groups, loose, as_json)


@app.command(epilog=_examples("gamma"))
def gamma(
    truth: Path = TRUTH, answers: Path = ANSWERS, out: Path = OUT, groups: Path = GROUPS,
    loose: bool = LOOSE, as_json: bool = JSON,
) -> None:  # fmt: skip
    """As refuge, with three grades (none, early, mid to advanced) and their weighted kappa.

    Answers: Disc_Cup_Segmentations/*.bmp, Classification_Results.csv, Localization_Results.csv. OCT
    volumes are not needed and not read. Exit code 0: every image of the tasks answered was scored;
    1: answers are missing or were refused, each is named; 2: refused.
    """
    _score("gamma", truth, answers, out, groups, loose, as_json)


@app.command(
    epilog="Examples:\n\n`retinaforge challenge export phantoms --layout refuge --out truth`\n\n"
    "`retinaforge challenge export phantoms --layout gamma --side answers --out submission`"
)
def export(
    phantoms: Path = typer.Argument(..., help="Folder that `retinaforge phantoms` wrote."),
    layout: LayoutName = typer.Option(..., help="refuge, refuge2 or gamma."),
    out: Path = OUT,
    side: SideName = typer.Option(SideName.truth, help="truth, or answers without a fault."),
    split: str = typer.Option("", help="train, val or test; none: all."),
    limit: int = typer.Option(None, min=1, help="At most so many; none: all."),
    pictures: bool = typer.Option(True, help="Write the photographs beside the truth."),
    as_json: bool = typer.Option(False, "--json", help="Print what was written as JSON."),
) -> None:
    """Write phantoms, whose disc, cup and fovea are exact, in a challenge's layout.

    Exit code 0, or 2 if refused.
    """
    from retinaforge.tasks.challenge_export import export_challenge

    with progress_bar("phantoms") as move:
        count = export_challenge(
            phantoms, layout.value, out, side=side.value, split=split, limit=limit,
            pictures=pictures, on_progress=move,
        )  # fmt: skip
    told = {"layout": layout.value, "side": side.value, "images": count, "folder": str(out)}
    answer_json(told) if as_json else print(f"{count} images: {out}")


def _score(
    name: str, truth: Path, answers: Path, out: Path, groups: Path | None, loose: bool,
    as_json: bool,
) -> None:  # fmt: skip
    from retinaforge.reports.challenge_page import text_table, write_challenge_page
    from retinaforge.tasks.challenge import partly, score_challenge

    with progress_bar("images") as move:
        told = score_challenge(
            name, truth, answers, out, groups=groups, loose=loose, on_progress=move
        )
    page = write_challenge_page(out)
    _name_faults(told)
    if as_json:
        answer_json(told)
    else:
        print(text_table(told))
        print(page, out / "challenge.json", out / "images.csv", sep="\n")
    if partly(told):
        raise typer.Exit(EXIT_PARTLY)


def _name_faults(told: dict[str, Any]) -> None:
    for why in told["absent"].values():
        say(why, alarm="not answered")
    for kind in ("missing", "refused", "extra"):
        own = [fault for fault in told["faults"] if fault["kind"] == kind]
        for fault in own[:MOST_NAMED]:
            say(f"{fault['part']} {fault['name']}: {fault['reason']}", alarm=kind)
        if len(own) > MOST_NAMED:
            say(f"{len(own) - MOST_NAMED} more, in challenge.json", alarm=kind)
        if own:
            counts = ", ".join(f"{n} {part}" for part, n in told["counts"][kind].items())
            say(f"{counts}", alarm=f"{kind} in all:")

"""`retinaforge captions records`: what is known of each eye, fact by fact, each with its source."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

if TYPE_CHECKING:
    from retinaforge.core import Fov, Photograph
    from retinaforge.tasks.records_manifest import Gathered

EXIT_PARTLY, MOST_GRADED_PX = 1, 512
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions records phantoms --out records.jsonl --boxes`\n\n"
    "`retinaforge captions records ../shared/data/odir --out records.jsonl --measure --json`\n\n"
    "`retinaforge captions records my_set --columns map.toml --out records.jsonl`\n\n"
    "`retinaforge captions records photographs --out records.jsonl --measure --tool anatomy "
    "--tool vessels --tool lesions`\n\n"
    "The same command again resumes measuring."
)


class ToolName(StrEnum):
    """Finders of ours."""

    anatomy = "anatomy"
    cup = "cup"
    quality = "quality"
    vessels = "vessels"
    lesions = "lesions"


def records(
    source: Path = typer.Argument(..., help="Phantoms, a data set, or a folder of data sets."),
    out: Path = typer.Option(..., help="File to write, one JSON object a line."),
    columns: Path = typer.Option(None, help="What the columns of its tables mean (TOML)."),
    boxes: bool = typer.Option(False, help="Phantoms: also boxes round lesions, from the masks."),
    measure: bool = typer.Option(False, help="Let our own tools add what nobody said."),
    tool: list[ToolName] = typer.Option(
        [ToolName.anatomy, ToolName.quality],
        help="Who measures; may be given again; none: anatomy and quality.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON."),
) -> None:
    """Gather what is known of each eye, fact by fact, each with its source.

    Phantoms give their truth; a data set gives what its tables, keywords and masks say. With
    --measure our tools add what nobody said, overwrite nothing, and what they see otherwise is
    listed beside OUT; the same command again resumes. Exit code 0: all was read; 1: an image, or
    a value of one, was left out, each is named.
    """
    from retinaforge.tasks.records_file import write_known
    from retinaforge.tasks.records_source import gather

    with progress_bar("records") as move:
        found = gather(source, columns=columns, boxes=boxes, on_progress=move)
    told: dict[str, Any] = {}
    if measure:
        found, told = _measured(out, found, source, columns, tool)
    write_known(out, found.known)
    for word, count in sorted(found.unknown_keywords.items()):
        say(f"{word} ({count}): gives no fact, stands among the keywords", alarm="unknown keyword")
    for note, count in found.notes.items():
        say(f"{note} ({count} images)", alarm="note")
    _name_left_out(found.left_out)
    told = {**_summary(out, found), **told}
    if as_json:
        answer_json(told)
    else:
        say(f"{told['images']} images, {told['facts']} facts")
        print(out)
    if found.left_out:
        raise typer.Exit(EXIT_PARTLY)


def _measured(
    out: Path, found: Gathered, source: Path, columns: Path | None, tools: list[ToolName]
) -> tuple[Gathered, dict[str, Any]]:
    """Let the tools look; what they see otherwise than the records is written beside OUT."""
    from dataclasses import asdict

    from retinaforge.tasks.pairs import write_rows
    from retinaforge.tasks.records_source import measured

    journal, lists = out.with_suffix(".measured"), out.with_suffix(".disagreements.jsonl")
    with progress_bar("measuring") as move:
        seen = measured(
            found, source, journal, columns=columns, tools=[each.value for each in tools],
            grader=_grade, on_progress=move,
        )  # fmt: skip
    write_rows(lists, map(asdict, seen.disagreements))
    counts = Counter(each.fact for each in seen.disagreements)
    for fact, count in counts.most_common():
        say(f"{fact}: {count} images, see {lists}", alarm="disagreement")
    found.known, found.left_out = seen.known, [*found.left_out, *seen.left_out]
    return found, {
        "facts_measured": seen.added,
        "disagreements": dict(sorted(counts.items())),
        "disagreements_file": str(lists),
    }


def _grade(photo: Photograph, fov: Fov) -> str:
    """Return good, usable or reject on the footing that the grader was taught on."""
    from retinaforge.audits.quality import grade_quality
    from retinaforge.images import normalise

    size_px = max(64, min(MOST_GRADED_PX, round(2 * fov.radius_px)))
    square = normalise(photo, fov, size_px=size_px)
    return grade_quality(square.photograph, square.fov).grade


def _summary(out: Path, found: Gathered) -> dict[str, Any]:
    """Return how many images have each fact, and what was not understood."""
    names = Counter(name for each in found.known for name in each.record.facts)
    return {
        "records": str(out),
        "images": len(found.known),
        "facts": names.total(),
        "images_with": dict(sorted(names.items())),
        "unknown_keywords": dict(sorted(found.unknown_keywords.items())),
        "notes": dict(found.notes),
        "left_out": [{"what": what, "why": why} for what, why in found.left_out],
    }


def _name_left_out(rows: list[tuple[str, str]]) -> None:
    for name, why in rows:
        say(f"{name}: {why}", alarm="left out")

"""`retinaforge vessels`: what the vessels are, how they connect and what they measure."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.core import Refusal
from retinaforge.reports.vessels_page import write_vessels_page
from retinaforge.tasks.landmarks_table import read_landmarks
from retinaforge.tasks.measure_vessels import Measured, measure_vessels
from retinaforge.tasks.vessel_finders import default_anatomy, default_artery_vein
from retinaforge.tasks.vessel_jobs import list_jobs
from retinaforge.tasks.vessel_lesions import with_lesion_masks
from retinaforge.tasks.vessel_work import Settings

EXIT_PARTLY, MOST_NAMED = 1, 5
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge vessels photographs --out measured`\n\n"
    "`retinaforge vessels ../shared/data/hrf --out measured --masks-are artery-vein "
    "--landmarks landmarks.csv`\n\n"
    "`retinaforge vessels AutoMorph/Results --out measured --workers 4 --json`\n\n"
    "`retinaforge vessels photographs --out measured --judge ours --judge classical`\n\n"
    "The same command again resumes."
)


class MasksAre(StrEnum):
    """What masks show."""

    vessel = "vessel"
    artery_vein = "artery-vein"


class Graphs(StrEnum):
    """How trees are written."""

    geojson = "geojson"
    graphml = "graphml"
    none = "none"


def vessels(
    source: Path = typer.Argument(
        ...,
        metavar="IMAGES_OR_MASKS",
        help="A photograph or mask, a folder of them, a data set with a table, or a folder that "
        "VascX or AutoMorph wrote.",
    ),
    out: Path = typer.Option(..., help="Folder to write; made if absent, resumed if begun."),
    masks_are: MasksAre = typer.Option(
        None, help="What the images show, if they are masks; of a data set, which to measure."
    ),
    judge: list[str] = typer.Option(
        ["ours"],
        help="Who finds vessels: ours, classical, lwnet:FILE, ...; given again, the mean of them, "
        "with what they disagree about.",
    ),
    flag_level: float = typer.Option(
        None, help="Disagreement of the judges from which a photograph is flagged."
    ),
    artery_vein: str = typer.Option(
        default_artery_vein,
        help="Who tells arteries and veins apart: ours, lwnet:FILE, rrwnet:FILE, ... or none.",
    ),
    anatomy: str = typer.Option(
        default_anatomy, help="Who finds disc, cup and fovea: ours, ours:FILE or none."
    ),
    lesions: str = typer.Option("none", help="Who finds lesions: ours, ours:FILE or none."),
    lesion_masks: Path = typer.Option(None, help="Folder of lesion masks, KIND/NAME.png."),
    landmarks: Path = typer.Option(None, help="CSV of disc, cup, fovea, eye and scale."),
    photographs: Path = typer.Option(None, help="Photographs of the masks, of the same names."),
    um_per_px: float = typer.Option(None, help="Micrometres a pixel, where no table says it."),
    graphs: Graphs = typer.Option(Graphs.geojson, help="How trees are written."),
    tables_only: bool = typer.Option(False, "--tables-only", help="Write no images or graphs."),
    workers: int = typer.Option(1, min=1, help="Processes; they do not change the result."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as JSON on stdout."),
) -> None:
    """Find, trace and measure the vessels of photographs, or measure masks that you have.

    Writes a row a photograph with every biomarker, its masks, overlay and graph, and one page.
    Exit code 0: all measured, the flagged ones too; 1: some failed, each a row with its reason; 2:
    refused.
    """
    _refuse_inside(source, out)
    if um_per_px is not None and um_per_px <= 0:
        raise Refusal("micrometres a pixel above 0", f"{um_per_px:g}", "leave it out if unknown")
    kind = None if masks_are is None else masks_are.value
    jobs, taken_for = list_jobs(source, masks_are=kind, photographs=photographs)
    if lesion_masks is not None:
        jobs = with_lesion_masks(jobs, lesion_masks)
    table = None if landmarks is None else read_landmarks(landmarks)
    say(f"{len(jobs)} eyes from {source}, taken for {taken_for}, into {out}")
    written = Graphs.none if tables_only else graphs
    settings = Settings(
        judges=tuple(judge), flag_level=flag_level, artery_vein=artery_vein, anatomy=anatomy,
        lesions=lesions, graphs=written.value, pictures=not tables_only, um_per_px=um_per_px,
    )  # fmt: skip
    with progress_bar("eyes") as advance:
        measured = measure_vessels(
            jobs, out, settings=settings, workers=workers, landmarks=table, on_progress=advance
        )
    page = write_vessels_page(out)
    _close(measured, out, page, as_json=as_json)


def _refuse_inside(source: Path, out: Path) -> None:
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise Refusal(
            "a folder outside the one that is read", f"{out} in {source}", "name another folder"
        )


def _close(measured: Measured, out: Path, page: Path, *, as_json: bool) -> None:
    for name, reason in measured.failed:
        say(f"{name}: {reason}", alarm="failed")
    if measured.flagged:
        say(_flags(measured))
    if measured.resumed:
        say(f"{measured.resumed} eyes had been measured before")
    states = measured.summary["states"]
    if as_json:
        answer_json({
            "photographs": measured.summary["photographs"], **states,
            "resumed": measured.resumed, "seconds": round(measured.seconds, 1),
            "biomarkers": str(out / "biomarkers.csv"), "page": str(page),
            "failures": [{"file_name": n, "reason": r} for n, r in measured.failed],
            "flags": [{"file_name": n, "reason": r} for n, r in measured.flagged],
        })  # fmt: skip
    else:
        print(out / "biomarkers.csv")
        print(page)
    if measured.failed:
        raise typer.Exit(EXIT_PARTLY)


def _flags(measured: Measured) -> str:
    """Return one line on the flagged eyes, the first few by name."""
    flagged = measured.flagged
    first = ", ".join(f"{name} ({reason})" for name, reason in flagged[:MOST_NAMED])
    more = f" and {len(flagged) - MOST_NAMED} more" if len(flagged) > MOST_NAMED else ""
    return f"{len(flagged)} of {measured.summary['photographs']} flagged: {first}{more}"

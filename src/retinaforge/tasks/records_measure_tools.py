"""Our own finders as facts of the captions' catalogue; each fact names its finder's version.

The lesion network knows one kind of haemorrhage; it is told as dot and blot, as IDRiD's masks are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from retinaforge.captions.facts import fact_kind
from retinaforge.captions.record import Fact
from retinaforge.core import Fov, Landmarks, Photograph
from retinaforge.tasks.records_places import BOXES, DISC_UM, places_of, regions_of
from retinaforge.tasks.records_vessels import density_of
from retinaforge.tasks.vessel_finders import (
    NOBODY,
    anatomy_named,
    default_artery_vein,
    judge_named,
    lesions_named,
)
from retinaforge.tasks.vessel_jobs import Job
from retinaforge.tasks.vessel_work import Settings, read_eye
from retinaforge.vessels.biomarkers import measure_all
from retinaforge.vessels.vasculature import read_vasculature

OURS = "ours"
LESIONS = {
    "microaneurysm": "microaneurysm", "haemorrhage": "haemorrhage",
    "hard_exudate": "hard_exudate", "soft_exudate": "cotton_wool_spot",
}  # fmt: skip
LEAST_UM2 = 300.0
"""A smaller piece of a lesion's map is a speckle: a microaneurysm is 20 um and more across."""


def tool_versions() -> dict[str, str]:
    """Return the finders' names with their versions, as they stand in facts."""
    return {
        "anatomy": f"anatomy-v{anatomy_named(OURS).card.version}",
        "vessels": f"vessels-v{judge_named((OURS,)).card.version}",
        "lesions": f"lesions-v{lesions_named(OURS).card.version}",
    }


def _source(tool: str) -> str:
    return f"measured: {tool_versions()[tool]}"


def landmarks_in(photo: Photograph, fov: Fov) -> Landmarks:
    """Return disc, cup and fovea, scaled by a disc of usual height."""
    found = anatomy_named(OURS).landmarks(photo, fov)
    radius = found.disc_radius_px
    return replace(found, um_per_px=DISC_UM / (2 * radius) if radius else None)


def anatomy_facts(marks: Landmarks) -> Iterator[Fact]:
    """Yield the side, and that the fovea was found."""
    if marks.eye is not None:
        yield Fact("eye", marks.eye, _source("anatomy"))
    if marks.fovea_px is not None:
        yield Fact("fovea_in_view", True, _source("anatomy"))


def cup_facts(marks: Landmarks, fov: Fov) -> Iterator[Fact]:
    """Yield the vertical ratio of cup and disc, unless the field cuts the disc off."""
    if marks.cup_axes_px is not None and marks.disc_axes_px is not None and _whole(marks, fov):
        ratio = min(1.0, marks.cup_axes_px[1] / marks.disc_axes_px[1])
        yield Fact("cup_to_disc", round(ratio, 3), _source("anatomy"))


def _whole(marks: Landmarks, fov: Fov) -> bool:
    """Say whether all four ends of the disc lie in the field."""
    (x, y), (a, b) = marks.disc_centre_px or (0, 0), marks.disc_axes_px or (0, 0)
    ends = ((x - a, y), (x + a, y), (x, y - b), (x, y + b))
    height, width = fov.mask.shape
    return all(
        0 <= column < width and 0 <= row < height and fov.mask[int(row), int(column)]
        for column, row in ends
    )


def vessel_facts(photo: Photograph, fov: Fov, marks: Landmarks) -> Iterator[Fact]:
    """Yield density, calibre and tortuosity, each where it is defined."""
    job = Job(photo.source, "", Path(photo.source), landmarks=marks)
    settings = Settings(judges=(OURS,), artery_vein=default_artery_vein(), anatomy=NOBODY)
    eye = read_eye(job, settings)
    drawn, source = eye.found, _source("vessels")
    v = read_vasculature(drawn.pixels, eye.fov, marks, artery=drawn.artery, vein=drawn.vein)
    found = {quantity.card.column: float(quantity.value) for quantity in measure_all(v)}
    if marks.um_per_px:
        yield Fact("vessel_density", round(density_of(v, marks.um_per_px), 3), source)
    for name, value in (
        ("artery_vein_ratio", found["avr_knudtson_zone_b"]),
        ("tortuosity", 1 + found["tortuosity"]),
    ):
        # A NaN lies in no range.
        if fact_kind(name).low <= value <= fact_kind(name).high:
            yield Fact(name, round(value, 4), source)


def lesion_facts(photo: Photograph, fov: Fov, marks: Landmarks) -> Iterator[Fact]:
    """Yield how many lesions of each kind were found, 0 where none, with places and boxes."""
    source = _source("lesions")
    least_px = LEAST_UM2 / marks.um_per_px**2 if marks.um_per_px else 1.0
    for kind, mask in lesions_named(OURS).masks(photo, fov).items():
        regions = regions_of(mask, at_least_px=max(1, round(least_px)))
        places = places_of([region.centre_px for region in regions], marks)
        boxes = tuple(region.box for region in regions[:BOXES])
        yield Fact(LESIONS[kind], len(regions), source, places, boxes)

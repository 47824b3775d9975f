"""Vessel density from vessel masks that came with a photograph, where its scale is known.

Length per area has a unit (mm/mm²): without millimetres there is no number. No public set of ours
says how large a pixel is on the retina, and none is assumed here; a disc of usual height is taken
as scale only where `--tool vessels` is asked for, and says so in its card.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from retinaforge.captions.facts import fact_kind
from retinaforge.captions.record import Fact
from retinaforge.core import Record, Refusal

if TYPE_CHECKING:
    from retinaforge.vessels.vasculature import Vasculature

DRAWN = ("vessel", "artery_vein")
NO_SCALE = "vessel mask without a scale (column um_per_px): no vessel density"


def has_vessels(record: Record) -> bool:
    """Say whether somebody drew the vessels of a photograph."""
    return any(kind in record.masks for kind in DRAWN)


def scale_of(text: str) -> float | None:
    """Return micrometres a pixel; None where nobody said.

    Raises:
        Refusal: "expected um_per_px above 0; got ...".
    """
    if not text.strip():
        return None
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0 < scale < math.inf:
        raise Refusal("um_per_px above 0, micrometres a pixel", repr(text), "mend the table")
    return scale


def density_fact(record: Record, um_per_px: float, source: str) -> Fact:
    """Return the length of the drawn vessels over the area of the field.

    Args:
        record: with a mask of vessels, or of arteries and veins.
        um_per_px: scale of the photograph on the retina.
        source: of the fact.

    Raises:
        Refusal: if a mask is none, or the number lies outside the catalogue's range.
    """
    # Tracing brings libraries that records alone do not need.
    from retinaforge.tasks.vessel_jobs import Job
    from retinaforge.tasks.vessel_work import Settings, read_eye
    from retinaforge.vessels.vasculature import read_vasculature

    masks = {kind: record.masks[kind] for kind in (*DRAWN, "fov") if kind in record.masks}
    eye = read_eye(Job(record.name, "", record.path, masks), Settings())
    v = read_vasculature(eye.found.pixels, eye.fov, artery=eye.found.artery, vein=eye.found.vein)
    value, kind = round(density_of(v, um_per_px), 3), fact_kind("vessel_density")
    if not kind.low <= value <= kind.high:
        raise Refusal(
            f"a vessel density from {kind.low:g} to {kind.high:g} {kind.unit}", f"{value:g}",
            f"check um_per_px, {um_per_px:g}",
        )  # fmt: skip
    return Fact("vessel_density", value, source)


def density_of(v: Vasculature, um_per_px: float) -> float:
    """Return the length of all vessels over the area of the field, mm/mm²."""
    return float(v.lengths_px.sum()) / (float(v.fov.mask.sum()) * um_per_px / 1000)

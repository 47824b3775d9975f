"""Anatomy checks of one eye: what no real photograph shows.

A check fails where a reading lies beyond limits that were set on real photographs (training and
validation rows of `../shared/data`, see `benchmarks/anatomy_checks.py`). What cannot be judged,
such as the fovea in a photograph about the disc, is neither passed nor failed.
"""

from __future__ import annotations

import json
from importlib import resources

from retinaforge.audits.damage_scores import SCORE_READINGS
from retinaforge.audits.disc_readings import DISC_READINGS, FOVEA_READINGS
from retinaforge.audits.eye_findings import AnatomyCheck, EyeFindings, Limits, Reading, Verdict
from retinaforge.audits.field_readings import FIELD_READINGS
from retinaforge.audits.fundus import looks_like_fundus
from retinaforge.audits.vessel_readings import BALANCE_READINGS, CALIBRE_READINGS
from retinaforge.core import Card

SHIPPED = "anatomy_limits.json"


def shipped_limits() -> dict[str, Limits]:
    """Return the limits of every reading, by its name."""
    text = (resources.files("retinaforge.audits") / SHIPPED).read_text()
    return {name: (low, high) for name, (low, high) in json.loads(text).items()}


def _check(
    name: str, readings: tuple[Reading, ...], limits: dict[str, Limits], *, fails: str, known: str
) -> AnatomyCheck:
    card = Card(
        name=name, version=2, measures=f"share of images {fails}", range="[0, 1]",
        direction="lower is better", unit="1", smallest_n=5,
        reference="retinaforge.audits.anatomy_checks; limits from real photographs, "
        "benchmarks/anatomy_checks.py", known_failure=known,
    )  # fmt: skip
    return AnatomyCheck(card, readings, {r.name: limits[r.name] for r in readings})


def scores(*names: str) -> tuple[Reading, ...]:
    """Return the readings of some scores."""
    return tuple(SCORE_READINGS[name] for name in names)


def _checks(limits: dict[str, Limits]) -> tuple[AnatomyCheck, ...]:
    return (
        _check("one_disc", (*scores("disc_erased", "second_disc"), *DISC_READINGS), limits,
               fails="with no disc where one should be, a second one, or one of impossible size",
               known="a large bright lesion may pass for a second disc; an erased one is missed "
               "where its place stays bright or vessels fade out before it"),
        _check("fovea_place", (*scores("fovea_missing"), *FOVEA_READINGS), limits,
               fails="whose fovea is too near, too far, too high, too low or on the wrong side",
               known="the fovea is looked for 1.5 to 3.8 disc diameters from the disc only; the "
               "side is judged only where it is stated which eye it is"),
        _check("vessels_reach_disc", scores("cut_off"), limits,
               fails="whose vessels do not come up to the disc",
               known="blind where most of the disc's surroundings are out of view; vessels that "
               "stop close to the disc pass"),
        _check("no_floating_vessels", scores("adrift", "broken"), limits,
               fails="with vessels that hang on nothing",
               known="choroidal vessels and vessels cut off by haze float as well; short, faint or "
               "few gaps and pieces look like those found in sound eyes, and are missed"),
        _check("artery_vein_balance", (*scores("arteries_erased"), *BALANCE_READINGS), limits,
               fails="with far too few or too many arteries, or arteries too wide for their veins",
               known="as good as the network that tells arteries and veins apart"),
        _check("field_of_view", FIELD_READINGS, limits,
               fails="whose field of view has no real camera's shape",
               known="cannot be judged where the frame shows no border"),
        _check("calibres", (*scores("thick", "thin", "dropped"), *CALIBRE_READINGS), limits,
               fails="whose vessels are too wide or too narrow",
               known="measured in disc diameters and shares of the field: a field of 20 or 100 "
               "degrees is unlike those that the limits were set on; vessels half as wide again "
               "often pass, since cameras and persons differ by as much"),
        _check("tapering", scores("widened_outwards"), limits,
               fails="whose vessels do not get narrower away from the disc",
               known="cannot be judged where the field ends close to the disc"),
    )  # fmt: skip


CHECKS: tuple[AnatomyCheck, ...] = _checks(shipped_limits())

__all__ = [
    "CHECKS",
    "AnatomyCheck",
    "EyeFindings",
    "Verdict",
    "looks_like_fundus",
    "shipped_limits",
]

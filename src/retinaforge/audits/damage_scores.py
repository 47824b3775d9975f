"""Scores of an eye: how much it looks as if it had been damaged in a certain way.

Each weighs a few numbers of an eye (`scores.Score`); what it cannot be had from, it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

from retinaforge.audits.disc_numbers import disc_numbers, round_numbers
from retinaforge.audits.disc_readings import disc_missed
from retinaforge.audits.eye_findings import EyeFindings, Reading
from retinaforge.audits.fovea_numbers import fovea_numbers
from retinaforge.audits.scores import shipped_scores
from retinaforge.audits.vessel_ends import end_numbers
from retinaforge.audits.vessel_readings import (
    NO_VESSELS,
    adrift_area,
    artery_share,
    artery_vein_calibre,
    evenness,
    taper,
    widest,
)
from retinaforge.audits.vessel_rings import ring_numbers
from retinaforge.audits.vessel_walls import wall_numbers

Numbers = dict[str, float]
Provider = Callable[[EyeFindings], "Numbers | str"]
ENOUGH_LENGTH = 2440.0
"""Length of vessel, in field diameters / 512, from which arteries and veins are weighed."""


def _plain(*reads: Callable[[EyeFindings], float | str]) -> Provider:
    """Return a provider of readings, each under its function's name; NaN where it is unknown."""

    def provide(eye: EyeFindings) -> Numbers | str:
        found = {read.__name__: read(eye) for read in reads}
        why = [value for value in found.values() if isinstance(value, str)]
        if len(why) == len(found):
            return why[0]
        return {name: math.nan if isinstance(v, str) else v for name, v in found.items()}

    return provide


def _kinds(eye: EyeFindings) -> Numbers | str:
    length = float(eye.vasculature.lengths_px.sum()) / (eye.fov.radius_px / 256)
    whole = float(eye.fov.mask.sum()) / (math.pi * eye.fov.radius_px**2)
    if length < ENOUGH_LENGTH * whole:
        return "too little vessel was found to weigh arteries against veins"
    return _plain(artery_share, artery_vein_calibre)(eye)


def _disc(eye: EyeFindings) -> Numbers | str:
    return disc_missed(eye) or disc_numbers(eye)


def _vessels(provider: Provider, eye: EyeFindings) -> Numbers | str:
    return provider(eye) if eye.vasculature.pixels.any() else NO_VESSELS


ends, walls, adrift = (partial(_vessels, p) for p in (end_numbers, wall_numbers, adrift_area))


def numbers_of(eye: EyeFindings, providers: Iterable[Provider]) -> Numbers | str:
    """Return all numbers of some providers; why there is none from the first that has none.

    Each provider is asked once an eye.
    """
    found: Numbers = {}
    for provider in providers:
        kept = eye.numbers.get(provider)
        if kept is None:
            kept = eye.numbers[provider] = provider(eye)
        if isinstance(kept, str):
            return kept
        found |= kept
    return found


PROVIDERS: dict[str, tuple[Provider, ...]] = {
    "disc_erased": (_disc, ends),
    "second_disc": (round_numbers,),
    "fovea_missing": (fovea_numbers,),
    "cut_off": (ring_numbers,),
    "broken": (ends,),
    "adrift": (ends, adrift),
    "arteries_erased": (_kinds,),
    "thick": (walls,),
    "thin": (_plain(widest, evenness),),
    "dropped": (walls, ends),
    "widened_outwards": (_plain(taper), ring_numbers),
}
NUMBERS: dict[str, tuple[str, ...]] = {
    "disc_erased": ("bright", "disc_edge", "drop_best"),
    "second_disc": ("round_rival", "round_home"),
    "fovea_missing": ("fovea_both", "fovea_spread", "nasal_less"),
    "cut_off": ("crossing_ratio", "cover_24"),
    "broken": ("hole_third", "gap_squares"),
    "adrift": ("drop_sum", "ends", "float_sum"),
    "arteries_erased": ("artery_share", "artery_vein_calibre"),
    "thick": ("area", "steep_middle"),
    "thin": ("widest", "evenness"),
    "dropped": ("ends", "width_wide"),
    "widened_outwards": ("taper", "cover_33"),
}
"""By score: what it weighs. Chosen forwards from some 70 numbers on the fitting rows."""
SAYS = {
    "disc_erased": "no clear disc where one should be",
    "second_disc": "a second bright disc",
    "fovea_missing": "no fovea where one should be",
    "cut_off": "vessels do not come up to the disc",
    "broken": "vessels with clear gaps",
    "adrift": "vessels that hang on nothing and end abruptly",
    "arteries_erased": "far too few arteries",
    "thick": "vessels look widened: much area, soft walls",
    "thin": "vessels look narrowed: the wide ones are no wider than the rest",
    "dropped": "thin vessels are missing",
    "widened_outwards": "vessels get wider away from the disc",
}


def _read(name: str, eye: EyeFindings) -> float | str:
    found = numbers_of(eye, PROVIDERS[name])
    return found if isinstance(found, str) else shipped_scores()[name].log_odds(found)


def score_reading(name: str) -> Reading:
    """Return a reading whose value is a score, in log-odds."""
    text = SAYS[name] + " (score {value:.1f}; in real photographs {limit:.1f} at most)"
    return Reading(name, "", text, partial(_read, name))


SCORE_READINGS = {name: score_reading(name) for name in PROVIDERS}

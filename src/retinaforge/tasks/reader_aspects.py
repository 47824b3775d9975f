"""Scores of the six aspects (1 to 3) and of grades beside what the images' tables state."""

from __future__ import annotations

from collections.abc import Mapping

from retinaforge.core import Score
from retinaforge.metrics.prediction import quadratic_kappa
from retinaforge.metrics.reader_cards import ASPECT_CARD, ASPECT_MEAN_CARD, GRADE_CARD
from retinaforge.metrics.reader_scores import mean_step, step_difference
from retinaforge.tasks.reader_answers import Reading
from retinaforge.tasks.reader_kappas import agreement
from retinaforge.tasks.reader_questions import ASPECTS, GRADES, REAL, SYNTHETIC, UNKNOWN
from retinaforge.tasks.reader_sheet import Sheet, over_readers
from retinaforge.tasks.reader_sides import group_of


def aspect_scores(
    sheet: Sheet, asked: set[str], *, agree: bool = True, **where: str
) -> list[Score]:
    """Return means of both sides, their difference, and agreement, of each aspect asked.

    Args:
        sheet: readings.
        asked: names of the questions.
        agree: also how far readers agree.
        **where: which part of the study it is.
    """
    found: list[Score] = []
    for name in (aspect for aspect in ASPECTS if aspect in asked):
        for side in (REAL, SYNTHETIC):
            found += over_readers(
                sheet, ASPECT_MEAN_CARD,
                lambda r, n=name, s=side: _step(r, n) if r.kind == s else None, mean_step,
                aspect=name, side=side, **where,
            )  # fmt: skip
        found += over_readers(sheet, ASPECT_CARD, lambda r, n=name: _side_and_step(r, n),
                              lambda v, w: step_difference(
            v[:, 0] == 1, v[:, 1], w), aspect=name, **where)  # fmt: skip
        if agree:
            found += agreement(sheet, lambda r, n=name: _step(r, n), ordered=True, question=name)
    return found


def _step(reading: Reading, name: str) -> int | None:
    value = reading.answers.get(name, UNKNOWN)
    return None if value == UNKNOWN else int(value)


def _side_and_step(reading: Reading, name: str) -> tuple[int, int] | None:
    step = _step(reading, name)
    return None if step is None else (int(reading.synthetic), step)


def grade_scores(sheet: Sheet, asked: set[str]) -> list[Score]:
    """Return how grades agree with the stated ones, side by side, and between readers."""
    found: list[Score] = []
    for name in (grade for grade in GRADES if grade in asked):
        for side in (REAL, SYNTHETIC):
            found += over_readers(
                sheet, GRADE_CARD, lambda r, n=name, s=side: _graded(r, n) if r.kind == s else None,
                lambda v, w: quadratic_kappa(v[:, 0], v[:, 1], w), question=name, side=side,
            )  # fmt: skip
        found += agreement(sheet, lambda r, n=name: _grade(r.answers.get(n, "")), ordered=True,
                           question=name)  # fmt: skip
    return found


def _grade(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def stated_grade(columns: Mapping[str, str], name: str) -> str:
    """Return the grade that an image's table states, as the form spells it; "" where unknown."""
    stated = group_of(columns, name)
    return {"no": "0", "yes": "1"}.get(stated, stated)


def _graded(reading: Reading, name: str) -> tuple[int, int] | None:
    """Return the stated grade and the reader's, None where one is missing."""
    stated = _grade(stated_grade(reading.facts.get("columns", {}), name))
    given = _grade(reading.answers.get(name, ""))
    return None if stated is None or given is None else (stated, given)

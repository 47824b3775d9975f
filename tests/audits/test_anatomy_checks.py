"""Anatomy checks: sound eyes pass, damaged ones fail the check that is meant for the damage."""

from __future__ import annotations

from retinaforge.audits.anatomy_checks import CHECKS, shipped_limits


def test_every_reading_has_limits_and_every_limit_a_reading() -> None:
    names = [reading.name for check in CHECKS for reading in check.readings]
    assert sorted(names) == sorted(shipped_limits())
    assert len({check.card.name for check in CHECKS}) == len(CHECKS) == 8

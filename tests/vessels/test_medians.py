"""Medians of many groups at once are those of each."""

from __future__ import annotations

import numpy as np

from retinaforge.vessels.medians import medians


def test_medians_of_groups_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    groups = [rng.normal(size=size) for size in (1, 2, 3, 4, 50, 51)]
    assert medians(groups).tolist() == [float(np.median(group)) for group in groups]


def test_a_group_with_a_hole_has_no_median_and_the_next_has() -> None:
    found = medians([np.array([np.nan, 1.0, 2.0]), np.array([4.0, 3.0])])
    assert np.isnan(found[0])
    assert found[1] == 3.5
    assert medians([]).shape == (0,)

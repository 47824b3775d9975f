"""SAUNA: closed forms, and agreement with the published transform."""

from __future__ import annotations

import numpy as np
import pytest

from retinaforge.tasks.sauna import sauna, sauna_plane

PUBLISHED = """
-1 -1 -1 -1 -1 -1 -.7617 -1  -1 -1 -1 -1 -1 -1 -.7617 -1
.5235 .5235 -.2852 -.5704 -1 -1 -.7617 -1  .5235 .5235 .7617 .7617 .5235 .5235 -.2383 -.5235
-1 -1 -.5704 -.2852 .5235 .5235 .7148 .8086  -1 -1 -1 -1 -1 -.9531 -.2852 -.3805
-1 -.8086 -.5235 -1 -1 -1 -.7617 -1  -1 -.7617 .5235 -1 -1 -1 -.7617 -1
"""
"""Every 5th row and 6th column of the mask below, by `generate_uncertainty_masks.py` of
Oulu-IMEDS/SAUNA (label "hh", kernel ratio 2) with opencv 5.0 and torch 2.13. On 15 masks of DRIVE,
CHASE_DB1, LES-AV and HRF at 512 px the two differ by 7e-4 on average and nowhere in sign; by less
than 1e-6 anywhere once the published code is given Euclidean distances."""


def drawn() -> np.ndarray:
    y, x = np.mgrid[:40, :48]
    disc = (y - 33) ** 2 + (x - 10) ** 2 < 9
    return (np.abs(y - 12 - 0.2 * x) < 3.5) | (np.abs(x - 34) < 1.2) | disc


def test_the_published_transform_is_met() -> None:
    published = np.array(PUBLISHED.split(), dtype=float).reshape(8, 8)
    ours = sauna(drawn())[::5, ::6]
    assert np.abs(ours - published).max() < 0.02
    assert (np.sign(ours) == np.sign(published)).all()


def test_a_straight_vessel_in_closed_form() -> None:
    vessels = np.zeros((31, 31), bool)
    vessels[13:18] = True
    y = sauna(vessels)[:, 15]
    # D = 1 2 3 2 1 of 3, the window is 3: t = 2/3 1 1 1 2/3. Beside it is 7: t = 1 2/3 1/3.
    assert y[13:18] == pytest.approx([1 / 3 + 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3 + 1 / 3])
    assert y[12] == pytest.approx(-1 / 3)
    assert (y[:12] == -1).all()


def test_masks_without_vessels_or_without_background() -> None:
    assert (sauna(np.zeros((4, 4), bool)) == -1).all()
    assert (sauna(np.ones((4, 4), bool)) == 1).all()


def test_turning_the_mask_turns_the_labels() -> None:
    mask = drawn()
    assert np.array_equal(sauna(mask.T), sauna(mask).T)
    assert np.array_equal(sauna(mask[::-1]), sauna(mask)[::-1])


def test_the_plane_holds_the_label_to_half_a_step() -> None:
    plane = sauna_plane(drawn().astype(np.uint8) * 255)
    assert np.abs(plane / 127.5 - 1 - sauna(drawn())).max() <= 0.5 / 127.5 + 1e-9

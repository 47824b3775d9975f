"""Which networks have seen which photographs, by the data set's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from retinaforge.validation.eye import Settings
from retinaforge.validation.ledger import _named, contamination


@pytest.mark.parametrize(
    ("name", "training", "seen"),
    [
        ("HRF", "hrf (7 training images), 40 phantoms", True),
        ("CHASE-DB1", "chase_db1 (12 training images)", True),
        ("idrid", "idrid_segmentation (22 training images)", True),
        ("a", "chase_db1 (12 training images)", False),
        ("drive", "10,000 hard_drives", False),
        ("training", "hrf (7 training images)", False),
        ("", "hrf", False),
        ("odir", "hrf", False),
    ],
)
def test_a_data_set_counts_as_seen_by_its_name(name: str, training: str, seen: bool) -> None:
    assert _named(name, training) is seen


def test_our_own_judges_say_what_they_were_trained_on(tmp_path: Path) -> None:
    for name in ("hrf", "private"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "eye.png").touch()
    found = contamination(tmp_path / "hrf", Settings(size_px=64))
    assert {row["dataset"] for row in found} == {"hrf"}
    assert {"vessels (ours)", "encoder structure"} <= {row["who"] for row in found}
    assert contamination(tmp_path / "private", Settings(size_px=64)) == []

"""Two humans against each other: what a judge or a reconstruction can be expected to reach."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.vessels.compare import CATALOGUE, compare_masks
from retinaforge.vessels.skeleton import vessel_mask

DATA = Path(__file__).parents[2] / "../shared/data"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.exists(), reason="the photographs are not here"),
]
OVERLAP = [comparison for comparison in CATALOGUE if comparison.card.name in ("dice", "cldice")]


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) > 127


@pytest.mark.parametrize(
    ("folder", "manual", "second", "expected"),
    [
        ("chase_db1", "1stHO", "2ndHO", (0.768, 0.829)),
        ("drive", "1st_manual", "2nd_manual", (0.788, 0.763)),
    ],
)
def test_second_observer_reaches_the_known_agreement(folder, manual, second, expected):
    values = []
    for row in csv.DictReader((DATA / folder / "manifest.csv").read_text().splitlines()):
        name = row["vessel_mask"].replace(manual, second).replace("manual1", "manual2")
        if not (DATA / folder / name).exists():
            continue
        fov = read(DATA / folder / row["fov_mask"])
        estimate, reference = (
            vessel_mask(read(DATA / folder / one), fov) for one in (name, row["vessel_mask"])
        )
        values.append([q.value for q in compare_masks(estimate, reference, catalogue=OVERLAP)])
    assert len(values) == 20
    np.testing.assert_allclose(np.mean(values, axis=0), expected, atol=0.002)

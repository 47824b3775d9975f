"""The judges against people, on photographs whose masks nobody here may learn from."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from retinaforge.images import find_fov, read_mask, read_photograph, read_records
from retinaforge.vessels import load_judge

DATA = Path(__file__).parents[2] / "../shared/data"
LITTLE = f"lwnet:{DATA / 'weights/lwnet_vessel_drive/model_checkpoint.pth'}"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="no photographs in ../shared/data"),
]


@cache
def mean_dice(spec: str, dataset: str, count: int) -> float:
    judge, scores = load_judge(spec), []
    rows = [r for r in read_records(DATA / dataset) if r.split == "test" and "vessel" in r.masks]
    for record in rows[:count]:
        photo = read_photograph(record.path)
        fov = find_fov(photo)
        vessels = read_mask(record.masks["vessel"], size_px=photo.size_px) & fov.mask
        found = judge.mask(photo, fov)
        scores.append(2 * int((found & vessels).sum()) / int(found.sum() + vessels.sum()))
    return float(np.mean(scores))


def test_little_w_net_reproduces_its_score_on_drive() -> None:
    # 0.828 over all twenty; the first four lie close to it.
    assert mean_dice(LITTLE, "drive", 4) == pytest.approx(0.828, abs=0.02)


@pytest.mark.slow
def test_little_w_net_reproduces_its_published_mean_on_drive() -> None:
    assert mean_dice(LITTLE, "drive", 20) == pytest.approx(0.828, abs=0.004)


@pytest.mark.slow
def test_ours_reaches_its_goal_on_drive_which_it_never_saw() -> None:
    assert mean_dice("ours", "drive", 20) >= 0.74


def test_ours_stays_near_people_on_children_it_never_saw() -> None:
    # The goal is 0.78, which is also what the two observers reach on these six; it is not met yet.
    assert mean_dice("ours", "chase_db1", 6) >= 0.76


def test_the_classical_judge_finds_most_vessels_of_children() -> None:
    assert mean_dice("classical", "chase_db1", 3) >= 0.6

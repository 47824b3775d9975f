"""A judge that was the loss of an arm is marked, whatever it is called."""

from __future__ import annotations

from retinaforge.core import Card, Score
from retinaforge.studies import Study
from retinaforge.studies.witness import witnesses

STUDY = Study.model_validate(
    {
        "name": "s", "question": "q", "expected": "e",
        "arm": [{"name": "l1", "loss": "l1"}],
        "encoders": {"net": "segmenter", "other": "random-vit-tiny@0"},
        "measure": {"judges": ["ours", "classical"], "encoder": "segmenter"},
    }
)  # fmt: skip
LOSSES = {
    "l1": "l1", "vessels": "l1 + features(net)", "vit": "l1 + features(other)", "log": "l1 + log",
    "resize-only": "",
}  # fmt: skip
CARD = Card("dice", 1, "m", "[0, 1]", "higher is better", "1", 1, "r", "k")


def marks(tmp_path, **where: str) -> dict[str, bool]:
    known = witnesses(STUDY, tmp_path, LOSSES)
    scores = {arm: Score(CARD, 0.5, None, 1, {"arm": arm, **where}) for arm in LOSSES}
    return {arm: known.marked(score).extra["same_family"] for arm, score in scores.items()}


def only(*arms: str) -> dict[str, bool]:
    return {arm: arm in arms for arm in LOSSES}


def test_the_network_that_was_the_loss_is_no_witness(tmp_path):
    assert marks(tmp_path, judge="ours") == only("vessels")
    assert marks(tmp_path, judge="", encoder="segmenter") == only("vessels")


def test_a_filter_is_no_witness_of_filters(tmp_path):
    assert marks(tmp_path, judge="classical") == only("log")


def test_pixels_and_humans_are_witnesses_of_all(tmp_path):
    assert marks(tmp_path, judge="") == only()
    assert marks(tmp_path, judge="human") == only()

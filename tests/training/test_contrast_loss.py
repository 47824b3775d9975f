"""The loss of two towers: CLIP's where nobody agrees with another, shared where somebody does."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import cross_entropy

from retinaforge.nets.twin_tower import TwinShape, new_towers
from retinaforge.training.contrast import Contrast, above_twins, shared_cross_entropy

SHAPE = TwinShape(
    vocabulary=30, end=3, input_px=32, channels=(8, 8, 8, 8), width=16, heads=2, projected=8,
    context=12, text_width=16, text_depth=1, text_heads=2,
)  # fmt: skip


def batch(n: int, texts: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(4, 30, (texts, 6), generator=rng)
    ids[:, -1] = 3
    return torch.randn(n, 3, 32, 32, generator=rng), ids, torch.ones(texts, 6, dtype=torch.bool)


def test_without_sharing_it_is_clips_symmetric_cross_entropy() -> None:
    method = Contrast(new_towers(SHAPE, 0))
    images, ids, real = batch(5, 5)
    loss = method(images, ids, real, torch.eye(5), torch.arange(5), torch.arange(5))["contrast"]
    method.train()
    logits = method.towers(images, ids, real)
    places = torch.arange(5)
    expected = (cross_entropy(logits, places) + cross_entropy(logits.T, places)) / 2
    torch.testing.assert_close(loss, expected)


def test_equal_texts_share_the_target_and_cost_no_more_than_chance() -> None:
    logits = torch.zeros(2, 4)
    agreement = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert math.isclose(float(shared_cross_entropy(logits, agreement)), math.log(4), rel_tol=1e-6)
    sure = torch.tensor([[30.0, 30.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert math.isclose(float(shared_cross_entropy(sure, agreement)), math.log(2), rel_tol=1e-4)


def test_wrong_texts_must_lie_below_their_right_twins() -> None:
    method = Contrast(new_towers(SHAPE, 0)).eval()
    images, ids, real = batch(3, 5)
    true = torch.cat([torch.eye(3), torch.zeros(3, 2)], dim=1)
    owner, twin = torch.tensor([0, 1, 2, 0, 2]), torch.tensor([0, 1, 2, 0, 2])
    readings = method(images, ids, real, true, owner, twin)
    logits = method.towers(images, ids, real)
    gaps = torch.stack([logits[0, 0] - logits[0, 3], logits[2, 2] - logits[2, 4]])
    torch.testing.assert_close(above_twins(logits, owner, twin), gaps)
    expected = -torch.sigmoid(gaps).log().mean()
    torch.testing.assert_close(readings["twins"], expected.detach())
    torch.testing.assert_close(readings["loss"], readings["contrast"] + readings["twins"])


def test_a_text_true_of_all_is_no_way_out() -> None:
    """Put near everything, it gains nothing: chance is reached by saying nothing."""
    method = Contrast(new_towers(SHAPE, 0))
    true = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    silent, universal = torch.zeros(2, 3), torch.tensor([[0.0, 0.0, 9.0]] * 2)
    prior = true.mean(0).log()
    losses = [shared_cross_entropy(x + prior, true) for x in (silent, universal)]
    assert losses[0] < losses[1]
    assert shared_cross_entropy(silent, true) > shared_cross_entropy(prior.expand(2, 3), true)
    assert method.as_dict()["method"] == "contrast"


def test_a_texts_vector_does_not_depend_on_what_fills_up() -> None:
    towers = new_towers(SHAPE, 0).eval()
    ids = torch.tensor([[4, 5, 3, 0, 0]])
    short = towers.text(ids[:, :3], torch.ones(1, 3, dtype=torch.bool))
    long = towers.text(ids, ids > 0)
    torch.testing.assert_close(short, long)


def test_equal_seeds_make_equal_towers() -> None:
    one, other = new_towers(SHAPE, 3).state_dict(), new_towers(SHAPE, 3).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)

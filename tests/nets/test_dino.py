"""DINO's targets and loss against their definitions."""

from __future__ import annotations

import math

import torch

from retinaforge.nets.dino import (
    DinoHead,
    HeadShape,
    distillation_loss,
    entropy,
    initialise_head,
    teacher_targets,
)


def test_the_loss_is_the_mean_over_pairs_of_different_views() -> None:
    student, targets = torch.randn(4, 3, 5), torch.rand(2, 3, 5).softmax(-1)
    terms = [
        -(targets[t] * (student[s] / 0.1).log_softmax(-1)).sum(-1).mean()
        for t in range(2)
        for s in range(4)
        if s != t
    ]
    torch.testing.assert_close(distillation_loss(student, targets, 0.1), sum(terms) / len(terms))


def test_targets_are_centred_then_sharpened() -> None:
    logits, centre = 0.1 * torch.randn(2, 3, 5), 0.1 * torch.randn(5)
    targets = teacher_targets(logits, centre, 0.04)
    powers = ((logits - centre) / 0.04).exp()
    torch.testing.assert_close(targets, powers / powers.sum(-1, keepdim=True))
    assert float(entropy(targets).mean()) < float(entropy(logits.softmax(-1)).mean())


def test_a_point_equal_to_the_centre_says_nothing() -> None:
    centre = torch.randn(7)
    even = teacher_targets(centre.expand(1, 1, 7), centre, 0.04)
    assert abs(float(entropy(even)) - math.log(7)) < 1e-5


def test_the_head_answers_with_cosines() -> None:
    head = initialise_head(DinoHead(6, HeadShape(8, 4, 9)), 0)
    answers = head(torch.randn(3, 6) * 50)
    assert answers.shape == (3, 9)
    assert float(answers.detach().abs().max()) <= 1 + 1e-6

"""Facts read off a vector, where several words may be right."""

from __future__ import annotations

import math

import pytest
import torch

from retinaforge.nets.word_reader import WordReader


def reader_of(logits: list[list[float]]) -> WordReader:
    """Return a reader that gives these logits for the vector (1,)."""
    reader = WordReader(1, [len(row) for row in logits])
    flat = [value for row in logits for value in row]
    with torch.no_grad():
        reader.read.weight.zero_()
        reader.read.bias.copy_(torch.tensor(flat))
    return reader


def test_one_open_word_is_the_cross_entropy() -> None:
    reader = reader_of([[1.0, 2.0], [0.0, 0.0, 3.0]])
    loss, right = reader.loss(torch.ones(1, 1), torch.tensor([[0b01, 0b100]]))
    first = -math.log(math.e / (math.e + math.e**2))
    second = -math.log(math.e**3 / (2 + math.e**3))
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-6)
    assert right.item() == 0.5


def test_several_open_words_share_their_parts() -> None:
    reader = reader_of([[0.0, 1.0, 2.0]])
    loss, right = reader.loss(torch.ones(1, 1), torch.tensor([[0b110]]))
    assert loss.item() == pytest.approx(math.log(1 + math.e + math.e**2) - math.log(
        math.e + math.e**2), rel=1e-5)  # fmt: skip
    assert right.item() == 1.0


@pytest.mark.parametrize("bits", [[0, 0], [0b11, 0b111]])
def test_what_nobody_knows_teaches_nothing(bits: list[int]) -> None:
    reader = reader_of([[1.0, 2.0], [0.0, 0.0, 3.0]])
    vector = torch.ones(1, 1, requires_grad=True)
    loss, right = reader.loss(vector, torch.tensor([bits]))
    loss.backward()
    assert loss.item() == 0
    assert math.isnan(right.item())
    assert vector.grad is not None
    assert float(vector.grad.abs().sum()) == 0


def test_a_fact_of_fewer_words_never_gets_another_s() -> None:
    reader = reader_of([[1.0, 2.0], [0.0, 0.0, 3.0]])
    logits = reader(torch.ones(2, 1))
    assert logits.shape == (2, 2, 3)
    assert torch.isinf(logits[:, 0, 2]).all()

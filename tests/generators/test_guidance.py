"""Guidance: the equation, on all channels, in its interval, in one pass or two."""

from __future__ import annotations

import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.generators.condition import NONE, Condition
from retinaforge.generators.guidance import Guidance, against, guided_velocity, stacked


class Echo:
    """Answers with what it was asked: the mean word in each channel, plus classes and maps."""

    def __init__(self):
        self.asked = []

    def __call__(self, x, time, condition):
        self.asked.append((len(x), float(time[0]), condition))
        weights = condition.text_mask.float()[..., None]
        words = (condition.text * weights).sum(1) / weights.sum(1)
        out = words[:, : x.shape[1], None, None] + 0 * x
        if condition.classes is not None:
            out = out + condition.classes.sum(1)[:, None, None, None]
        return out if condition.maps is None else out + condition.maps.mean(1, keepdim=True)


def words(rows, tokens, value, width=4):
    text = value + torch.arange(width).float().expand(rows, tokens, width)
    return Condition(text, torch.ones(rows, tokens, dtype=torch.bool))


X = torch.zeros(3, 4, 2, 2)


@pytest.mark.parametrize("doubled", [True, False])
def test_every_channel_is_guided(doubled):
    guide = Guidance(3.0, doubled=doubled)
    null = Condition(torch.tensor([[[1.0, -1.0, 0.5, 2.0]]]), torch.ones(1, 1, dtype=torch.bool))
    velocity = guided_velocity(Echo(), words(3, 5, 10.0), null, guide)
    with_words, without = 10 + torch.arange(4.0), null.text[0, 0]
    expected = without + 3 * (with_words - without)
    assert torch.allclose(velocity(X, 0.5)[1, :, 0, 0], expected)


def test_a_negative_prompt_for_each_image():
    negative = Condition(
        torch.arange(3.0)[:, None, None].expand(3, 1, 4), torch.ones(3, 1, dtype=torch.bool)
    )
    velocity = guided_velocity(Echo(), words(3, 2, 0.0), negative, Guidance(2.0))(X, 0.5)
    assert velocity[:, 0, 0, 0].tolist() == [0.0, -1.0, -2.0]


def test_outside_the_interval_only_the_words_are_asked():
    network = Echo()
    velocity = guided_velocity(
        network, words(3, 2, 1.0), words(1, 1, 0.0), Guidance(4.0, interval=(0.2, 0.8))
    )
    early, middle, late = (velocity(X, time)[0, 0, 0, 0].item() for time in (0.1, 0.5, 0.9))
    assert (early, middle, late) == (1.0, 4.0, 1.0)
    assert [rows for rows, _, _ in network.asked] == [3, 6, 3]


def test_without_guidance_nothing_is_doubled():
    network = Echo()
    velocity = guided_velocity(network, words(3, 2, 1.0), None, Guidance(1.0))
    assert velocity(X, 0.0)[0, 0, 0, 0] == 1
    assert network.asked[0][0] == 3


def test_classes_go_and_maps_stay():
    condition = Condition(
        torch.zeros(2, 3, 4),
        torch.ones(2, 3, dtype=torch.bool),
        torch.tensor([[1, 2], [0, NONE]]),
        torch.rand(2, 1, 2, 2),
    )
    null = against(condition, words(1, 1, 0.0))
    assert null.classes.tolist() == [[NONE, NONE]] * 2
    assert torch.equal(null.maps, condition.maps)
    both = stacked(condition, null)
    assert both.text.shape == (4, 3, 4)
    assert both.text_mask.sum(1).tolist() == [3, 3, 1, 1]
    assert both.classes.tolist() == [[1, 2], [0, NONE], [NONE, NONE], [NONE, NONE]]
    assert both.maps.shape == (4, 1, 2, 2)


def test_padding_of_every_row_is_cut_off():
    network = Echo()
    padded = Condition(torch.ones(3, 40, 4), (torch.arange(40) < 7).expand(3, 40))
    guided_velocity(network, padded, words(1, 1, 0.0), Guidance(2.0))(X, 0.5)
    assert network.asked[0][2].text.shape == (6, 7, 4)


def test_the_state_stays_in_float32_when_words_are_halved():
    condition = words(3, 2, 1.0).to("cpu", torch.bfloat16)
    assert guided_velocity(Echo(), condition, None, Guidance(1.0))(X, 0.5).dtype == torch.float32


@pytest.mark.parametrize(
    "settings", [{"scale": -1.0}, {"scale": float("nan")}, {"interval": (0.8, 0.2)},
                 {"interval": (0.0, 1.5)}],
)  # fmt: skip
def test_refused_settings(settings):
    with pytest.raises(Refusal, match="a guidance of 0 or more in an interval of times"):
        Guidance(**settings)


def test_a_null_of_other_length_is_refused():
    with pytest.raises(Refusal, match="1 or 3 rows to guide away from; got 2"):
        guided_velocity(Echo(), words(3, 2, 1.0), words(2, 1, 0.0))

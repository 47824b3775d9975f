"""Layers that hear words alone are computed once, and nothing changes by it."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import nn

from retinaforge.generators.condition import Condition
from retinaforge.generators.dit import DiT
from retinaforge.generators.guidance import guided_velocity
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.samplers import noise, sample
from retinaforge.generators.samplers_reuse import reusing
from retinaforge.generators.solvers import METHODS, time_grid


class Counting(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x)


def test_a_layer_repeats_itself_for_the_very_tensor():
    layer, x = Counting(), torch.randn(2, 3)
    with torch.no_grad(), reusing(nn.Sequential(layer)):
        answers = [layer(x) for _ in range(5)]
        assert layer.calls == 2
        assert all(torch.equal(answers[0], other) for other in answers)
        assert torch.equal(layer(x.clone()), answers[0])
        assert layer.calls == 3
        layer(x)
        x.add_(1)
        assert not torch.equal(layer(x), answers[0])
    assert "forward" not in vars(layer)
    before = layer.calls
    with torch.no_grad():
        layer(x), layer(x)
    assert layer.calls == before + 2


def test_an_answer_that_was_changed_in_place_is_computed_again():
    layer, x = Counting(), torch.randn(2, 3)
    with torch.no_grad(), reusing(nn.Sequential(layer)):
        right = layer(x).clone()
        for _ in range(4):
            answer = layer(x)
            assert torch.equal(answer, right)
            answer[0].mul_(2)


def test_under_inference_mode_nothing_is_repeated():
    layer = Counting()
    with torch.inference_mode(), reusing(nn.Sequential(layer)):
        x = torch.randn(2, 3)
        layer(x), layer(x), layer(x)
    assert layer.calls == 3


def test_what_is_seen_once_is_not_kept():
    layer = nn.Linear(3, 3)
    with torch.no_grad(), reusing(nn.Sequential(layer)):
        x = torch.randn(1, 3)
        gone = weakref.ref(layer(x))
        assert gone() is None
        layer(x)
        kept = weakref.ref(layer(x))
        assert kept() is not None


def test_with_gradients_nothing_is_repeated():
    layer, x = Counting(), torch.randn(2, 3)
    with reusing(nn.Sequential(layer)):
        layer(x), layer(x), layer(x)
    assert layer.calls == 3


SHAPE = NetworkShape(latent_channels=4, patch=2, text_width=16)


def network_of(kind):
    torch.manual_seed(0)
    if kind == "lumina":
        from retinaforge.generators.lumina import Lumina

        sizes = {"width": 32, "depth": 2, "heads": 2, "kv_heads": 1, "multiple_of": 16}
        network = Lumina(SHAPE, side=8, **sizes)
    else:
        network = DiT(SHAPE, width=32, depth=2, heads=2)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return network.eval()


def asked():
    lengths = torch.tensor([3, 12, 7, 1, 9])
    condition = Condition(torch.randn(5, 12, 16), torch.arange(12)[None] < lengths[:, None])
    return condition, Condition(torch.randn(1, 2, 16), torch.ones(1, 2, dtype=torch.bool))


@pytest.mark.parametrize("kind", ["dit", "lumina"])
def test_real_networks_sample_the_same_to_the_bit_and_in_any_batch(kind):
    network = network_of(kind)
    condition, null = asked()
    settings = {"shape": (8, 8), "steps": 20, "null": null}
    ours = sample(network, condition, seeds=range(5), **settings)
    with torch.no_grad():
        velocity = guided_velocity(network, condition, null)
        *_, theirs = METHODS["euler"](velocity, noise(range(5), (4, 8, 8)), time_grid(20))
    assert torch.equal(ours, theirs)
    assert ours.std() > 0.5
    for batch in (1, 2):
        parts = sample(network, condition, seeds=range(5), batch=batch, **settings)
        assert (parts - ours).abs().max() < 1e-5 * ours.abs().max(), batch

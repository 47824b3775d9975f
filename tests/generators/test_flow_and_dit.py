"""The flow, the plain transformer and their training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.generators.condition import NONE, Condition
from retinaforge.generators.dit import DiT, from_tokens, to_tokens
from retinaforge.generators.flow import FlowConfig, draw_times, flow_errors, on_path, shift_time
from retinaforge.generators.network import NetworkShape
from retinaforge.nets.dit import picture_positions
from retinaforge.training.generator import (
    FlowMatching,
    GeneratorBatch,
    GeneratorConfig,
    GeneratorDraw,
    flow_inputs,
    train_generator,
)

SHAPE = NetworkShape(latent_channels=4, patch=2, text_width=8, class_sizes=(2, 5))


def words(batch: int, length: int = 5, *, seed: int = 0) -> Condition:
    rng = torch.Generator().manual_seed(seed)
    mask = torch.ones(batch, length, dtype=torch.bool)
    classes = torch.zeros(batch, 2, dtype=torch.long)
    return Condition(torch.randn(batch, length, 8, generator=rng), mask, classes)


def null() -> Condition:
    return Condition(torch.zeros(1, 1, 8), torch.ones(1, 1, dtype=torch.bool))


def network(**more: object) -> DiT:
    torch.manual_seed(0)
    made = DiT(SHAPE, width=32, depth=2, heads=2, **more)
    # At its start the network gives zero everywhere; these tests need it to say something.
    for name, p in made.named_parameters():
        if "out" in name or "last_modulation" in name:
            torch.nn.init.normal_(p, std=0.1)
    return made


def test_path_begins_at_noise_and_ends_at_data_with_constant_velocity():
    noise, data = torch.randn(2, 3, 4, 4, 4).unbind(0)
    assert torch.equal(on_path(noise, data, torch.zeros(3)), noise)
    assert torch.equal(on_path(noise, data, torch.ones(3)), data)
    half = on_path(noise, data, torch.full((3,), 0.5))
    step = on_path(noise, data, torch.full((3,), 0.75)) - half
    assert torch.allclose(step, 0.25 * (data - noise), atol=1e-6)
    assert torch.equal(flow_errors(data - noise, noise, data), torch.zeros(3))


def test_shift_keeps_ends_and_halves_as_the_paper_says():
    t = torch.tensor([0.0, 0.5, 1.0])
    assert torch.allclose(shift_time(t, 3.0), torch.tensor([0.0, 0.25, 1.0]))


def test_logit_normal_times_have_the_logistic_of_a_normal_as_quantiles():
    t = draw_times(FlowConfig(), 20_000, torch.Generator().manual_seed(1))
    quantiles = torch.quantile(t, torch.tensor([0.1587, 0.5, 0.8413]))
    assert torch.allclose(quantiles, torch.sigmoid(torch.tensor([-1.0, 0.0, 1.0])), atol=0.01)


def test_uniform_times_are_uniform():
    t = draw_times(FlowConfig(times="uniform"), 20_000, torch.Generator().manual_seed(1))
    assert abs(float(t.mean()) - 0.5) < 0.01
    assert abs(float(t.std()) - 12**-0.5) < 0.01


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"times": "cosine"}, "expected times logit-normal or uniform; got 'cosine'"),
        ({"drop": 1.5}, "expected a share from 0 to 1 for drop; got 1.5"),
        ({"shift": 0.0}, "expected a number above 0 for shift; got 0.0"),
    ],
)
def test_flow_refuses(wrong, message):
    with pytest.raises(Refusal, match=message):
        FlowConfig(**wrong)


def test_tokens_go_back_where_they_came_from():
    x = torch.randn(2, 4, 6, 8)
    assert torch.equal(from_tokens(to_tokens(x, 2), 3, 4, 2), x)


def test_positions_of_a_finer_grid_lie_between_those_of_the_coarser():
    coarse = picture_positions(32, 8, 8).view(8, 8, 32)
    fine = picture_positions(32, 24, 24).view(24, 24, 32)
    # The middle one of three fine tokens lies where the coarse one lies.
    assert torch.allclose(fine[1::3, 1::3], coarse, atol=1e-5)


def test_words_classes_and_time_reach_the_velocity():
    net, x, t = network(), torch.randn(2, 4, 8, 8), torch.full((2,), 0.3)
    asked = words(2)
    base = net(x, t, asked)
    assert base.shape == x.shape
    assert not torch.allclose(base, net(x, t + 0.2, asked), atol=1e-4)
    assert not torch.allclose(base, net(x, t, words(2, seed=1)), atol=1e-4)
    other = Condition(asked.text, asked.text_mask, torch.tensor([[1, 0], [0, NONE]]))
    assert not torch.allclose(base[0], net(x, t, other)[0], atol=1e-4)
    assert not torch.allclose(base[1], net(x, t, other)[1], atol=1e-4)


def test_padding_and_neighbours_in_the_batch_change_nothing():
    net, x, t = network().eval(), torch.randn(3, 4, 8, 6), torch.tensor([0.1, 0.5, 0.9])
    asked = words(3)
    padded = Condition(
        torch.cat([asked.text, torch.full((3, 4, 8), 7.0)], 1),
        torch.cat([asked.text_mask, torch.zeros(3, 4, dtype=torch.bool)], 1),
        asked.classes,
    )
    whole = net(x, t, asked)
    assert torch.allclose(whole, net(x, t, padded), atol=1e-5)
    assert torch.allclose(whole[1:2], net(x[1:2], t[1:2], asked.take(slice(1, 2))), atol=1e-5)


def test_dropped_rows_become_the_null_condition():
    asked, rows = words(3), torch.tensor([True, False, True])
    dropped = asked.without_words(null(), rows)
    assert torch.equal(dropped.text_mask.sum(1), torch.tensor([1, 5, 1]))
    assert torch.equal(dropped.text[1], asked.text[1])
    assert dropped.classes is not None
    assert dropped.classes[:, 0].tolist() == [NONE, 0, NONE]


def test_recomputed_activations_give_the_same_gradient():
    x, t = torch.randn(2, 4, 8, 8), torch.tensor([0.2, 0.7])
    gradients = []
    for recompute in (False, True):
        net = network(recompute=recompute).train()
        net(x, t, words(2)).square().mean().backward()
        gradients.append(net.blocks[0].rise.weight.grad)
    assert torch.allclose(*gradients, atol=1e-7)


@pytest.mark.parametrize(
    ("latent", "message"),
    [((1, 4, 7, 8), "expected a latent whose sides are multiples of 2; got 7 x 8")],
)
def test_transformer_refuses_a_latent_that_its_patch_does_not_divide(latent, message):
    with pytest.raises(Refusal, match=message):
        network()(torch.randn(latent), torch.zeros(1), words(1))


def test_transformer_refuses_to_draw_without_its_maps():
    shape = NetworkShape(latent_channels=4, patch=2, text_width=8, map_channels=1)
    with pytest.raises(Refusal, match="got a condition without maps"):
        DiT(shape, width=32, depth=1, heads=2)(torch.randn(1, 4, 8, 8), torch.zeros(1), words(1))


def test_transformer_refuses_heads_that_do_not_divide_its_width():
    with pytest.raises(Refusal, match="got width 32, 3 heads"):
        DiT(SHAPE, width=32, depth=1, heads=3)


def draw(index: int) -> GeneratorBatch:
    """Two pictures: words of one kind ask for +1, of the other for -1."""
    rng = torch.Generator().manual_seed(index)
    sign = torch.randint(0, 2, (16,), generator=rng) * 2.0 - 1
    text = sign[:, None, None] * torch.ones(16, 2, 8)
    latents = sign[:, None, None, None] * torch.ones(16, 4, 4, 4)
    return GeneratorBatch(latents, Condition(text, torch.ones(16, 2, dtype=torch.bool)))


def taught(folder: Path, steps: int, batches: GeneratorDraw = draw) -> FlowMatching:
    torch.manual_seed(0)
    shape = NetworkShape(latent_channels=4, patch=2, text_width=8)
    method = FlowMatching(DiT(shape, width=32, depth=1, heads=2), null(), FlowConfig(), decay=0.9)
    config = GeneratorConfig(
        steps=steps, learning_rate=3e-3, warmup_steps=5, checkpoint_every=20, log_every=20,
        precision="fp32", device="cpu",
    )  # fmt: skip
    train_generator(method, batches, config, folder)
    return method


def test_training_learns_what_the_words_ask_for(tmp_path):
    network = taught(tmp_path, 300).averaged_network()
    text = torch.tensor([1.0, -1.0])[:, None, None] * torch.ones(2, 2, 8)
    asked = Condition(text, torch.ones(2, 2, dtype=torch.bool))
    x, n = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(5)), 20
    with torch.no_grad():
        for i in range(n):
            x = x + network(x, torch.full((2,), i / n), asked) / n
    assert float(x[0].mean()) > 0.7
    assert float(x[1].mean()) < -0.7


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path):
    whole = taught(tmp_path / "whole", 60).encoder_weights()

    class Killed(Exception):
        pass

    def dying(index: int) -> GeneratorBatch:
        if index == 33:
            raise Killed
        return draw(index)

    with pytest.raises(Killed):
        taught(tmp_path / "cut", 60, dying)
    again = taught(tmp_path / "cut", 60).encoder_weights()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_chance_comes_from_the_batch_number_alone():
    a, b = (flow_inputs(draw, FlowConfig(), 3)(7) for _ in range(2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    other = flow_inputs(draw, FlowConfig(), 3)(8)
    assert not torch.equal(a["noise"], other["noise"])


def test_training_refuses_conditions_that_do_not_fit_the_latents():
    def wrong(index: int) -> GeneratorBatch:
        return GeneratorBatch(torch.zeros(2, 4, 4, 4), words(3))

    with pytest.raises(Refusal, match="got 3 conditions for 2 latents"):
        flow_inputs(wrong, FlowConfig(), 0)(0)

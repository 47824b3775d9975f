"""Lumina-Next's transformer as a velocity network: equal to diffusers, and what we add."""

import math

import pytest
import torch
from lumina_toys import WIDTH, tiny_lumina

from retinaforge.core import Refusal
from retinaforge.generators.condition import NONE, Condition
from retinaforge.generators.lumina import Lumina
from retinaforge.generators.lumina_rope import Rope, rotary_grid
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.presets import PRESETS, build_network, network_from_config


def words(batch: int = 2, tokens: int = 7, seed: int = 0) -> Condition:
    rng = torch.Generator().manual_seed(seed)
    mask = torch.ones(batch, tokens, dtype=torch.bool)
    mask[-1, tokens // 2 :] = False
    return Condition(torch.randn(batch, tokens, WIDTH, generator=rng), mask)


def noisy(rows: int, columns: int, batch: int = 2, channels: int = 4) -> torch.Tensor:
    return torch.randn(batch, channels, rows, columns, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (12, 16), (6, 4)])
def test_equal_to_diffusers_own_forward(rows: int, columns: int) -> None:
    from diffusers import LuminaNextDiT2DModel
    from diffusers.models.embeddings import get_2d_rotary_pos_embed_lumina

    network = tiny_lumina()
    network.extrapolate = "always"
    plain = {k: v for k, v in network.inner.config.items() if not k.startswith("_")}
    theirs = LuminaNextDiT2DModel(**plain).eval()
    theirs.load_state_dict(network.inner.state_dict())
    x, time, said = noisy(rows, columns), torch.full((2,), 0.4), words()
    factor = math.sqrt(rows * columns / 64)
    rotary = get_2d_rotary_pos_embed_lumina(24, 384, 384, linear_factor=factor)
    with torch.no_grad():
        wanted = theirs(
            x, time, said.text, said.text_mask, rotary,
            cross_attention_kwargs={"base_sequence_length": 16}, return_dict=False,
        )[0].chunk(2, dim=1)[0]  # fmt: skip
        torch.testing.assert_close(network(x, time, said), wanted, rtol=0, atol=1e-5)


def test_positions_are_those_of_diffusers_grid() -> None:
    from diffusers.models.embeddings import get_2d_rotary_pos_embed_lumina

    wanted = get_2d_rotary_pos_embed_lumina(24, 384, 384, linear_factor=1.7, ntk_factor=1.3)
    ours = rotary_grid(24, 5, 9, linear=1.7, ntk=1.3)
    assert torch.equal(ours, wanted[:5, :9].flatten(0, 1))


def test_positions_follow_the_time_row_by_row() -> None:
    rope = Rope(24, watershed=0.3)
    found = rope(4, 4, 2.0, torch.tensor([0.1, 0.9]))
    assert torch.equal(found[0], rotary_grid(24, 4, 4, linear=2.0))
    assert torch.equal(found[1], rotary_grid(24, 4, 4, ntk=2.0))
    assert rope(4, 4, 1.0, torch.tensor([0.1, 0.9])).shape[0] == 1


def test_a_larger_latent_is_scaled_outside_training_only() -> None:
    network = tiny_lumina()
    assert network._factor(8, 8) == 2.0
    assert network._factor(2, 2) == 1.0
    assert network.train()._factor(8, 8) == 1.0
    network.eval().extrapolate = "never"
    assert network._factor(8, 8) == 1.0


def test_a_new_network_starts_at_velocity_0_and_learns() -> None:
    torch.manual_seed(0)
    network = Lumina(
        NetworkShape(latent_channels=4, patch=2, text_width=WIDTH),
        side=8, width=96, depth=2, heads=4, kv_heads=2, multiple_of=32,
    )  # fmt: skip
    x, time, said = noisy(8, 8), torch.tensor([0.2, 0.8]), words()
    assert not network(x, time, said).any()
    assert not network.inner.pad_token.requires_grad
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], 1e-2)
    target, losses = noisy(8, 8) * 0.5, []
    for _ in range(8):
        loss = (network(x, time, said) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_padding_of_the_words_changes_nothing() -> None:
    network, said = tiny_lumina(), words()
    longer = Condition(
        torch.nn.functional.pad(said.text, (0, 0, 0, 5)),
        torch.nn.functional.pad(said.text_mask, (0, 5)),
    )
    x, time = noisy(8, 4), torch.tensor([0.1, 0.6])
    with torch.no_grad():
        torch.testing.assert_close(
            network(x, time, longer), network(x, time, said), rtol=1e-4, atol=1e-5
        )


def test_classes_and_maps_are_heard_and_may_be_missing() -> None:
    network = tiny_lumina(class_sizes=(2, 5), map_channels=3)
    x, time, maps = noisy(8, 8), torch.tensor([0.1, 0.6]), noisy(8, 8, channels=3)
    plain = words()

    def ask(classes: torch.Tensor | None, maps: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return network(x, time, Condition(plain.text, plain.text_mask, classes, maps))

    none = torch.full((2, 2), NONE)
    assert torch.equal(ask(none, maps), ask(None, maps))
    left = ask(torch.tensor([[0, 4], [NONE, NONE]]), maps)
    assert not torch.allclose(left[0], ask(None, maps)[0], atol=1e-3)
    torch.testing.assert_close(left[1], ask(None, maps)[1], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(ask(None, maps), ask(None, -maps), atol=1e-3)
    with pytest.raises(Refusal, match="3 map channels beside the latent"):
        network(x, time, plain)


def test_recomputed_gradients_are_the_same() -> None:
    x, time, said = noisy(8, 8), torch.tensor([0.2, 0.8]), words()
    found = []
    for recompute in (False, True):
        network = tiny_lumina().train()
        network.recompute = recompute
        network(x, time, said).square().mean().backward()
        found.append({n: p.grad for n, p in network.named_parameters() if p.grad is not None})
    # Every weight that learns is used: DDP waits for a gradient of each.
    learnt = {name for name, p in network.named_parameters() if p.requires_grad}
    assert found[0].keys() == found[1].keys() == learnt
    for name, grad in found[0].items():
        torch.testing.assert_close(found[1][name], grad)


def test_half_precision_stays_near() -> None:
    network, said = tiny_lumina(), words()
    x, time = noisy(8, 8), torch.tensor([0.2, 0.8])
    with torch.no_grad():
        wanted = network(x, time, said)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(x, time, said)
        halved = network.to(torch.bfloat16)(x, time, said)
    for each in (found, halved):
        assert (each.float() - wanted).abs().mean() < 0.05 * wanted.abs().mean()
    assert halved.dtype == torch.float32  # as x came


def test_presets_have_the_sizes_they_state() -> None:
    for name, plan in PRESETS.items():
        shape = NetworkShape(latent_channels=4, patch=2, text_width=plan.text_width)
        with torch.device("meta"):
            network = build_network(name, shape)
            again = network_from_config(network.as_dict())
        counts = [sum(p.numel() for p in each.parameters()) for each in (network, again)]
        assert counts[0] == counts[1]
        assert round(counts[0] / 1e6, 1) == plan.parameters
        assert again.as_dict() == network.as_dict()
    sizes = [plan.parameters for plan in PRESETS.values()]
    assert min(sizes) < 2.1
    assert max(sizes) > 2000


def test_the_largest_lumina_is_the_published_one() -> None:
    from diffusers import LuminaNextDiT2DModel

    shape = NetworkShape(latent_channels=4, patch=2, text_width=2048)
    with torch.device("meta"):
        ours = build_network("lumina-2b", shape, side=128)
        theirs = LuminaNextDiT2DModel(
            sample_size=128, hidden_size=2304, num_layers=24, num_attention_heads=32,
            num_kv_heads=8, multiple_of=256, cross_attention_dim=2048,
        )  # fmt: skip
    sizes = [
        {name: value for name, value in each.config.items() if not name.startswith("_")}
        for each in (ours.inner, theirs)
    ]
    assert sizes[0] == sizes[1]
    ours, theirs = (
        {name: value.shape for name, value in each.state_dict().items()}
        for each in (ours.inner, theirs)
    )
    assert ours == theirs


def test_what_does_not_fit_is_refused() -> None:
    shape = NetworkShape(latent_channels=4, patch=2, text_width=WIDTH)
    with pytest.raises(Refusal, match=r"a preset of dit-2m, .*; got 'huge'"):
        build_network("huge", shape)
    with pytest.raises(Refusal, match="multiples of 2; got 7 x 8"):
        tiny_lumina()(noisy(7, 8), torch.zeros(2), words())
    with pytest.raises(Refusal, match="four times the number of heads"):
        Lumina(shape, side=8, width=90, heads=4)
    with pytest.raises(Refusal, match="a network of class DiT or Lumina; got 'UNet'"):
        network_from_config({"class": "UNet"})
    with pytest.raises(Refusal, match=r"what DiT.as_dict wrote"):
        network_from_config({"class": "DiT", "shape": shape.as_dict(), "depht": 3})

"""Between two draws: on the sphere for noise, on a line for velocities, exact at both ends."""

from __future__ import annotations

import torch

from retinaforge.generators.condition import Condition
from retinaforge.generators.dit import DiT
from retinaforge.generators.guidance import Guidance
from retinaforge.generators.interpolation import spherical
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.samplers import noise, sample

SHAPE = (4, 16, 16)


def test_the_great_circle_keeps_the_length_and_ends_exactly():
    one, other = noise([0], SHAPE).expand(5, -1, -1, -1), noise([1], SHAPE).expand(5, -1, -1, -1)
    shares = torch.linspace(0, 1, 5)
    found = spherical(one, other, shares)
    assert torch.equal(found[0], one[0])
    assert torch.equal(found[-1], other[0])
    lengths = found.flatten(1).norm(dim=1)
    assert lengths.min() > 0.97 * min(lengths[0], lengths[-1])
    straight = torch.lerp(one, other, shares[:, None, None, None]).flatten(1).norm(dim=1)
    assert straight[2] < 0.8 * lengths[2]
    angles = torch.nn.functional.cosine_similarity(found[:-1].flatten(1), found[1:].flatten(1))
    assert angles.acos().std() < 1e-2


def test_the_same_noise_at_both_ends_stays():
    one = noise([3, 4], SHAPE)
    torch.testing.assert_close(spherical(one, one, torch.tensor([0.3, 1.0])), one)


def network():
    torch.manual_seed(0)
    made = DiT(NetworkShape(latent_channels=4, patch=2, text_width=8), width=32, depth=1, heads=2)
    for weight in made.parameters():  # a new network gives no velocity at all
        torch.nn.init.normal_(weight, std=0.2)
    return made


def words(seed, tokens, rows=3):
    text = torch.randn(1, tokens, 8, generator=torch.Generator().manual_seed(seed))
    return Condition(text.expand(rows, -1, -1), torch.ones(rows, tokens, dtype=torch.bool))


def test_captions_of_different_lengths_meet_in_the_middle_and_are_exact_at_the_ends():
    net, null = network(), words(9, 2, 1)
    how = {"shape": (8, 8), "seeds": [5, 5, 5], "steps": 4, "guidance": Guidance(2.0), "null": null}
    shares = torch.tensor([0.0, 0.5, 1.0])
    found = sample(net, words(1, 3), toward=(words(2, 6), shares), **how)
    one, other = sample(net, words(1, 3), **how), sample(net, words(2, 6), **how)
    torch.testing.assert_close(found[0], one[0])
    torch.testing.assert_close(found[2], other[2])
    far = (one[0] - other[0]).norm()
    assert far > 0.1
    assert (found[1] - one[1]).norm() < 0.8 * far
    assert (found[1] - other[1]).norm() < 0.8 * far


def test_batches_take_their_own_part_of_noise_and_shares():
    net, shares = network(), torch.tensor([0.0, 0.4, 1.0])
    start = noise([7, 8, 9], (4, 8, 8))
    how = {"shape": (8, 8), "seeds": [0, 0, 0], "steps": 2, "guidance": 1.0, "start": start,
           "toward": (words(2, 6), shares)}  # fmt: skip
    whole, cut = (sample(net, words(1, 3), batch=size, **how) for size in (3, 1))
    torch.testing.assert_close(whole, cut, rtol=1e-4, atol=1e-5)
    assert (whole[0] - whole[1]).abs().max() > 0.1

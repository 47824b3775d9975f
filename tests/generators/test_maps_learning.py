"""A small network that is taught masks draws what the mask asks for, and not another's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from retinaforge.generators.condition import Condition
from retinaforge.generators.dit import DiT
from retinaforge.generators.flow import FlowConfig, draw_times, flow_errors, on_path
from retinaforge.generators.maps import MapPlan, drop_maps
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.samplers import sample

SIDE, PLAN = 32, MapPlan(("vessel",), 2)


def lines(count, rng):
    """Return masks of three straight lines, two pixels wide."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    angle = torch.rand(count, 3, 1, 1, generator=rng) * 3.1416
    offset = (torch.rand(count, 3, 1, 1, generator=rng) - 0.5) * SIDE * 0.7
    across = (columns - SIDE / 2) * angle.cos() + (rows - SIDE / 2) * angle.sin() - offset
    return (across.abs() < 1).any(1, keepdim=True).float()


def latents_of(masks, rng):
    """Return dark vessels on a ground of any brightness, at half the side."""
    ground = 2 * torch.rand(len(masks), 1, 1, 1, generator=rng) - 0.5
    return F.avg_pool2d(ground - 2 * masks, 2)


def condition(maps):
    text = torch.zeros(len(maps), 1, 4)
    return Condition(text, torch.ones(len(maps), 1, dtype=torch.bool), None, maps)


def dice(found, asked):
    return float(2 * (found & asked).sum() / (found.sum() + asked.sum()))


@pytest.mark.slow
def test_masks_are_followed():
    rng = torch.Generator().manual_seed(3)
    torch.manual_seed(3)
    shape = NetworkShape(latent_channels=1, patch=2, text_width=4, map_channels=PLAN.channels)
    network = DiT(shape, width=64, depth=2, heads=2)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(250):
        masks = lines(32, rng)
        data = latents_of(masks, rng)
        noise = torch.randn(data.shape, generator=rng)
        time = draw_times(FlowConfig(), 32, rng)
        maps = drop_maps(PLAN.encode(masks), torch.rand(32, generator=rng) < 0.1)
        velocity = network(on_path(noise, data, time), time, condition(maps))
        optimiser.zero_grad()
        flow_errors(velocity, noise, data).mean().backward()
        optimiser.step()
    masks = lines(12, rng)
    how = {"shape": (16, 16), "seeds": range(12), "guidance": 1.0, "steps": 12, "method": "adams"}
    drawn = sample(network, condition(PLAN.encode(masks)), **how)
    asked = F.avg_pool2d(masks, 2)[:, 0] >= 0.5
    found = drawn[:, 0] < drawn.flatten(1).median(1).values[:, None, None] - 1
    table = torch.tensor([[dice(one, other) for other in asked] for one in found])
    own = table.diagonal()
    assert own.mean() > 0.8, table
    assert (table.argmax(1) == torch.arange(12)).all(), table
    assert own.mean() > 3 * (table.sum() - own.sum()) / (12 * 11), table

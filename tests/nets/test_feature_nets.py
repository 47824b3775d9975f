"""Frozen networks: published key layouts, shapes, closed forms."""

from __future__ import annotations

import pytest
import torch

from retinaforge.nets.alexnet import LPIPS_BLOCKS as ALEX_BLOCKS
from retinaforge.nets.alexnet import AlexNet
from retinaforge.nets.squeezenet import SqueezeNet
from retinaforge.nets.vgg import LPIPS_BLOCKS as VGG_BLOCKS
from retinaforge.nets.vgg import VGG16
from retinaforge.nets.vit import (
    VisionTransformer,
    VitShape,
    initialise,
    resize_positions,
    sine_positions,
)

IMAGE = torch.zeros(1, 3, 96, 96)


def _convolutions(network: torch.nn.Module) -> list[int]:
    keys = network.state_dict()
    return [int(key.split(".")[1]) for key in keys if key.endswith(".weight")]


def test_vgg16_has_torchvisions_keys_and_lpips_widths():
    network = VGG16()
    assert _convolutions(network) == [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    widths = [maps.shape[1] for maps in network(IMAGE, VGG_BLOCKS)]
    assert widths == [64, 128, 256, 512, 512]
    assert sum(p.numel() for p in network.parameters()) == 14_714_688


def test_alexnet_has_torchvisions_keys_and_lpips_widths():
    network = AlexNet()
    assert _convolutions(network) == [0, 3, 6, 8, 10]
    assert [maps.shape[1] for maps in network(IMAGE, ALEX_BLOCKS)] == [64, 192, 384, 256, 256]
    assert sum(p.numel() for p in network.parameters()) == 2_469_696


@pytest.mark.parametrize(
    ("version", "stem", "parameters", "fires"),
    [
        ("1.0", 96, 735_424, [3, 4, 5, 7, 8, 9, 10, 12]),
        ("1.1", 64, 722_496, [3, 4, 6, 7, 9, 10, 11, 12]),
    ],
)
def test_squeezenet_has_torchvisions_keys_and_lpips_widths(version, stem, parameters, fires):
    network = SqueezeNet(version)
    squeezes = [int(k.split(".")[1]) for k in network.state_dict() if k.endswith("squeeze.weight")]
    assert squeezes == fires
    widths = [maps.shape[1] for maps in network(IMAGE)]
    assert widths == [stem, 128, 256, 384, 384, 512, 512]
    assert sum(p.numel() for p in network.parameters()) == parameters


SHAPE = VitShape(width=64, depth=3, heads=2, patch_px=8, input_px=32)


def test_vit_has_maes_keys_and_gives_tokens_at_the_asked_blocks():
    network = initialise(VisionTransformer(SHAPE), seed=0)
    keys = set(network.state_dict())
    assert {"cls_token", "pos_embed", "patch_embed.proj.weight", "norm.bias"} <= keys
    parts = ("norm1.weight", "attn.qkv.bias", "attn.proj.weight", "norm2.bias", "mlp.fc1.weight",
             "mlp.fc2.bias")  # fmt: skip
    assert {f"blocks.2.{part}" for part in parts} <= keys
    output = network(torch.randn(2, 3, 32, 32), (1, 3))
    assert [tokens.shape for tokens in output.tokens] == [(2, 16, 64)] * 2
    assert output.class_token.shape == output.embedding.shape == (2, 64)
    normed = output.class_token
    torch.testing.assert_close(normed.mean(1), torch.zeros(2), rtol=0, atol=1e-5)


def test_vit_without_blocks_weights_passes_its_patches_through():
    """With zero output projections each block is the identity on the residual stream."""
    network = initialise(VisionTransformer(SHAPE), seed=0)
    with torch.no_grad():
        for block in network.blocks:
            block.attn.proj.weight.zero_()
            block.mlp.fc2.weight.zero_()
    images = torch.randn(1, 3, 32, 32)
    (tokens,) = network(images, (3,)).tokens
    patches = network.patch_embed(images).flatten(2).transpose(1, 2) + network.pos_embed[:, 1:]
    torch.testing.assert_close(tokens, patches)


def test_initialisation_depends_on_the_seed_alone():
    torch.manual_seed(1)
    one = initialise(VisionTransformer(SHAPE), seed=5).state_dict()
    torch.manual_seed(2)
    two = initialise(VisionTransformer(SHAPE), seed=5).state_dict()
    other = initialise(VisionTransformer(SHAPE), seed=6).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["blocks.0.mlp.fc1.weight"], other["blocks.0.mlp.fc1.weight"])


def test_positions_of_the_same_grid_stay_and_a_ramp_stays_a_ramp():
    embedding = torch.randn(1, 17, 8)
    assert resize_positions(embedding, 4, 4) is embedding
    ramp = torch.arange(8.0).repeat(8, 1).reshape(1, 64, 1)
    resized = resize_positions(torch.cat([torch.full((1, 1, 1), 9.0), ramp], 1), 16, 16)
    assert resized[0, 0, 0] == 9
    row = resized[0, 1:, 0].reshape(16, 16)[8]
    # Twice as fine: two steps of the new grid are one of the old, wherever the kernel is whole.
    torch.testing.assert_close(row[6:-4] - row[4:-6], torch.ones(6))


def test_sine_positions_start_at_the_known_values():
    table = sine_positions(8, 3)
    torch.testing.assert_close(table[0], torch.tensor([0, 0, 1, 1, 0, 0, 1, 1.0]))
    one = torch.tensor(1.0)
    assert table[1, 0] == torch.sin(one)
    assert table[3, 4] == torch.sin(one)

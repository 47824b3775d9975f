"""Batches, a tiny decoder and offline encoders for the loss tests."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from retinaforge.encoders import Encoder, MapEncoder
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.encoder import TokenEncoder, imagenet
from retinaforge.nets.squeezenet import LPIPS_BLOCKS, SqueezeNet
from retinaforge.nets.vit import VisionTransformer, VitShape, initialise

SIDE_PX = 176


def _card(name: str) -> EncoderCard:
    return EncoderCard(
        name=name,
        network="test",
        licence="none",
        fingerprint_sha256="0",
        training_data="none",
        domain="none (random)",
        preprocessing="test",
        key_report="no file",
        reference="test",
    )


@pytest.fixture(scope="session")
def encoders() -> dict[str, Encoder]:
    """Return a convolutional encoder with heads of ones and a small transformer, both random."""
    torch.manual_seed(0)
    maps = MapEncoder(
        _card("random squeezenet"),
        SqueezeNet("1.1"),
        preprocess=imagenet(),
        blocks=LPIPS_BLOCKS["1.1"],
        input_px=None,
    )
    widths = (64, 128, 256, 384, 384, 512, 512)
    for i, width in enumerate(widths):
        maps.register_buffer(f"head_{i}", torch.ones(1, width, 1, 1), persistent=False)
    maps.heads_count = len(widths)
    shape = VitShape(width=64, depth=4, heads=1, patch_px=16, input_px=64)
    vit = initialise(VisionTransformer(shape), seed=0)
    tokens = TokenEncoder(
        _card("random vit"), vit, preprocess=imagenet(), blocks=(1, 2, 3, 4), input_px=64
    )
    return {"cnn": maps, "vit": tokens}


@pytest.fixture
def batch() -> SimpleNamespace:
    """Return two smooth images, a changed copy, and round fields of view of two sizes."""
    rng = torch.Generator().manual_seed(1)

    def smooth(amount: float) -> Tensor:
        coarse = torch.randn(2, 3, 22, 22, generator=rng) * amount
        return nn.functional.interpolate(coarse, (SIDE_PX, SIDE_PX), mode="bicubic")

    target = smooth(0.4).clamp(-1, 1)
    reconstruction = (target + smooth(0.1)).clamp(-1, 1)
    axis = torch.arange(SIDE_PX) - (SIDE_PX - 1) / 2
    radius = (axis[:, None].square() + axis.square()).sqrt()
    fov = torch.stack([radius < 80, radius < 60])[:, None].float()
    return SimpleNamespace(reconstruction=reconstruction, target=target, fov=fov)


@pytest.fixture
def decoder() -> nn.Conv2d:
    """Return the last layer of a decoder: near the identity, so images stay images."""
    torch.manual_seed(2)
    layer = nn.Conv2d(3, 3, 3, padding=1)
    nn.init.dirac_(layer.weight)
    with torch.no_grad():
        layer.weight += 0.02 * torch.randn_like(layer.weight)
    return layer

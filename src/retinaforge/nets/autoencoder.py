"""A lean convolutional encoder and decoder: space-to-depth in, depth-to-space out.

The first halving is a rearrangement, not a convolution, so that no layer works at full
resolution: a convolution there costs four times one below it and is what makes VQ-GANs slow
on CPUs. Normalisation takes one group, the only fast form in bf16 and channels-last.

References:
    Esser, Rombach, Ommer 2021, arXiv 2012.09841 (the autoencoder that this slims down).
    Shi et al. 2016, arXiv 1609.05158 (sub-pixel convolution).
    Aitken et al. 2017, arXiv 1707.02937 (its start without checkerboard).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """Add conv(silu(norm(conv(silu(norm(x)))))) to x; the identity at the start."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(1, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(1, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Return x plus what the two convolutions add."""
        y = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(y)))


class SelfAttention(nn.Module):
    """Let all places of the coarsest grid see each other, with one head; the identity at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Return x plus softmax(q k / sqrt(c)) v."""
        q, k, v = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=2)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(1, 2).reshape(x.shape))


class Encoder(nn.Module):
    """Turn an image into a latent, halving once per width.

    Args:
        widths: channels at 1/2, 1/4, ... of the image's side.
        out_channels: channels of the latent.
        blocks: residual blocks at each resolution.
        attention: self-attention at the coarsest grid.
    """

    def __init__(
        self, widths: tuple[int, ...], out_channels: int, *, blocks: int, attention: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in widths:
            layers += [nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, width, 3, padding=1)]
            layers += [ResidualBlock(width) for _ in range(blocks)]
            channels = width
        if attention:
            layers.append(SelfAttention(channels))
        layers += [nn.GroupNorm(1, channels), nn.SiLU(), nn.Conv2d(channels, out_channels, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Return the latent."""
        return self.layers(images.contiguous(memory_format=torch.channels_last))


class Decoder(nn.Module):
    """Turn a latent into an image, doubling once per width, the last time by rearrangement.

    Args: as for Encoder, with `in_channels` of the latent.
    """

    def __init__(
        self, widths: tuple[int, ...], in_channels: int, *, blocks: int, attention: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(in_channels, widths[-1], 3, padding=1)]
        if attention:
            layers.append(SelfAttention(widths[-1]))
        for i in reversed(range(len(widths))):
            layers += [ResidualBlock(widths[i]) for _ in range(blocks)]
            if i > 0:
                layers += [_sub_pixel(widths[i], widths[i - 1]), nn.PixelShuffle(2)]
        layers += [nn.GroupNorm(1, widths[0]), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        self.last = _sub_pixel(widths[0], 3)

    def forward(
        self, latent: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the image, not clipped."""
        x = self.body(latent.contiguous(memory_format=torch.channels_last))
        return F.pixel_shuffle(self.last(x), 2)


def _sub_pixel(narrow: int, wide: int) -> nn.Conv2d:
    """Return a convolution to 4 x `wide` channels whose four sub-pixels start equal."""
    conv = nn.Conv2d(narrow, 4 * wide, 3, padding=1)
    with torch.no_grad():
        conv.weight.copy_(conv.weight[::4].repeat_interleave(4, dim=0))
        conv.bias.zero_()
    return conv

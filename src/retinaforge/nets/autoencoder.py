"""A lean convolutional encoder and decoder: space-to-depth in, depth-to-space out.

Three choices make it learn fast on a CPU:
- the first halving is a rearrangement, so that no convolution works at full resolution;
- it starts as a linear map that keeps what it can: every residual block adds zero, every other
  convolution is orthogonal at its centre tap. Colours and coarse vessels come within some dozen
  steps, and the blocks learn what is left;
- nothing is normalised on the straight path (a norm there forgets how bright the image was, which
  cost 4 to 6 dB after 15 seconds), and in the lean form nowhere. Where norms are asked for, they
  take one group: the only fast form in bf16 and channels-last.

References:
    Esser, Rombach, Ommer 2021, arXiv 2012.09841 (the autoencoder that this slims down).
    Shi et al. 2016, arXiv 1609.05158 (sub-pixel convolution).
    Aitken et al. 2017, arXiv 1707.02937 (its start without checkerboard).
    Zhang, Dauphin, Ma 2019, arXiv 1901.09321 (residual nets without norms: blocks that start at 0).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """Add conv(silu(norm(conv(silu(norm(x)))))) to x; the identity at the start.

    Args:
        channels: in and out.
        norm: normalise before each activation, with one group.
    """

    def __init__(self, channels: int, *, norm: bool) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(1, channels) if norm else nn.Identity()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(1, channels) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.kaiming_normal_(self.conv1.weight)
        nn.init.zeros_(self.conv1.bias)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

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
        nn.init.zeros_(self.out.bias)

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
        norm: normalise inside the residual blocks.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        out_channels: int,
        *,
        blocks: int,
        attention: bool,
        norm: bool,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in widths:
            layers += [nn.PixelUnshuffle(2), near_orthogonal(4 * channels, width, 3)]
            layers += [ResidualBlock(width, norm=norm) for _ in range(blocks)]
            channels = width
        if attention:
            layers.append(SelfAttention(channels))
        layers.append(near_orthogonal(channels, out_channels, 1))
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
        self,
        widths: tuple[int, ...],
        in_channels: int,
        *,
        blocks: int,
        attention: bool,
        norm: bool,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [near_orthogonal(in_channels, widths[-1], 3)]
        if attention:
            layers.append(SelfAttention(widths[-1]))
        for i in reversed(range(len(widths))):
            layers += [ResidualBlock(widths[i], norm=norm) for _ in range(blocks)]
            if i > 0:
                layers += [sub_pixel(widths[i], widths[i - 1]), nn.PixelShuffle(2)]
        self.body = nn.Sequential(*layers)
        self.last = sub_pixel(widths[0], 3)

    def forward(
        self, latent: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the image, not clipped."""
        x = self.body(latent.contiguous(memory_format=torch.channels_last))
        return F.pixel_shuffle(self.last(x), 2)


def near_orthogonal(narrow: int, wide: int, kernel: int) -> nn.Conv2d:
    """Return a convolution that starts orthogonal at its centre tap, with a little of the rest."""
    conv = nn.Conv2d(narrow, wide, kernel, padding=kernel // 2)
    nn.init.zeros_(conv.bias)
    with torch.no_grad():
        conv.weight.mul_(0.3 if kernel > 1 else 0.0)
        centre = nn.init.orthogonal_(torch.empty(wide, narrow))
        conv.weight[:, :, kernel // 2, kernel // 2] += centre
    return conv


def sub_pixel(narrow: int, wide: int) -> nn.Conv2d:
    """Return a convolution to 4 x `wide` channels whose four sub-pixels start equal."""
    conv = nn.Conv2d(narrow, 4 * wide, 3, padding=1)
    nn.init.zeros_(conv.bias)
    with torch.no_grad():
        conv.weight.copy_(near_orthogonal(narrow, wide, 3).weight.repeat_interleave(4, dim=0))
    return conv

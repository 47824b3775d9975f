"""The autoencoder: encode, quantise, decode.

x -> E(x) -> q(E(x)) -> D(q(E(x))), the gradient passing straight through q (Oord et al. 2017,
arXiv 1711.00937, section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from retinaforge.autoencoders.config import AutoencoderConfig
from retinaforge.autoencoders.reconstruct import reconstruct_images
from retinaforge.core import Refusal
from retinaforge.nets.autoencoder import Decoder, Encoder
from retinaforge.nets.quantise import (
    CodebookUse,
    DiagonalGaussian,
    FiniteScalarQuantiser,
    Quantised,
    VectorQuantiser,
)


@dataclass(frozen=True)
class AutoencoderOutput:
    """What one pass through an autoencoder gives.

    Attributes:
        reconstruction: the image, not clipped, shape (batch, 3, height, width).
        latent: what the decoder saw.
        codebook_loss: the bottleneck's loss, weights included; a scalar.
        codes: index of the code at each place; None for KL.
    """

    reconstruction: Float[Tensor, "batch 3 height width"]
    latent: Float[Tensor, "batch channels rows columns"]
    codebook_loss: Float[Tensor, ""]
    codes: Int[Tensor, "batch rows columns"] | None


class Autoencoder(nn.Module):
    """A convolutional autoencoder with a VQ, FSQ or KL bottleneck."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        moments = 2 if config.kind == "kl" else 1
        shape = {
            "blocks": config.blocks,
            "attention": config.attention,
            "norm": config.norm,
        }
        self.encoder = Encoder(config.widths, moments * config.latent_channels, **shape)
        self.bottleneck = _bottleneck(config)
        self.decoder = Decoder(config.widths, config.latent_channels, **shape)
        self.to(memory_format=torch.channels_last)

    @property
    def last_layer(self) -> nn.Parameter:
        """Return the weight of the decoder's last convolution."""
        return self.decoder.last.weight

    def encode(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Return what `quantise` takes: the latent, or for KL its mean and log variance.

        Args:
            images: RGB in [-1, 1]; sides that `factor` divides.
        """
        height, width, f = images.shape[2], images.shape[3], self.config.factor
        if height % f or width % f:
            raise Refusal(
                f"images whose sides are multiples of {f}",
                f"{height} x {width} px",
                "use reconstruct_images, which pads and crops",
            )
        return self.encoder(images)

    def quantise(
        self,
        latent: Float[Tensor, "batch channels rows columns"],
        *,
        rng: torch.Generator | None = None,
    ) -> Quantised:
        """Pass the bottleneck; `rng` draws the noise of KL in training mode."""
        return self.bottleneck(latent, rng=rng)

    def decode(
        self, latent: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the image of a quantised latent, not clipped."""
        return self.decoder(latent)

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        *,
        rng: torch.Generator | None = None,
    ) -> AutoencoderOutput:
        """Encode, quantise and decode."""
        quantised = self.quantise(self.encode(images), rng=rng)
        reconstruction = self.decode(quantised.latent)
        return AutoencoderOutput(reconstruction, quantised.latent, quantised.loss, quantised.codes)

    def freeze_codebook(self) -> None:
        """Keep the codebook as it is, in training mode too."""
        if isinstance(self.bottleneck, VectorQuantiser):
            self.bottleneck.frozen = True

    def decoder_parameters(self) -> Iterator[nn.Parameter]:
        """Return the parameters behind the bottleneck."""
        return self.decoder.parameters()

    def codebook_use(self, *, reset: bool = False) -> CodebookUse | None:
        """Return the codes used in training since the last reset; None for KL."""
        if isinstance(self.bottleneck, DiagonalGaussian):
            return None
        return self.bottleneck.use.read(reset=reset)

    def reconstruct(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the reconstruction of images of any size, in [-1, 1], as `reconstruct_images`."""
        return reconstruct_images(self, images)


def _bottleneck(
    config: AutoencoderConfig,
) -> VectorQuantiser | FiniteScalarQuantiser | DiagonalGaussian:
    if config.kind == "fsq":
        return FiniteScalarQuantiser(config.fsq_levels)
    if config.kind == "kl":
        return DiagonalGaussian(weight=config.kl_weight, values_per_place=3 * config.factor**2)
    return VectorQuantiser(
        config.codes,
        config.code_dim,
        decay=config.decay,
        commitment=config.commitment,
        seed=config.seed,
    )

"""Autoencoders of the diffusers library behind the same door as ours.

diffusers' VQModel trains its codebook by gradient: |sg(z) - e|^2 + beta |z - sg(e)|^2
(Oord et al. 2017, arXiv 1711.00937, eq. 3), beta = 0.25; that is done here too. The published
VectorQuantizer weighs the two terms the other way round ("legacy"); the sum's optimum is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from retinaforge.autoencoders.config import Kind
from retinaforge.autoencoders.model import AutoencoderOutput
from retinaforge.autoencoders.reconstruct import reconstruct_images
from retinaforge.core import Refusal
from retinaforge.nets.quantise import (
    CodebookUse,
    DiagonalGaussian,
    Quantised,
    UseTracker,
    nearest_codes,
)

KINDS: dict[str, Kind] = {"VQModel": "vq", "AutoencoderKL": "kl"}


@dataclass(frozen=True)
class ForeignConfig:
    """What the other rooms need to know of an autoencoder that is not ours.

    Attributes:
        class_name: diffusers' name of the class.
        kind: vq or kl.
        factor: side of the image over side of the latent.
        latent_channels: channels of the quantised latent.
        codebook_size: number of codes; None for KL.
    """

    class_name: str
    kind: Kind
    factor: int
    latent_channels: int
    codebook_size: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


class DiffusersAutoencoder(nn.Module):
    """A diffusers VQModel or AutoencoderKL with the methods of our Autoencoder.

    Args:
        inner: the diffusers model.
        config: what it is.
    """

    def __init__(self, inner: nn.Module, config: ForeignConfig) -> None:
        super().__init__()
        self.inner, self.config, self.commitment = inner, config, 0.25
        self.gaussian = DiagonalGaussian(values_per_place=3 * config.factor**2)
        self.use = UseTracker(config.codebook_size) if config.codebook_size else None

    @property
    def last_layer(self) -> nn.Parameter:
        """Return the weight of the decoder's last convolution."""
        return self.inner.decoder.conv_out.weight

    def encode(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Return what `quantise` takes: the latent, or for KL its mean and log variance."""
        hidden = self.inner.encoder(images)
        return hidden if self.inner.quant_conv is None else self.inner.quant_conv(hidden)

    def quantise(
        self,
        latent: Float[Tensor, "batch channels rows columns"],
        *,
        rng: torch.Generator | None = None,
    ) -> Quantised:
        """Pass the bottleneck; `rng` draws the noise of KL in training mode."""
        if self.use is None:
            return self.gaussian(latent, rng=rng)
        with torch.autocast(latent.device.type, enabled=False):
            z = latent.float()
            codebook = self.inner.quantize.embedding.weight.float()
            codes = nearest_codes(z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]), codebook)
            codes = codes.view(z.shape[0], z.shape[2], z.shape[3])
            q = F.embedding(codes, codebook).permute(0, 3, 1, 2)
            loss = F.mse_loss(q, z.detach()) + self.commitment * F.mse_loss(z, q.detach())
            if self.training:
                self.use(codes)
            return Quantised(z + (q - z).detach(), loss, codes)

    def decode(
        self, latent: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the image of a quantised latent, not clipped."""
        after = self.inner.post_quant_conv
        hidden = latent if after is None else after(latent)
        if getattr(self.inner.config, "norm_type", "group") == "spatial":
            return self.inner.decoder(hidden, latent)
        return self.inner.decoder(hidden)

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        *,
        rng: torch.Generator | None = None,
    ) -> AutoencoderOutput:
        """Encode, quantise and decode."""
        quantised = self.quantise(self.encode(images), rng=rng)
        return AutoencoderOutput(
            self.decode(quantised.latent), quantised.latent, quantised.loss, quantised.codes
        )

    def codebook_use(self, *, reset: bool = False) -> CodebookUse | None:
        """Return the codes used in training since the last reset; None for KL."""
        return None if self.use is None else self.use.read(reset=reset)

    def reconstruct(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the reconstruction of images of any size, in [-1, 1]."""
        return reconstruct_images(self, images)

    def freeze_codebook(self) -> None:
        """Keep the codebook as it is, in training mode too."""
        if self.use is not None:
            self.inner.quantize.requires_grad_(False)

    def decoder_parameters(self) -> Iterator[nn.Parameter]:
        """Return the parameters behind the bottleneck."""
        parts = [p for p in (self.inner.post_quant_conv, self.inner.decoder) if p is not None]
        return chain.from_iterable(part.parameters() for part in parts)

    def diffusers_config(self) -> dict[str, Any]:
        """Return what diffusers writes to config.json."""
        return json.loads(self.inner.to_json_string())


def build_foreign(class_name: str, plain: Mapping[str, Any]) -> DiffusersAutoencoder:
    """Build a diffusers autoencoder from its config, with random weights.

    Raises:
        Refusal: where diffusers is not installed or the class is another.
    """
    if class_name not in KINDS:
        raise Refusal(
            f"an autoencoder of class {', '.join(KINDS)} or RetinaForgeAutoencoder",
            repr(class_name),
            "name the autoencoder's own folder (of a pipeline its subfolder vae or vqvae)",
        )
    try:
        import diffusers
    except ImportError as error:
        raise Refusal(
            f"the diffusers library, which defines {class_name}",
            "a Python without it",
            'install it with: pip install "retinaforge[diffusers]"',
        ) from error
    names = {k: v for k, v in plain.items() if not k.startswith("_") and k != "meta"}
    inner = getattr(diffusers, class_name)(**names)
    return DiffusersAutoencoder(inner, _described(inner, class_name)).eval()


def _described(inner: Any, class_name: str) -> ForeignConfig:
    config, kind = inner.config, KINDS[class_name]
    channels = config.latent_channels
    if kind == "vq":
        channels = inner.quantize.embedding.weight.shape[1]
    return ForeignConfig(
        class_name=class_name,
        kind=kind,
        factor=2 ** (len(config.block_out_channels) - 1),
        latent_channels=channels,
        codebook_size=config.num_vq_embeddings if kind == "vq" else None,
    )

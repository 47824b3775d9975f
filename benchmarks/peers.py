"""The autoencoders that the benchmarks compare: ours, diffusers' and MONAI's, one factor of 4.

Each maker returns a module and a function `pass_through(module, images)` to a reconstruction and
a codebook loss. All have 1024 codes of 8 channels and widths of 32 and 64.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from retinaforge.autoencoders import Autoencoder, AutoencoderConfig

OURS = "RetinaForge"
DIFFUSERS = "diffusers.VQModel"
MONAI = "monai VQVAE"


@dataclass(frozen=True)
class Peer:
    """One autoencoder of a benchmark.

    Attributes:
        name: as printed.
        module: the network, in training mode.
        pass_through: (module, images) to (reconstruction, codebook loss).
    """

    name: str
    module: nn.Module
    pass_through: Callable[[nn.Module, Tensor], tuple[Tensor, Tensor]]

    @property
    def parameters_m(self) -> float:
        """Return the number of trained parameters in millions."""
        return sum(p.numel() for p in self.module.parameters()) / 1e6


def make_ours() -> Peer:
    """Return our lean default."""

    def pass_through(module: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        out = module(images)
        return out.reconstruction, out.codebook_loss

    return Peer(OURS, Autoencoder(AutoencoderConfig()).train(), pass_through)


def make_diffusers() -> Peer:
    """Return diffusers' VQModel of 32 channels; factor 4 takes three resolutions."""
    from diffusers import VQModel

    module = VQModel(
        block_out_channels=(32, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=8,
        num_vq_embeddings=1024,
    )

    def pass_through(module: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        out = module.decode(module.encode(images).latents)
        return out.sample, out.commit_loss.mean()

    return Peer(DIFFUSERS, module.train(), pass_through)


def make_monai() -> Peer:
    """Return MONAI's VQVAE with two halvings, one residual layer each, EMA codebook."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.networks.nets import VQVAE

    module = VQVAE(
        spatial_dims=2,
        in_channels=3,
        out_channels=3,
        channels=(32, 64),
        num_res_layers=1,
        num_res_channels=(32, 64),
        downsample_parameters=((2, 4, 1, 1),) * 2,
        upsample_parameters=((2, 4, 1, 1, 0),) * 2,
        num_embeddings=1024,
        embedding_dim=8,
        decay=0.99,
    )
    return Peer(MONAI, module.train(), lambda module, images: module(images))


def make_all() -> tuple[list[Peer], dict[str, str]]:
    """Return the peers that are installed, ours first, and why the others are missing."""
    peers, missing = [make_ours()], {}
    for name, make in ((DIFFUSERS, make_diffusers), (MONAI, make_monai)):
        try:
            peers.append(make())
        except ImportError as error:
            missing[name] = f"not installed ({error})"
    return peers, missing

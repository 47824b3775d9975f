"""Autoencoders: ours (VQ, FSQ, KL), and others' brought behind the same door."""

from retinaforge.autoencoders.config import AutoencoderConfig, paper_config
from retinaforge.autoencoders.folder import save_autoencoder
from retinaforge.autoencoders.load import LoadedAutoencoder, decoder_only, load_autoencoder
from retinaforge.autoencoders.model import Autoencoder, AutoencoderOutput
from retinaforge.autoencoders.reconstruct import reconstruct_images
from retinaforge.autoencoders.report import KeyReport

__all__ = [
    "Autoencoder",
    "AutoencoderConfig",
    "AutoencoderOutput",
    "KeyReport",
    "LoadedAutoencoder",
    "decoder_only",
    "load_autoencoder",
    "paper_config",
    "reconstruct_images",
    "save_autoencoder",
]

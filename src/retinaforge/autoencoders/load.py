"""Load an autoencoder, whoever trained it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from retinaforge.autoencoders.folder import CLASS_NAME, load_ours, read_config
from retinaforge.autoencoders.report import KeyReport
from retinaforge.core import Refusal


@dataclass(frozen=True)
class LoadedAutoencoder:
    """An autoencoder from disk.

    Attributes:
        model: in eval mode, with encode, quantise, decode, reconstruct, last_layer, config.
        report: what became of the file's keys.
        meta: what the file says about itself (licence, training data); empty for others'.
    """

    model: nn.Module
    report: KeyReport
    meta: dict[str, Any] = field(default_factory=dict)


def load_autoencoder(path: Path) -> LoadedAutoencoder:
    """Load a RetinaForge folder, a diffusers folder or a taming-transformers checkpoint.

    Args:
        path: a folder with config.json, or a .ckpt / .pt file in taming's layout.

    Raises:
        Refusal: for a path that is absent or of another kind, keys that do not fit, a class
            that is not known, or a checkpoint that holds more than tensors.
    """
    if path.is_file():
        raise Refusal("a model folder", str(path), "name a folder")
    plain = read_config(path)
    if plain["_class_name"] == CLASS_NAME:
        model, report = load_ours(path, plain)
        return LoadedAutoencoder(model, report, dict(plain.get("meta", {})))
    raise Refusal(CLASS_NAME, plain["_class_name"], "name another folder")


def decoder_only(model: nn.Module) -> nn.Module:
    """Freeze all but the decoder, so that latents and codes keep their meaning.

    Args:
        model: an Autoencoder or what load_autoencoder returned; changed in place.

    Returns:
        The same model; its codebook no longer follows the data.
    """
    model.requires_grad_(False)
    model.freeze_codebook()
    for parameter in model.decoder_parameters():
        parameter.requires_grad_(True)
    return model

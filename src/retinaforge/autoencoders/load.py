"""Load an autoencoder, whoever trained it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from retinaforge.autoencoders.folder import (
    CLASS_NAME,
    WEIGHTS_FILE,
    load_ours,
    read_config,
    read_safetensors,
    refuse_incomplete,
)
from retinaforge.autoencoders.foreign import DiffusersAutoencoder, build_foreign
from retinaforge.autoencoders.report import KeyReport, compare_keys
from retinaforge.autoencoders.taming import load_taming, read_checkpoint

_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


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
        return LoadedAutoencoder(*load_taming(path))
    plain = read_config(path)
    ours = plain["_class_name"] == CLASS_NAME
    model, report = load_ours(path, plain) if ours else load_diffusers(path, plain)
    return LoadedAutoencoder(model, report, dict(plain.get("meta", {})))


def load_diffusers(
    folder: Path, plain: Mapping[str, Any]
) -> tuple[DiffusersAutoencoder, KeyReport]:
    """Load an AutoencoderKL or VQModel folder of diffusers, every key or none.

    Attention keys of diffusers before 0.18 (query, key, value, proj_attn) are renamed.
    """
    model = build_foreign(plain["_class_name"], plain)
    wanted, given, reshaped = model.inner.state_dict(), {}, []
    for old, value in _read_weights(folder).items():
        new = _modern_name(old)
        given[new] = value.float()
        if new in wanted and value.dim() == 4 and wanted[new].dim() == 2:
            given[new] = given[new].flatten(1)
            reshaped.append(old)
    report = compare_keys(f"diffusers {plain['_class_name']} folder", wanted, given)
    report = replace(report, reshaped=tuple(reshaped))
    refuse_incomplete(report, folder)
    model.inner.load_state_dict(given)
    return model, report


def _read_weights(folder: Path) -> dict[str, Tensor]:
    pickled = folder / "diffusion_pytorch_model.bin"
    if pickled.exists() and not (folder / WEIGHTS_FILE).exists():
        return read_checkpoint(pickled)
    return read_safetensors(folder / WEIGHTS_FILE)


def _modern_name(name: str) -> str:
    for old, new in _OLD_ATTENTION.items():
        name = name.replace(f".attentions.0.{old}.", f".attentions.0.{new}.")
    return name


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

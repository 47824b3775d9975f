"""Writing a generator: a pipeline folder of diffusers wherever diffusers can carry it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from retinaforge.core import Refusal
from retinaforge.core.artefacts import (
    no_room_told,
    sha256_of,
    usual_modes,
    write_bytes,
    write_json,
    write_text,
)
from retinaforge.generators.folder_parts import save_text, save_vae
from retinaforge.generators.lora import has_lora
from retinaforge.generators.lumina import Lumina
from retinaforge.generators.model_card import model_card
from retinaforge.generators.text_encoder import TextEncoder, load_text_encoder

OURS, INDEX, CARD = "retinaforge.json", "model_index.json", "README.md"
WEIGHTS, EXTRA = "diffusion_pytorch_model.safetensors", "retinaforge_conditions.safetensors"
VERSION = 1


def save_pipeline(
    folder: Path,
    network: nn.Module,
    *,
    autoencoder: Path,
    text_encoder: TextEncoder | Path | str,
    meta: Mapping[str, Any],
) -> Path:
    """Write a trained generator whole or not at all; an older one there is replaced.

    Args:
        folder: to write.
        network: a DiT or a Lumina.
        autoencoder: that its latents are of; a copy is put into the folder.
        text_encoder: opened with the settings that it was taught with, or a folder (then with
            `meta["text"]`, or the defaults). Its files are linked or copied into the folder.
        meta: what a reader must know; `scale` and `shift` of the latents among it.

    Returns:
        The folder.

    Raises:
        Refusal: if a part cannot be read, the words' width is another than the network's, or the
            network has adapters.
        DiskFull: if a file could not be written; an older folder there then stands as it was.
    """
    if not isinstance(text_encoder, TextEncoder):
        text_encoder = load_text_encoder(text_encoder, **dict(meta.get("text") or {}))
    _refuse_unfit(network, text_encoder)
    building = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    try:
        with no_room_told(folder):
            building.mkdir(parents=True)
            _fill(building, network, autoencoder, text_encoder, dict(meta))
            _swap(usual_modes(building), folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _refuse_unfit(network: Any, encoder: TextEncoder) -> None:
    if encoder.width != network.shape.text_width:
        raise Refusal(
            f"a text encoder of width {network.shape.text_width}, as the network was taught with",
            f"{encoder.source.named} of width {encoder.width}",
            "name the text encoder of the training",
        )
    if has_lora(network):
        raise Refusal(
            "a network without adapters", "one with", "merge_lora first, or save_lora beside it"
        )


def _fill(
    folder: Path, network: Any, autoencoder: Path, encoder: TextEncoder, meta: dict[str, Any]
) -> None:
    scale, shift = float(meta.get("scale", 1.0)), float(meta.get("shift", 0.0))
    why = _why_not(network)
    _save_network(network, folder)
    shift, of_itself, of_vae = save_vae(autoencoder, folder / "vae", scale, shift)
    terms = str(of_itself.get("licence") or "not stated")
    rows, of_text = save_text(encoder, folder)
    why += of_vae + of_text
    if not why:
        _write_index(folder, rows)
    said = {
        "version": VERSION,
        "retinaforge": metadata.version("retinaforge"),
        "network": network.as_dict(),
        "text": encoder.settings(),
        "scale": scale,
        "shift": shift,
        "why_not_diffusers": why,
        "hashes": {p.relative_to(folder).as_posix(): sha256_of(p) for p in _weights_of(folder)},
        "meta": {**meta, "scale": scale, "shift": shift},
    }
    write_json(folder / OURS, said)
    card = model_card(
        meta=meta,
        network=network.as_dict(),
        parameters=sum(p.numel() for p in network.parameters()),
        licences=_licences(("autoencoder", terms, Path(autoencoder).name), encoder, meta),
        why_not=why,
        told=_told(network, encoder),
    )
    write_text(folder / CARD, card)


def _why_not(network: Any) -> list[str]:
    if not isinstance(network, Lumina):
        return ["its network is RetinaForge's own DiT, which no diffusers class describes"]
    why = []
    if network.shape.class_sizes:
        why.append("it takes classes beside words, for which LuminaPipeline has no input")
    if network.shape.map_channels:
        why.append("it takes masks beside words, for which LuminaPipeline has no input")
    if network.shape.patch != 2:
        why.append(f"its patches are {network.shape.patch} wide, the pipeline assumes 2")
    return why


def _told(network: nn.Module, encoder: TextEncoder) -> list[str]:
    told = []
    if network.shape.latent_channels > 3:
        told.append("diffusers' pipeline guides three of the latent's channels, ours all of them.")
    if not encoder.lower_case and encoder.tokenizer.tokenize("A") != encoder.tokenizer.tokenize(
        "a"
    ):
        told.append("diffusers' pipeline lowers the case of prompts; it was taught with case.")
    return told


def _save_network(network: Any, folder: Path) -> None:
    place = folder / "transformer"
    if isinstance(network, Lumina):
        network.inner.register_to_config(sample_size=network.side)
        network.inner.save_pretrained(place)
        beside = {k: v for k, v in network.state_dict().items() if not k.startswith("inner.")}
        if beside:
            _write_weights(place / EXTRA, beside)
        return
    _write_weights(place / WEIGHTS, network.state_dict())
    write_json(place / "config.json", {"_class_name": "RetinaForgeDiT", **network.as_dict()})


def _write_weights(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_bytes(path, save(plain, metadata={"format": "pt"}))


def _write_index(folder: Path, rows: Mapping[str, list[str]]) -> None:
    import diffusers

    diffusers.FlowMatchEulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "LuminaPipeline",
        "_diffusers_version": diffusers.__version__,
        **rows,
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "transformer": ["diffusers", "LuminaNextDiT2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    write_json(folder / INDEX, index)


def _licences(
    autoencoder: tuple[str, str, str], encoder: TextEncoder, meta: Mapping[str, Any]
) -> list[tuple[str, str, str]]:
    data = ", ".join((meta.get("training_data") or {}).get("licences", [])) or "not stated"
    which = f"{Path(encoder.source.named).name}, SHA-256 {encoder.source.sha256[:12]}"
    words = ("text encoder", encoder.source.licence, which)
    return [autoencoder, words, ("training data", data, "")]


def _weights_of(folder: Path) -> list[Path]:
    return sorted(p for kind in ("*.safetensors", "*.bin") for p in folder.rglob(kind))


def _swap(building: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        os.replace(folder, old)
    os.replace(building, folder)
    shutil.rmtree(old, ignore_errors=True)

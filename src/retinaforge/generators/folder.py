"""A generator on disk: a pipeline folder of diffusers wherever diffusers can carry it.

model_index.json   only where LuminaPipeline samples from the folder without this package
transformer/  vae/  text_encoder/  tokenizer/  scheduler/
README.md          the model card
retinaforge.json   what diffusers has no place for: classes, maps, shift, hashes, meta
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of, write_bytes, write_json, write_text
from retinaforge.generators.folder_foreign import is_foreign, load_foreign, open_lumina
from retinaforge.generators.folder_parts import save_text, save_vae, vae_of
from retinaforge.generators.lumina import Lumina
from retinaforge.generators.model_card import model_card
from retinaforge.generators.presets import network_from_config
from retinaforge.generators.text_encoder import Precision, TextEncoder, load_text_encoder

OURS, INDEX, CARD = "retinaforge.json", "model_index.json", "README.md"
WEIGHTS, EXTRA = "diffusion_pytorch_model.safetensors", "retinaforge_conditions.safetensors"
VERSION = 1


@dataclass(frozen=True)
class Generator:
    """A generator from disk.

    Attributes:
        network: gives velocities; in eval mode.
        autoencoder: folder or file for `autoencoders.load_autoencoder`.
        text_encoder: folder or hub name of `load_text_encoder`.
        text: its settings.
        scale, shift: the network sees (latent - shift) * scale.
        meta: what the folder says of itself: recipe, vocabulary, training data, licence.
        why_not_diffusers: why diffusers alone cannot sample from it; () where it can.
        fingerprint: hash of what an image depends on beside caption and seed.
    """

    network: nn.Module
    autoencoder: Path
    text_encoder: Path | str
    text: dict[str, Any] = field(default_factory=dict)
    scale: float = 1.0
    shift: float = 0.0
    meta: dict[str, Any] = field(default_factory=dict)
    why_not_diffusers: tuple[str, ...] = ()
    fingerprint: str = ""

    def open_text_encoder(self) -> TextEncoder:
        """Load the text encoder as the network was taught with it."""
        return load_text_encoder(self.text_encoder, **self.text)


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
        Refusal: if a part cannot be read.
    """
    if not isinstance(text_encoder, TextEncoder):
        text_encoder = load_text_encoder(text_encoder, **dict(meta.get("text") or {}))
    building = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        _fill(building, network, autoencoder, text_encoder, dict(meta))
        _swap(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


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


def load_pipeline(
    folder: Path,
    *,
    autoencoder: Path | None = None,
    text_encoder: Path | str | None = None,
    precision: Precision = "float32",
    recompute: bool = False,
) -> Generator:
    """Load a generator: ours, a LuminaPipeline folder of diffusers, or the authors' checkpoints.

    Args:
        folder: that save_pipeline wrote; a published one such as Lumina-Next-SFT-diffusers; or one
            with consolidated_ema.00-of-01.pth, as RetinaLogos and Lumina-T2X publish.
        autoencoder, text_encoder: where the folder has none, or another is wanted.
        precision: of the network's weights.
        recompute: for training with less memory.

    Raises:
        Refusal: if the folder is none of these, a part is missing, or weights do not fit.
    """
    if is_foreign(folder):
        found = load_foreign(folder, autoencoder, text_encoder, recompute=recompute)
        found = Generator(**found)
    else:
        found = _load_ours(folder, autoencoder, text_encoder, recompute)
    found.network.to(getattr(torch, precision)).eval()
    return found


def _load_ours(
    folder: Path, autoencoder: Path | None, text_encoder: Path | str | None, recompute: bool
) -> Generator:
    said = _read_ours(folder)
    return Generator(
        network=load_network(folder, recompute=recompute),
        autoencoder=autoencoder or vae_of(folder / "vae"),
        text_encoder=text_encoder or folder,
        text=said["text"],
        scale=said["scale"],
        shift=said["shift"],
        meta=said["meta"],
        why_not_diffusers=tuple(said["why_not_diffusers"]),
        fingerprint=sha256_of(folder / OURS),
    )


def load_network(folder: Path, *, recompute: bool = False) -> nn.Module:
    """Load the network alone, of any folder that `load_pipeline` reads.

    Raises:
        Refusal: as `load_pipeline`.
    """
    if is_foreign(folder):
        return open_lumina(folder, recompute=recompute)
    said = _read_ours(folder)["network"]
    place = folder / "transformer"
    try:
        if said["class"] != "Lumina":
            network = network_from_config(said, recompute=recompute)
            network.load_state_dict(load_file(place / WEIGHTS))
            return network
        network = open_lumina(folder, said=said, recompute=recompute)
        if (place / EXTRA).is_file():
            state = {**network.state_dict(), **load_file(place / EXTRA)}
            network.load_state_dict(state)
        return network
    except (OSError, RuntimeError) as error:
        raise Refusal(
            "the weights that its description names",
            f"{place} ({str(error).strip().splitlines()[0][:200]})",
            "copy the model folder again",
        ) from error


def _read_ours(folder: Path) -> dict[str, Any]:
    path = folder / OURS
    if not path.is_file():
        raise Refusal(
            "a generator: retinaforge.json, a LuminaPipeline's model_index.json, or "
            "consolidated_ema.00-of-01.pth",
            f"{folder} with none of them",
            "name the folder of a trained step, or a published Lumina-Next or RetinaLogos folder",
        )
    said = json.loads(path.read_text())
    if said.get("version") != VERSION:
        raise Refusal(
            f"a generator of version {VERSION}",
            f"{path} of version {said.get('version')}",
            "load it with the version of RetinaForge that wrote it",
        )
    return said

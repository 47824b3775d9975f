"""A generator on disk: a pipeline folder of diffusers wherever diffusers can carry it.

model_index.json   only where LuminaPipeline samples from the folder without this package
transformer/  vae/  text_encoder/  tokenizer/  scheduler/
README.md          the model card
retinaforge.json   what diffusers has no place for: classes, maps, shift, hashes, meta
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from retinaforge.core import Refusal, in_one_line
from retinaforge.core.artefacts import sha256_of
from retinaforge.generators.folder_foreign import is_foreign, load_foreign, open_lumina
from retinaforge.generators.folder_parts import read_object, vae_of
from retinaforge.generators.folder_save import EXTRA, OURS, VERSION, WEIGHTS, save_pipeline
from retinaforge.generators.presets import network_from_config
from retinaforge.generators.text_encoder import Precision, TextEncoder, load_text_encoder

__all__ = ["Generator", "load_network", "load_pipeline", "save_pipeline"]


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
        fields = load_foreign(folder, autoencoder, text_encoder, recompute=recompute)
        found = Generator(**fields)
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
    except (OSError, RuntimeError, SafetensorError) as error:
        raise Refusal(
            "the weights that its description names",
            f"{place} ({in_one_line(error)})",
            "copy the model folder again",
        ) from error


def require_generator(folder: Path) -> None:
    """Refuse a folder that `load_pipeline` cannot be meant to read; no weights are opened.

    Raises:
        Refusal: "expected a generator: ...; got ...".
    """
    if not is_foreign(folder):
        _read_ours(folder)


def _remedy(folder: Path) -> str:
    """Return what to name instead; a run's and a step's folder hold the generator in theirs."""
    within = ("model", "finetune/model", "pretrain/model")
    inner = next((folder / name for name in within if (folder / name / OURS).is_file()), None)
    if inner is not None:
        return f"name {inner}, which lies in it"
    if (folder / "config.json").is_file():
        return "that looks like another model; name what `retinaforge generate train` ends with"
    return (
        "name the model of a trained step (RUN/finetune/model), or a published Lumina-Next or "
        "RetinaLogos folder"
    )


def _read_ours(folder: Path) -> dict[str, Any]:
    path = folder / OURS
    if not path.is_file():
        raise Refusal(
            "a generator: retinaforge.json, a LuminaPipeline's model_index.json, or "
            "consolidated_ema.00-of-01.pth",
            f"{folder} with none of them",
            _remedy(folder),
        )
    said = read_object(path)
    if said.get("version") != VERSION:
        raise Refusal(
            f"a generator of version {VERSION}",
            f"{path} of version {said.get('version')}",
            "load it with the version of RetinaForge that wrote it",
        )
    return said

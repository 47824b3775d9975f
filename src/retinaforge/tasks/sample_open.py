"""A generator's folder to a painter on the best device there is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import torch

from retinaforge.autoencoders import load_autoencoder
from retinaforge.core import Refusal
from retinaforge.generators.classes import ClassVocabulary
from retinaforge.generators.folder import load_pipeline
from retinaforge.generators.maps import MapPlan
from retinaforge.tasks.sample_painter import Painter

CPU_BATCH = 8
GPU_PIXELS = 2**22
"""Pixels of a batch on a GPU, to begin with; where memory ends, the batch is halved."""


def open_painter(
    folder: Path,
    *,
    autoencoder: Path | None = None,
    text_encoder: Path | str | None = None,
    device: str | None = None,
) -> Painter:
    """Load a generator with its autoencoder and text encoder.

    Args:
        folder: of ours, of diffusers' LuminaPipeline, or of the authors' checkpoint.
        autoencoder, text_encoder: where the folder has none, or another is wanted.
        device: None takes a GPU where there is one.

    Raises:
        Refusal: if a part is missing or does not fit the others.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    found = load_pipeline(folder, autoencoder=autoencoder, text_encoder=text_encoder)
    encoder = found.open_text_encoder()
    decoder = load_autoencoder(found.autoencoder).model.eval()
    _require_fit(found.network, decoder, encoder)
    taught = getattr(found.network, "side", None)
    layout = {"memory_format": torch.channels_last} if where.type == "cuda" else {}
    parts = [found.fingerprint, str(autoencoder or ""), str(text_encoder or "")]
    return Painter(
        found.network.to(where),
        decoder.to(where, **layout),
        encoder.to(where),
        found.scale,
        found.shift,
        fingerprint=hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16],
        vocabulary=ClassVocabulary.from_dict(found.meta.get("vocabulary") or {}),
        maps=MapPlan.from_dict(found.meta["maps"]) if found.meta.get("maps") else None,
        trained_px=found.meta.get("size_px") or (taught and taught * decoder.config.factor),
        frame=((found.meta.get("settings") or {}).get("data") or {}).get("frame", "auto"),
    )


def batch_for(words: str, painter: Painter, size: str) -> int:
    """Return the images at once that --batch asks for.

    Raises:
        Refusal: for what is neither "auto" nor a number of 1 or more.
    """
    if words == "auto":
        sides = [int(side) for side in size.lower().split("x") if side.isdecimal()] or [128]
        return CPU_BATCH if painter.device.type == "cpu" else max(1, GPU_PIXELS // min(sides) ** 2)
    if not words.isdecimal() or int(words) < 1:
        raise Refusal("--batch auto or a number of 1 or more", repr(words), "as in --batch 8")
    return int(words)


def precision_for(words: str, painter: Painter) -> Literal["fp32", "bf16"]:
    """Return the precision that --precision asks for.

    Raises:
        Refusal: for another word.
    """
    if words == "auto":
        on_gpu = painter.device.type == "cuda" and torch.cuda.is_bf16_supported()
        return "bf16" if on_gpu else "fp32"
    if words not in ("fp32", "bf16"):
        raise Refusal("--precision auto, fp32 or bf16", repr(words), "name one of these")
    return "bf16" if words == "bf16" else "fp32"


def _require_fit(network: Any, autoencoder: Any, encoder: Any) -> None:
    shape, channels = network.shape, autoencoder.config.latent_channels
    if (shape.latent_channels, shape.text_width) != (channels, encoder.width):
        raise Refusal(
            f"an autoencoder of {shape.latent_channels} channels and a text encoder of width "
            f"{shape.text_width}",
            f"{channels} channels and width {encoder.width}",
            "put together the parts that the network was trained with",
        )

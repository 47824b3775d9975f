"""Generators that others saved: LuminaPipeline folders, and the authors' own checkpoints.

Published: Alpha-VLLM/Lumina-Next-SFT-diffusers (model_index.json of LuminaText2ImgPipeline, as the
class was called before diffusers 0.32), junzhin/RetinaLogo (behind a form; its code loads
consolidated_ema.00-of-01.pth and model_args.pth).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal, in_one_line
from retinaforge.core.artefacts import sha256_of
from retinaforge.core.quiet import without_bars
from retinaforge.generators.folder_parts import read_object
from retinaforge.generators.lumina import NEEDS, Lumina
from retinaforge.generators.lumina_checkpoint import (
    find_checkpoint,
    load_checkpoint,
    read_arguments,
)
from retinaforge.generators.network import NetworkShape

PIPELINES = ("LuminaPipeline", "LuminaText2ImgPipeline")
SCALES = {"sdxl": 0.13025, "ema": 0.18215, "mse": 0.18215}
"""What the authors' code multiplies latents with, by the autoencoder's name in model_args.pth."""


def is_foreign(folder: Path) -> bool:
    """Return whether a folder is one of others', with nothing of ours in it."""
    if (folder / "retinaforge.json").is_file():
        return False
    return (folder / "model_index.json").is_file() or find_checkpoint(folder) is not None


def load_foreign(
    folder: Path,
    autoencoder: Path | None,
    text_encoder: Path | str | None,
    *,
    recompute: bool = False,
) -> dict[str, Any]:
    """Return the fields of a Generator."""
    network = open_lumina(folder, recompute=recompute)
    if (folder / "model_index.json").is_file():
        return _of_pipeline(folder, network, autoencoder, text_encoder)
    return _of_checkpoint(folder, network, autoencoder, text_encoder)


def open_lumina(
    folder: Path, *, said: Mapping[str, Any] | None = None, recompute: bool = False
) -> Lumina:
    """Load the transformer of a pipeline folder or a checkpoint folder.

    Args:
        folder: of others', or of ours with `said`.
        said: the network's `as_dict`, where there is one: its classes and maps are added.
        recompute: as in Lumina.

    Raises:
        Refusal: if it is another pipeline's, or weights are missing.
    """
    if said is None and not (folder / "model_index.json").is_file():
        path = find_checkpoint(folder)
        if path is None:
            raise Refusal("weights of Lumina-Next", f"{folder} without", "name another folder")
        network = load_checkpoint(path)
        network.recompute = recompute
        return network
    if said is None:
        _require_lumina(folder)
    try:
        import diffusers
        from diffusers import LuminaNextDiT2DModel
    except ImportError as error:
        raise Refusal("the diffusers library", "a Python without it", NEEDS) from error
    try:
        with without_bars(diffusers):
            inner, report = LuminaNextDiT2DModel.from_pretrained(
                folder / "transformer", local_files_only=True, output_loading_info=True
            )
    # A damaged config.json makes diffusers' constructor fail in any of these ways.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise Refusal(
            "a transformer/ with config and weights of LuminaNextDiT2DModel",
            f"{folder} ({in_one_line(error)})",
            "copy the model folder again",
        ) from error
    lost = [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]
    if lost:
        raise Refusal(
            "every tensor of LuminaNextDiT2DModel and no other",
            f"{folder / 'transformer'}: {', '.join(map(str, lost[:4]))}",
            "copy the model folder again",
        )
    return _wrap(inner, said, recompute)


def _wrap(inner: Any, said: Mapping[str, Any] | None, recompute: bool) -> Lumina:
    config = inner.config
    extra = dict(said["shape"]) if said else {}
    shape = NetworkShape(
        latent_channels=config.in_channels,
        patch=config.patch_size,
        text_width=config.cross_attention_dim,
        class_sizes=tuple(extra.get("class_sizes", ())),
        map_channels=extra.get("map_channels", 0),
    )
    how = {name: said[name] for name in ("extrapolate", "watershed")} if said else {}
    return Lumina(shape, side=config.sample_size, inner=inner, recompute=recompute, **how)


def _require_lumina(folder: Path) -> None:
    name = read_object(folder / "model_index.json").get("_class_name")
    if name not in PIPELINES:
        raise Refusal(
            f"a pipeline of class {' or '.join(PIPELINES)}",
            f"{name} in {folder}",
            "sample from it with diffusers itself",
        )


def _of_pipeline(
    folder: Path, network: Lumina, autoencoder: Path | None, text_encoder: Path | str | None
) -> dict[str, Any]:
    vae = autoencoder or folder / "vae"
    config = vae / "config.json"
    scale = read_object(config).get("scaling_factor") if config.is_file() else None
    return {
        "network": network,
        "autoencoder": vae,
        "text_encoder": text_encoder or folder,
        # The pipeline lowers the case of prompts; Lumina's own code does not.
        "text": {"hidden_index": -2, "max_tokens": 256, "lower_case": True},
        "scale": float(scale or 1.0),
        "meta": {"published": "a LuminaPipeline folder of diffusers"},
        "fingerprint": _fingerprint(folder / "transformer"),
    }


def _of_checkpoint(
    folder: Path, network: Lumina, autoencoder: Path | None, text_encoder: Path | str | None
) -> dict[str, Any]:
    said = read_arguments(folder)
    vae, words = said.get("vae", "sdxl"), said.get("lm") or "google/gemma-2b"
    full = "stabilityai/sdxl-vae" if vae == "sdxl" else f"stabilityai/sd-vae-ft-{vae}"
    if autoencoder is None or text_encoder is None:
        raise Refusal(
            f"the folders of its autoencoder ({full}) and text encoder ({words})",
            f"{folder}, which holds the network alone",
            "pass autoencoder=... and text_encoder=...",
        )
    path = find_checkpoint(folder)
    return {
        "network": network,
        "autoencoder": autoencoder,
        "text_encoder": text_encoder,
        "text": {"hidden_index": -2, "max_tokens": 256},
        "scale": SCALES.get(vae, SCALES["sdxl"]),
        "meta": {"published": "a checkpoint of Lumina-T2X's code", "arguments": _plain(said)},
        "why_not_diffusers": ("it is saved in its authors' layout: save it with save_pipeline",),
        "fingerprint": "" if path is None else sha256_of(path),
    }


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in said.items() if isinstance(v, str | int | float | bool | None)}


def _fingerprint(folder: Path) -> str:
    return "".join(sha256_of(path) for path in sorted(folder.glob("*.safetensors")))[:64]

"""The diffusers-shaped folder: config.json and diffusion_pytorch_model.safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from retinaforge.autoencoders.config import AutoencoderConfig, config_from_dict
from retinaforge.autoencoders.model import Autoencoder
from retinaforge.autoencoders.report import KeyReport, compare_keys
from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_bytes, write_json

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
CLASS_NAME = "RetinaForgeAutoencoder"


def save_autoencoder(
    model: nn.Module, folder: Path, *, meta: Mapping[str, Any] | None = None
) -> Path:
    """Write config and weights, each whole or not at all, the config last.

    A wrapped diffusers model is written as the diffusers folder it came from.

    Args:
        model: an Autoencoder, or what load_autoencoder returned.
        folder: made where absent.
        meta: what a reader of the weights must know: licence, training data, normalisation.

    Returns:
        The folder.
    """
    if isinstance(model, Autoencoder):
        version = metadata.version("retinaforge")
        head = {"_class_name": CLASS_NAME, "_retinaforge_version": version}
        state, config = model.state_dict(), {**head, **model.config.as_dict()}
    else:
        state, config = model.inner.state_dict(), model.diffusers_config()
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_bytes(folder / WEIGHTS_FILE, save(weights, metadata={"format": "pt"}))
    write_json(folder / CONFIG_FILE, {**config, "meta": dict(meta or {})})
    return folder


def load_ours(folder: Path, plain: Mapping[str, Any]) -> tuple[Autoencoder, KeyReport]:
    """Load a folder that save_autoencoder wrote, every key or none."""
    config: AutoencoderConfig = config_from_dict(plain)
    model = Autoencoder(config)
    weights = read_safetensors(folder / WEIGHTS_FILE)
    report = compare_keys("RetinaForge folder", model.state_dict(), weights)
    refuse_incomplete(report, folder)
    model.load_state_dict(weights)
    return model.eval(), report


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json.

    Raises:
        Refusal: where there is none, or it is no JSON object with a "_class_name".
    """
    path = folder / CONFIG_FILE
    remedy = "name a folder that save_autoencoder or diffusers' save_pretrained wrote"
    try:
        plain = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise Refusal("a folder with config.json", f"{folder} without one", remedy) from error
    except (ValueError, OSError) as error:
        raise Refusal("a readable config.json", f"{path} ({error})", remedy) from error
    if not isinstance(plain, dict) or "_class_name" not in plain:
        raise Refusal('config.json with a "_class_name"', f"{path} without it", remedy)
    return plain


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file.

    Raises:
        Refusal: where the file is absent or cut off.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise Refusal(
            "a whole safetensors file", f"{path} ({error})", "copy the model folder again"
        ) from error


def refuse_incomplete(report: KeyReport, path: Path) -> None:
    """Raise unless every key found its place."""
    if not report.complete:
        raise Refusal(
            "a checkpoint whose keys are exactly the model's",
            f"{path}: {report.in_words()}",
            "check that config and weights belong together",
        )

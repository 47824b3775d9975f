"""Parts of a pipeline folder: the autoencoder with its scale, the text encoder, its tokeniser."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from retinaforge.core import Refusal, in_one_line
from retinaforge.core.artefacts import write_json
from retinaforge.generators.text_encoder import TextEncoder

VAE_FACTOR = 8
"""Side of the image over side of the latent that LuminaPipeline takes for granted."""
TOKENISER = (
    "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json",
    "*.model", "chat_template*",
)  # fmt: skip
WEIGHTS = "diffusion_pytorch_model"
LEFT = (".gitattributes", "training_state.pt")


def save_vae(
    source: Path, folder: Path, scale: float, shift: float
) -> tuple[float, dict[str, Any], list[str]]:
    """Put the autoencoder into a folder; an AutoencoderKL with its scale, its shift worked in.

    LuminaPipeline divides by scaling_factor and knows no shift. Both 1 x 1 convolutions about the
    latent are linear, so the shift moves into their biases, without any error.

    Args:
        source: folder or file of `load_autoencoder`.
        folder: to write.
        scale, shift: the network sees (latent - shift) * scale.

    Returns:
        The shift that is left to apply, what the autoencoder says of itself, and why
        LuminaPipeline cannot use it; [] where it can.

    Raises:
        Refusal: if there is none.
    """
    config = _read_config(source)
    kind, meta = (
        config.get("_class_name", "a checkpoint of taming-transformers"),
        config.get("meta"),
    )
    meta = dict(meta or {})
    if kind != "AutoencoderKL":
        _place_all(source, folder)
        kind = "RetinaForge's own" if kind == "RetinaForgeAutoencoder" else kind
        return shift, meta, [f"its autoencoder is {kind}, not diffusers' AutoencoderKL"]
    inner, why = _open_kl(source), []
    if shift and _absorb(inner, shift):
        shift = 0.0
    if shift:
        why.append("its latents are shifted, and the autoencoder has no 1 x 1 convolutions")
    factor = 2 ** (len(inner.config.block_out_channels) - 1)
    if factor != VAE_FACTOR:
        why.append(f"its autoencoder shrinks by {factor}, the pipeline assumes {VAE_FACTOR}")
    inner.register_to_config(scaling_factor=scale, shift_factor=None)
    inner.save_pretrained(folder)
    if meta:
        path = folder / "config.json"
        write_json(path, {**json.loads(path.read_text()), "meta": meta})
    return shift, meta, why


def vae_of(folder: Path) -> Path:
    """Return what `load_autoencoder` opens of a vae/ folder: itself, or the one file in it."""
    lost = any(folder.glob(f"{WEIGHTS}.*"))  # diffusers' weights, whose config.json went
    if (folder / "config.json").is_file() or not folder.is_dir() or lost:
        return folder
    return next((path for path in sorted(folder.iterdir()) if path.is_file()), folder)


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object of one of a model's files.

    Raises:
        Refusal: "expected a model folder as it was saved; got PATH (not JSON: ...); ...".
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        why = "" if isinstance(found, dict) else f"a {type(found).__name__}, not an object"
    except (OSError, ValueError) as error:
        found, why = {}, in_one_line(error)
    if why:
        raise Refusal(
            "a model folder as it was saved", f"{path} ({why})", "copy the model folder again"
        )
    return found


def _read_config(source: Path) -> dict[str, Any]:
    if source.is_file():
        return {}
    try:
        return json.loads((source / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise Refusal(
            "an autoencoder: a folder with config.json, or a checkpoint file",
            f"{source} ({error})",
            "name what `retinaforge train` or diffusers wrote",
        ) from error


def _open_kl(source: Path) -> Any:
    from diffusers import AutoencoderKL

    try:
        return AutoencoderKL.from_pretrained(source, local_files_only=True)
    except (OSError, ValueError) as error:
        said = in_one_line(error)
        raise Refusal("weights of AutoencoderKL", f"{source} ({said})", "copy it again") from error


def _place_all(source: Path, folder: Path) -> None:
    if source.is_file():
        place(source, folder / source.name)
        return
    for kind in ("config.json", "*.safetensors", "*.bin"):
        for path in source.glob(kind):
            place(path, folder / path.name)


@torch.no_grad()
def _absorb(inner: Any, shift: float) -> bool:
    before, after = inner.quant_conv, inner.post_quant_conv
    if before is None or after is None:
        return False
    before.bias[: before.bias.shape[0] // 2] -= shift
    after.bias += shift * after.weight.sum((1, 2, 3))
    return True


def save_text(encoder: TextEncoder, folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Put the text encoder's and tokeniser's files into text_encoder/ and tokenizer/.

    Returns:
        Both rows of model_index.json, and why LuminaPipeline would read words otherwise.
    """
    source = encoder.source
    tokeniser = {path for kind in TOKENISER for path in source.tokenizer.glob(kind)}
    for path in sorted(tokeniser):
        place(path, folder / "tokenizer" / path.name)
    for path in sorted(source.folder.iterdir()):
        if path.is_file() and path not in tokeniser and path.name not in LEFT:
            place(path, folder / "text_encoder" / path.name)
    _name_class(folder / "text_encoder" / "config.json", encoder.network)
    rows = {
        "text_encoder": ["transformers", type(encoder.network).__name__],
        "tokenizer": ["transformers", tokeniser_class(encoder.tokenizer)],
    }
    why = []
    if encoder.hidden_index != -2:
        why.append(f"it reads hidden state {encoder.hidden_index}, the pipeline -2")
    if encoder.prefix:
        why.append("it puts a prefix before each caption")
    if encoder.max_tokens != 256 and encoder.max_tokens != encoder.tokenizer.model_max_length:
        why.append(f"it reads {encoder.max_tokens} tokens, the pipeline 256")
    return rows, why


def tokeniser_class(tokenizer: Any) -> str:
    """Return a tokeniser's class by the name that transformers 4 and 5 both know."""
    name = type(tokenizer).__name__
    return "PreTrainedTokenizerFast" if name == "TokenizersBackend" else name


def _name_class(path: Path, network: nn.Module) -> None:
    config = json.loads(path.read_text())
    if not config.get("architectures"):
        path.unlink()
        write_json(path, {**config, "architectures": [type(network).__name__]})


def place(source: Path, target: Path) -> Path:
    """Put a file somewhere without copying it, where the file system can; else copy it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    real = source.resolve()
    try:
        os.link(real, target)
    except OSError:
        shutil.copyfile(real, target)
    return target

"""Checkpoints of the authors' own code: Lumina-T2X and RetinaLogos, which trains with it.

A folder holds consolidated[_ema].00-of-01.pth (or .safetensors) and model_args.pth, a pickled
argparse.Namespace with `model`, `qk_norm`, `vae` and `image_size`. Neither autoencoder nor text
encoder is in it: the arguments name them.

Layout: Alpha-VLLM/Lumina-T2X, lumina_next_t2i/{models/model.py at 9b632c02, sample.py at 0bdf74ed};
uni-medical/retina-text2cfp, codes/sample_from_seeds_multigpus.py at 3350e292. Names: diffusers'
scripts/convert_lumina_to_diffusers.py at d89945bb, brought up to the module of diffusers 0.42.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.generators.lumina import NEEDS, Lumina
from retinaforge.generators.network import NetworkShape

HEAD_CHANNELS = 72
"""Of the 2B models: 2304 / 32; used where the file alone does not tell the number of heads."""
PARTS = re.compile(r"consolidated(_ema)?\.(\d\d)-of-(\d\d)\.(pth|safetensors)")
ATTENTION = {
    "wo.weight": ("attn2.to_out.0.weight",),
    "wq.weight": ("attn1.to_q.weight", "attn2.to_q.weight"),
    "wk.weight": ("attn1.to_k.weight",),
    "wv.weight": ("attn1.to_v.weight",),
    "wk_y.weight": ("attn2.to_k.weight",),
    "wv_y.weight": ("attn2.to_v.weight",),
    "q_norm": ("attn1.norm_q", "attn2.norm_q"),
    "k_norm": ("attn1.norm_k",),
    "ky_norm": ("attn2.norm_k",),
}
BLOCK = {
    "attention.gate": "gate",
    "adaLN_modulation.1": "norm1.linear",
    "attention_norm1.weight": "norm1.norm.weight",
    "attention_norm2.weight": "norm2.weight",
    "attention_y_norm.weight": "norm1_context.weight",
    "feed_forward.w": "feed_forward.linear_",
    "ffn_norm": "ffn_norm",
}
OUTSIDE = {
    "x_embedder": "patch_embedder.proj",
    "t_embedder.mlp.0": "time_caption_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_caption_embed.timestep_embedder.linear_2",
    "cap_embedder": "time_caption_embed.caption_embedder",
    "final_layer.adaLN_modulation.1": "norm_out.linear_1",
    "final_layer.linear": "norm_out.linear_2",
    "pad_token": "pad_token",
}


def find_checkpoint(folder: Path, *, averaged: bool = True) -> Path | None:
    """Return the weights of a folder in the authors' layout; None where there are none.

    Args:
        folder: of the checkpoint.
        averaged: prefer the averaged weights, as the authors' sample.py does.

    Raises:
        Refusal: if the weights are spread over several model-parallel parts.
    """
    found = {}
    for path in sorted(folder.glob("consolidated*")):
        match = PARTS.fullmatch(path.name)
        if match and match[3] != "01":
            raise Refusal(
                "weights in one part (00-of-01)",
                path.name,
                "merge the model-parallel parts with the authors' code",
            )
        if match:
            found[bool(match[1])] = path
    return found.get(averaged) or found.get(not averaged)


def read_arguments(folder: Path) -> dict[str, Any]:
    """Return model_args.pth as plain data; empty where it is not there. Runs no code of it."""
    path = folder / "model_args.pth"
    if not path.is_file():
        return {}
    with torch.serialization.safe_globals([argparse.Namespace]):
        return dict(vars(torch.load(path, map_location="cpu", weights_only=True)))


def load_checkpoint(path: Path, *, heads: int | None = None, side: int | None = None) -> Lumina:
    """Load one of the authors' weight files as a velocity network.

    Args:
        path: of the file.
        heads: of attention; None takes 72 channels a head, as both published sizes have.
        side: of the latent it was taught on; None takes it from model_args.pth, else 128.

    Raises:
        Refusal: if keys are missing or left over.
    """
    given = read_weights(path)
    image = read_arguments(path.parent).get("image_size")
    try:
        from diffusers import LuminaNextDiT2DModel
    except ImportError as error:
        raise Refusal("the diffusers library", "a Python without it", NEEDS) from error
    config = sizes_of(given, heads)
    config["sample_size"] = side or (int(image) // 8 if image else 128)
    state = {new: given[old] for old in given for new in new_names(old)}
    with torch.device("meta"):
        inner = LuminaNextDiT2DModel(**config)
    _refuse_other(inner, state, path)
    inner.load_state_dict(state, assign=True)
    shape = NetworkShape(
        latent_channels=config["in_channels"],
        patch=config["patch_size"],
        text_width=config["cross_attention_dim"],
    )
    return Lumina(shape, side=config["sample_size"], inner=inner.float())


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return a file's tensors, without running code from it."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    return content.get("state_dict", content)


def new_names(old: str) -> tuple[str, ...]:
    """Return where a tensor of the authors' model stands in diffusers'; queries stand twice."""
    block = re.fullmatch(r"layers\.(\d+)\.(.+)", old)
    if not block:
        return _renamed(old, OUTSIDE)
    head, rest = f"layers.{block[1]}.", block[2]
    if rest.startswith("attention.") and rest != "attention.gate":
        for start, places in ATTENTION.items():
            if rest.startswith(f"attention.{start}"):
                tail = rest.removeprefix(f"attention.{start}")
                return tuple(head + place + tail for place in places)
    return tuple(head + name for name in _renamed(rest, BLOCK))


def _renamed(old: str, table: Mapping[str, str]) -> tuple[str, ...]:
    for start, new in table.items():
        if old.startswith(start):
            return (new + old.removeprefix(start),)
    return (old,)


def sizes_of(given: Mapping[str, Tensor], heads: int | None = None) -> dict[str, Any]:
    """Return what LuminaNextDiT2DModel is built from, read off the tensors' shapes.

    Raises:
        Refusal: if the file is of another model.
    """
    try:
        width, cells = given["x_embedder.weight"].shape
        out = given["final_layer.linear.weight"].shape[0]
        inner, _ = given["layers.0.feed_forward.w1.weight"].shape
        gate = given.get("layers.0.attention.gate")
        heads = heads or (width // HEAD_CHANNELS if gate is None else len(gate))
        keys = given["layers.0.attention.wk.weight"].shape[0]
        text = given["layers.0.attention.wk_y.weight"].shape[1]
    except KeyError as error:
        raise Refusal(
            "a checkpoint of Lumina-Next or RetinaLogos",
            f"a file without {error}",
            "name consolidated_ema.00-of-01.pth or its folder",
        ) from error
    depth = 1 + max(int(name.split(".")[1]) for name in given if name.startswith("layers."))
    return {
        "patch_size": 2,
        "in_channels": cells // 4,
        "hidden_size": width,
        "num_layers": depth,
        "num_attention_heads": heads,
        "num_kv_heads": keys // (width // heads),
        **_rounding(width, inner),
        "learn_sigma": out == 2 * cells,
        "qk_norm": "layers.0.attention.q_norm.weight" in given,
        "cross_attention_dim": text,
    }


def _rounding(width: int, inner: int) -> dict[str, float | int | None]:
    """Return what makes diffusers' MLP as wide as the file's: 8/3 of the width, rounded up."""
    plain = int(8 * width / 3)
    for multiple in (256, 128, 64, 32, 16, 8, 4, 2, 1):
        if multiple * -(-plain // multiple) == inner:
            return {"multiple_of": multiple, "ffn_dim_multiplier": None}
    return {"multiple_of": 1, "ffn_dim_multiplier": (inner + 0.5) / plain}


def _refuse_other(inner: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    wanted = {name: value.shape for name, value in inner.state_dict().items()}
    missing = sorted(wanted.keys() - state.keys())
    extra = sorted(state.keys() - wanted.keys())
    other = [n for n in wanted.keys() & state.keys() if wanted[n] != state[n].shape]
    if missing or extra or other:
        words = ", ".join([*missing[:3], *extra[:3], *sorted(other)[:3]])
        raise Refusal(
            "every tensor of Lumina-Next and no other",
            f"{path}: {len(missing)} missing, {len(extra)} unknown, {len(other)} of another "
            f"shape ({words})",
            "name weights of Lumina-Next-T2I, Lumina-Next-SFT or RetinaLogos",
        )

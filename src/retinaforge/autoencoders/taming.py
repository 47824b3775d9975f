"""Checkpoints of taming-transformers (and latent-diffusion's first stages), brought to diffusers.

The layout was read from CompVis/taming-transformers, taming/models/vqgan.py,
taming/modules/diffusionmodules/model.py and taming/modules/vqvae/quantize.py: `state_dict` with
encoder.*, decoder.*, quant_conv.*, post_quant_conv.*, quantize.embedding.weight, and loss.* of the
discriminator and LPIPS. diffusers' VQModel is the same network under other names; only its
attention holds (c, c) matrices where taming has (c, c, 1, 1) convolutions, and its up blocks are
counted from the coarsest.

References:
    Esser, Rombach, Ommer 2021, arXiv 2012.09841. Rombach et al. 2022, arXiv 2112.10752.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from retinaforge.autoencoders.folder import read_safetensors, refuse_incomplete
from retinaforge.autoencoders.foreign import DiffusersAutoencoder, build_foreign
from retinaforge.autoencoders.report import KeyReport, compare_keys
from retinaforge.core import Refusal

IGNORED = ("loss.", "model_ema.")
_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_CONVERT = (
    "import torch; c = torch.load(FILE, map_location='cpu', weights_only=False); "
    "torch.save({'state_dict': c['state_dict']}, 'tensors.ckpt')"
)


def load_taming(path: Path) -> tuple[DiffusersAutoencoder, KeyReport]:
    """Load a taming-layout checkpoint, every key or none, as a diffusers model.

    Args:
        path: .ckpt, .pt, .pth or .safetensors.

    Raises:
        Refusal: for files with more than tensors, another layout, or keys that do not fit.
    """
    state = read_checkpoint(path)
    kept = {name: value for name, value in state.items() if not name.startswith(IGNORED)}
    class_name, config = infer_config(kept, path)
    model = build_foreign(class_name, config)
    renamed = {diffusers_name(name, len(config["block_out_channels"])): name for name in kept}
    wanted = model.inner.state_dict()
    given, reshaped = {}, []
    for new, old in renamed.items():
        given[new] = kept[old].float()
        if new in wanted and given[new].dim() == 4 and wanted[new].dim() == 2:
            given[new] = given[new].flatten(1)
            reshaped.append(f"{old} {tuple(kept[old].shape)} -> {tuple(given[new].shape)}")
    report = replace(
        compare_keys("taming-transformers checkpoint", wanted, given),
        reshaped=tuple(reshaped),
        ignored=tuple(name for name in state if name.startswith(IGNORED)),
    )
    refuse_incomplete(report, path)
    model.inner.load_state_dict(given)
    return model, report


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint; no code in it is ever run.

    Raises:
        Refusal: where the file holds more than tensors and plain data, or no state dict.
    """
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise Refusal(
            "a checkpoint of tensors only",
            f"{path}, which holds other objects (pytorch-lightning's, often) or is cut off",
            f"if you trust who made it, convert it where they are installed: {_CONVERT}",
        ) from error
    except (OSError, RuntimeError, EOFError) as error:
        raise Refusal("a whole checkpoint", f"{path} ({error})", "copy the file again") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else {}
    return {k: v for k, v in state.items() if isinstance(v, Tensor)}


def infer_config(state: Mapping[str, Tensor], path: Path) -> tuple[str, dict[str, Any]]:
    """Return the diffusers class and config that the shapes tell.

    Raises:
        Refusal: for a checkpoint of another layout (a Gumbel codebook among them).
    """
    needed = {"encoder.conv_in.weight", "encoder.conv_out.weight", "post_quant_conv.weight"}
    if lacking := sorted(needed - state.keys()):
        raise Refusal(
            "taming's keys encoder.*, decoder.*, post_quant_conv.*",
            f"{path} without {', '.join(lacking)}",
            "name a VQGAN or first-stage checkpoint",
        )
    z, embedded = state["post_quant_conv.weight"].shape[:2]
    depth = 1 + max(int(m[1]) for k in state if (m := re.match(r"encoder\.down\.(\d+)\.", k)))
    attends = [f"encoder.down.{i}.attn.0.q.weight" in state for i in range(depth)]
    config: dict[str, Any] = {
        "block_out_channels": tuple(
            state[f"encoder.down.{i}.block.0.conv1.weight"].shape[0] for i in range(depth)
        ),
        "layers_per_block": len(
            {m[1] for k in state if (m := re.match(r"encoder\.down\.0\.block\.(\d+)\.", k))}
        ),
        "latent_channels": z,
        "down_block_types": tuple(
            "AttnDownEncoderBlock2D" if yes else "DownEncoderBlock2D" for yes in attends
        ),
        "up_block_types": tuple(
            "AttnUpDecoderBlock2D" if yes else "UpDecoderBlock2D" for yes in reversed(attends)
        ),
    }
    if "quantize.embedding.weight" in state:
        codes = state["quantize.embedding.weight"].shape[0]
        return "VQModel", {**config, "num_vq_embeddings": codes, "vq_embed_dim": embedded}
    if state["encoder.conv_out.weight"].shape[0] == 2 * z:
        return "AutoencoderKL", config
    raise Refusal(
        "a codebook quantize.embedding.weight or an encoder of 2 x z channels (KL)",
        f"{path} with neither (a Gumbel codebook?)",
        "name a VQGAN of taming's VectorQuantizer2 or a KL first stage",
    )


def diffusers_name(name: str, depth: int) -> str:
    """Return diffusers' name of one of taming's keys; others come back unchanged.

    Args:
        name: e.g. "decoder.up.0.block.1.nin_shortcut.weight".
        depth: number of resolutions.
    """
    name = name.replace("nin_shortcut", "conv_shortcut").replace("norm_out", "conv_norm_out")
    if m := re.match(r"(encoder|decoder)\.mid\.block_(\d)\.(.+)", name):
        return f"{m[1]}.mid_block.resnets.{int(m[2]) - 1}.{m[3]}"
    if m := re.match(r"(encoder|decoder)\.mid\.attn_1\.(\w+)\.(\w+)", name):
        return f"{m[1]}.mid_block.attentions.0.{_ATTENTION[m[2]]}.{m[3]}"
    if not (m := re.match(r"(encoder|decoder)\.(down|up)\.(\d+)\.(.+)", name)):
        return name
    side, way, rest = m[1], m[2], m[4]
    place = int(m[3]) if way == "down" else depth - 1 - int(m[3])
    rest = rest.replace("block.", "resnets.").replace(f"{way}sample.", f"{way}samplers.0.")
    if attention := re.match(r"attn\.(\d+)\.(\w+)\.(\w+)", rest):
        rest = f"attentions.{attention[1]}.{_ATTENTION[attention[2]]}.{attention[3]}"
    return f"{side}.{way}_blocks.{place}.{rest}"

"""Low-rank adapters on a large base, by PEFT: a few megabytes in place of its weights.

    W' = W + (alpha / rank) B A,    A normal, B 0 at the start

Hu et al., ICLR 2022, arXiv 2106.09685, equation 3. An adapter's folder is PEFT's own
(adapter_config.json, adapter_model.safetensors), with the base's hash beside it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_bytes, write_json

TARGETS: Mapping[str, tuple[str, ...]] = {
    "Lumina": ("to_q", "to_k", "to_v", "to_out.0", "linear_1", "linear_2", "linear_3"),
    "DiT": ("query", "key_value", "out", "rise", "fall"),
}
"""Linear layers of the blocks that get an adapter; nothing outside the blocks does."""
NAME, CONFIG, WEIGHTS, BASE = "default", "adapter_config.json", "adapter_model.safetensors", "base"
NEEDS = "pip install 'retinaforge[generate]'"


def add_lora(
    network: nn.Module,
    *,
    rank: int = 16,
    alpha: float | None = None,
    also: tuple[str, ...] = ("classes", "maps_in"),
) -> nn.Module:
    """Put adapters into a network's blocks and freeze all else; changed in place.

    Args:
        network: a DiT or a Lumina.
        rank: of each adapter.
        alpha: its weight is alpha / rank; None takes alpha = rank.
        also: modules outside the blocks that go on learning: what a base does not have yet.

    Returns:
        The same network; its velocity is what it was.

    Raises:
        Refusal: without the peft library, for a rank below 1, or a network that has adapters.
    """
    if rank < 1:
        raise Refusal("a rank of 1 or more", str(rank), "16 suits a network of 2 billion")
    if has_lora(network):
        raise Refusal("a network without adapters", "one with", "merge_lora it first")
    config = _config(network, rank, float(alpha or rank))
    _peft().inject_adapter_in_model(config, network, adapter_name=NAME)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_("lora_" in name or name.split(".")[0] in also)
    return network


def has_lora(network: nn.Module) -> bool:
    """Return whether a network has adapters."""
    return any("lora_" in name for name, _ in network.named_parameters())


def lora_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return what was learnt beside the frozen base, by name."""
    learnt = {name for name, p in network.named_parameters() if p.requires_grad}
    return {name: x for name, x in network.state_dict().items() if name in learnt}


@torch.no_grad()
def base_hash(network: nn.Module) -> str:
    """Return a hash of what is frozen: names, shapes and sums.

    Sums, not bytes: 2 billion weights on a GPU are hashed in a second, and another training of the
    same network has other sums.
    """
    learnt, said = set(lora_weights(network)), []
    for name, value in network.state_dict().items():
        if name not in learnt:
            sums = value.double().sum().item(), value.double().square().sum().item()
            plain = name.replace(".base_layer", "")
            said.append([plain, list(value.shape), *(f"{x:.6e}" for x in sums)])
    return hashlib.sha256(json.dumps(sorted(said)).encode()).hexdigest()


def save_lora(folder: Path, network: nn.Module, *, base: str, meta: Mapping[str, Any]) -> Path:
    """Write the adapters alone, in PEFT's layout.

    Args:
        folder: made where absent.
        network: with adapters.
        base: name of the base's folder, for the reader.
        meta: what a reader must know.

    Raises:
        Refusal: for a network without adapters.
    """
    _require_lora(network)
    layer = next(m for m in network.modules() if hasattr(m, "lora_A"))
    rank, scaling = layer.r[NAME], layer.scaling[NAME]
    config = _config(network, rank, scaling * rank)
    plain = {name: x.detach().cpu().contiguous() for name, x in lora_weights(network).items()}
    named = {f"base_model.model.{_short(name)}": value for name, value in plain.items()}
    write_bytes(folder / WEIGHTS, save(named, metadata={"format": "pt"}))
    said = {k: _listed(v) for k, v in config.to_dict().items()}
    about = {BASE: base, "base_hash": base_hash(network), "meta": dict(meta)}
    write_json(folder / "retinaforge_lora.json", about)
    write_json(folder / CONFIG, {**said, "base_model_name_or_path": base})
    return folder


def load_lora(folder: Path, network: nn.Module) -> nn.Module:
    """Put saved adapters onto their base; changed in place, ready to train on or to merge.

    Raises:
        Refusal: if the folder is none, or the adapters are of another base.
    """
    try:
        config = json.loads((folder / CONFIG).read_text())
        about = json.loads((folder / "retinaforge_lora.json").read_text())
        weights = load_file(folder / WEIGHTS)
    except (OSError, ValueError) as error:
        raise Refusal("a folder of save_lora", f"{folder} ({error})", "name another") from error
    add_lora(network, rank=config["r"], alpha=config["lora_alpha"])
    wanted = lora_weights(network)
    given = {_long(name, wanted): value for name, value in weights.items()}
    same = {n: x.shape for n, x in given.items()} == {n: x.shape for n, x in wanted.items()}
    if not same or base_hash(network) != about["base_hash"]:
        raise Refusal(
            f"the base that these adapters were learnt on ({about[BASE]})",
            "a network of another shape" if not same else "another network of its shape",
            "load that base first",
        )
    network.load_state_dict(given, strict=False)
    return network


def merge_lora(network: nn.Module) -> nn.Module:
    """Work the adapters into the weights and take them out; a plain network again.

    Raises:
        Refusal: for a network without adapters.
    """
    _require_lora(network)
    for name, module in list(network.named_modules()):
        if hasattr(module, "lora_A") and hasattr(module, "get_base_layer"):
            module.merge(safe_merge=True)
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, module.get_base_layer())
    network.requires_grad_(True)
    pad = getattr(getattr(network, "inner", None), "pad_token", None)
    if pad is not None:
        pad.requires_grad_(False)
    if hasattr(network, "peft_config"):
        del network.peft_config
    return network


def _config(network: nn.Module, rank: int, alpha: float) -> Any:
    kind = type(network).__name__
    if kind not in TARGETS:
        raise Refusal(f"a network of class {' or '.join(TARGETS)}", kind, "use PEFT itself")
    blocks = "inner.layers" if kind == "Lumina" else "blocks"
    ends = "|".join(map(re.escape, TARGETS[kind]))
    return _peft().LoraConfig(
        r=rank,
        lora_alpha=alpha if math.modf(alpha)[0] else int(alpha),
        target_modules=re.escape(blocks) + rf"\.\d+\.(.*\.)?({ends})",
    )


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise Refusal("the peft library", "a Python without it", NEEDS) from error
    return peft


def _require_lora(network: nn.Module) -> None:
    if not has_lora(network):
        raise Refusal("a network with adapters", "one without", "add_lora or load_lora first")


def _short(name: str) -> str:
    return name.replace(f".{NAME}.", ".")


def _long(name: str, wanted: Mapping[str, Tensor]) -> str:
    plain = name.removeprefix("base_model.model.")
    return next((full for full in wanted if _short(full) == plain), plain)


def _listed(value: Any) -> Any:
    if isinstance(value, set | tuple):
        return sorted(value)
    return getattr(value, "value", value)

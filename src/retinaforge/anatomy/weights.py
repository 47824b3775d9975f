"""Weight files of this room: safetensors whose header says what they are and how to use them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from retinaforge.anatomy.shelf import WeightsRefused
from retinaforge.core import Refusal, artefacts
from retinaforge.encoders.weights import load_keys

Network = TypeVar("Network", bound=nn.Module)


def save_network(model: nn.Module, path: Path, *, format: str, meta: Mapping[str, Any]) -> Path:
    """Write a network as safetensors.

    Args:
        model: what was trained.
        path: ends in .safetensors.
        format: what kind of network it is, as `read_network` will ask.
        meta: plain data for the header, one JSON value a key.
    """
    header = {"format": format} | {key: json.dumps(value) for key, value in meta.items()}
    tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
    return artefacts.write_bytes(path, save(tensors, header))


def format_of(path: Path) -> str | None:
    """Return what a safetensors file says it is; None where it is none or does not say."""
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError):
        return None
    return header.get("format")


def read_network(
    path: Path, *, format: str, train: str, build: Callable[[dict[str, Any]], Network]
) -> tuple[Network, dict[str, Any]]:
    """Return a network written by `save_network`, in evaluation mode, and its meta data.

    Args:
        path: the file.
        format: what kind of network is asked for.
        train: the command that makes such a file, for the refusal.
        build: makes the empty network from the meta data.

    Raises:
        WeightsRefused: "expected a {format} as safetensors"; or its keys, with those that do not
            fit.
    """
    expected, remedy = f"a {format} as safetensors", f"train one with `{train}`, or use `ours`"
    if not path.is_file():
        raise WeightsRefused(expected, f"no file at {path}", remedy)
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            state: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise WeightsRefused(expected, f"{path} ({error})", remedy) from error
    if header.get("format") != format:
        raise WeightsRefused(expected, f"{path} of format {header.get('format')!r}", remedy)
    meta = {key: json.loads(value) for key, value in header.items() if key != "format"}
    model = build(meta)
    load_strictly(model, state, source=str(path))
    return model.eval(), meta


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Fill `model` with `state`, or refuse with the differences.

    Raises:
        WeightsRefused: expected the network's own keys; got a list of differences.
    """
    try:
        load_keys(model, state, ignore={})
    except Refusal as error:
        remedy = "name the file that was trained for this network"
        raise WeightsRefused(error.expected, f"{source}: {error.came}", remedy) from error

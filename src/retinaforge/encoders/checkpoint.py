"""A weight file as it was read: its arrays, and everything else that it says about itself."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders.files import find_file, parts_of, read_file

WRAPPERS = ("model", "state_dict", "model_state_dict", "teacher", "model_ema", "ema", "student")
"""Keys under which arrays lie; of several in one file the first here is taken."""
PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.")
"""Taken off where every array has them, as wrappers of PyTorch and Lightning leave them."""
SELF_DISTILLED = ("teacher", "student")
"""Under these, "backbone." is taken off though the heads beside it have none."""
Plain = str | int | float | bool | None


@dataclass(frozen=True)
class Checkpoint:
    """Arrays of one file under the names they have there, after its wrapper was taken off.

    Attributes:
        path: the file.
        weights: arrays by name.
        wrapper: key under which they lay ("model", "teacher", "state_dict", ...; nested ones joined
            as "model.teacher"), or "".
        said: what else the file says: "args" (a mapping of plain values), "metadata" (of
            safetensors), "config" (config.json beside it), "also" (other wrappers in the file, such
            as "student" or "optimizer"), and plain values such as "epoch".
        prefix: what was taken off the arrays' names, e.g. "module." or "backbone.".
        options: what the user wrote after the file's name, by option.
    """

    path: Path
    weights: Mapping[str, Tensor]
    wrapper: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """Return the file's fingerprint; of an index of shards, that of theirs in a row."""
        parts = parts_of(self.path)
        if len(parts) == 1:
            return sha256_of(parts[0])
        return hashlib.sha256("".join(map(sha256_of, parts)).encode()).hexdigest()

    def renamed(self, rename: Callable[[str], str | None]) -> Checkpoint:
        """Return the checkpoint with its arrays renamed; None leaves an array out."""
        pairs = ((rename(key), value) for key, value in self.weights.items())
        return replace(self, weights={key: value for key, value in pairs if key is not None})


def read_checkpoint(path: Path, options: Mapping[str, str] | None = None) -> Checkpoint:
    """Read .npz, .safetensors, an index of shards, a torch file, or a Hugging Face folder.

    Nothing in the file is executed: npz without pickle, torch with `weights_only=True`.

    Args:
        path: file or folder.
        options: what the user set for the family's loader.

    Raises:
        Refusal: if the file is absent, holds anything but arrays and plain values, or no array.
    """
    file = find_file(path)
    content, metadata = read_file(file)
    inner, wrapper = unwrapped(content)
    weights = {key: value for key, value in inner.items() if isinstance(value, Tensor)}
    said = _said(content, wrapper) | ({"metadata": metadata} if metadata else {})
    if config := _config(file):
        said["config"] = config
    stripped, prefix, distilled = _stripped(weights, wrapper)
    return Checkpoint(file, stripped, distilled or wrapper, said, prefix, dict(options or {}))


def unwrapped(content: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Return the mapping of arrays inside, and the keys that led there."""
    path: list[str] = []
    while True:
        found = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        found = found or _sole(content)
        if found is None:
            return content, ".".join(path)
        path.append(found)
        content = content[found]


def _sole(content: Mapping[str, Any]) -> str | None:
    """Return the only key under which arrays lie, whatever it is called."""
    if any(isinstance(value, Tensor) for value in content.values()):
        return None
    named = [
        key
        for key, value in content.items()
        if isinstance(value, Mapping) and any(isinstance(x, Tensor) for x in value.values())
    ]
    return named[0] if len(named) == 1 and isinstance(named[0], str) else None


def _said(content: Mapping[str, Any], wrapper: str) -> dict[str, Any]:
    said = {key: value for key, value in content.items() if isinstance(value, Plain)}
    args = content.get("args")
    values = vars(args) if isinstance(args, argparse.Namespace) else args
    if isinstance(values, Mapping):
        said["args"] = {key: value for key, value in values.items() if _plain(value)}
    used = wrapper.partition(".")[0]
    also = [key for key, value in content.items() if isinstance(value, Mapping) and key != used]
    also = [key for key in also if key != "args"]
    return said | ({"also": also} if also else {})


def _plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_plain(item) for item in value)
    return isinstance(value, Plain)


def _config(file: Path) -> dict[str, Any]:
    beside = file.parent / "config.json"
    try:
        found = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _stripped(
    weights: Mapping[str, Tensor], wrapper: str
) -> tuple[dict[str, Tensor], str, str | None]:
    """Return arrays without their prefix, the prefix, and "teacher" where names told it."""
    arrays, taken, distilled = dict(weights), "", None
    if any(key.startswith("teacher.") for key in arrays):
        arrays = {k.removeprefix("teacher."): v for k, v in arrays.items() if k.startswith("teach")}
        distilled = ".".join(filter(None, (wrapper, "teacher")))
    while prefix := next((p for p in PREFIXES if arrays and _all_have(arrays, p)), ""):
        arrays, taken = {k.removeprefix(prefix): v for k, v in arrays.items()}, taken + prefix
    last = (distilled or wrapper).rpartition(".")[2]
    if last in SELF_DISTILLED and any(key.startswith("backbone.") for key in arrays):
        arrays, taken = _without(arrays, "backbone."), taken + "backbone."
    return arrays, taken, distilled


def _all_have(arrays: Mapping[str, Tensor], prefix: str) -> bool:
    return all(key.startswith(prefix) for key in arrays)


def _without(arrays: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in arrays.items()}


def require_arrays(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint, or refuse one without a single array."""
    if checkpoint.weights:
        return checkpoint
    also = ", ".join(checkpoint.said.get("also", ())) or "nothing"
    raise Refusal(
        "named arrays",
        f"{checkpoint.path}, which holds none ({also} beside)",
        "save the network's state dict",
    )

"""Read the arrays of a weight file without running anything that is in it.

A file is known by its first bytes, not by its name: numpy's .npz, safetensors (also in shards, by
their index), and what torch.save writes. torch files are read with `weights_only=True`; a pickle
that would call anything is refused with the lines that convert it where one trusts it.
"""

from __future__ import annotations

import argparse
import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from retinaforge.core import Refusal
from retinaforge.encoders.kinds import WEIGHTS, kind_of, refuse_kind

INDEX_KEY = "weight_map"
IN_A_FOLDER = (
    "model.safetensors", "model.safetensors.index.json", "open_clip_model.safetensors",
    "pytorch_model.bin", "pytorch_model.bin.index.json", "open_clip_pytorch_model.bin",
)  # fmt: skip
PICKLE_WORDS = ("Unsupported global", "Unsupported operand", "WeightsUnpickler", "weights_only")


def find_file(path: Path) -> Path:
    """Return the weight file that a path means: itself, or the one in a Hugging Face folder.

    Raises:
        Refusal: "expected a weight file; got PATH, which is no file".
    """
    if path.is_file():
        return path
    inside = [path / name for name in IN_A_FOLDER if (path / name).is_file()]
    if inside:
        return inside[0]
    came = "which is a folder without a weight file of a usual name" if path.is_dir() else (
        "which is no file"
    )  # fmt: skip
    raise Refusal("a weight file", f"{path}, {came}", "check the path")


def read_file(path: Path) -> tuple[Mapping[str, Any], dict[str, str]]:
    """Return what a file holds by name (arrays and plain values), and safetensors' metadata.

    Raises:
        Refusal: if it holds anything but arrays and plain values, or is of another kind.
    """
    try:
        kind = kind_of(path)
        if kind == "npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {key: torch.from_numpy(arrays[key]) for key in arrays.files}, {}
        if kind == "safetensors":
            return _safetensors(path)
        if kind == "index":
            return _shards(path)
        if kind == "torch":
            return _torch(path), {}
    except PermissionError as error:
        came = f"{path}, which this user may not read"
        raise Refusal("a weight file", came, "ask its owner, or chmod u+r") from error
    except (OSError, ValueError, RuntimeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error
    except (pickle.UnpicklingError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    raise refuse_kind(path, kind)


def parts_of(path: Path) -> tuple[Path, ...]:
    """Return the files that hold the arrays: shards where `path` is their index, else itself."""
    if kind_of(path) != "index":
        return (path,)
    names = json.loads(path.read_text(encoding="utf-8"))[INDEX_KEY].values()
    return tuple(path.parent / name for name in sorted(set(names)))


def _safetensors(path: Path) -> tuple[Mapping[str, Any], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118


def _shards(path: Path) -> tuple[Mapping[str, Any], dict[str, str]]:
    arrays: dict[str, Any] = {}
    for shard in parts_of(path):
        if not shard.is_file():
            raise Refusal(
                "all shards beside their index",
                f"{path} without {shard.name}",
                "fetch the missing shard into the same folder",
            )
        arrays |= read_file(shard)[0]
    return arrays, {}


def _torch(path: Path) -> Mapping[str, Any]:
    # MAE's and RETFound's checkpoints carry their argparse.Namespace; it holds plain values only.
    # Mapped, the optimiser's half of a checkpoint is never read.
    mapped = zipfile.is_zipfile(path)
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}, not named arrays")
    return content


def _unreadable(path: Path, error: Exception) -> Refusal:
    words = str(error).splitlines()
    said = next((line.strip() for line in words if any(w in line for w in PICKLE_WORDS)), "")
    if isinstance(error, pickle.UnpicklingError) and said:
        return _pickled(path, str(error))
    first = words[0].partition(". ")[0] if words else "empty"
    return Refusal(
        WEIGHTS,
        f"{path} ({type(error).__name__}: {first})",
        "fetch it again, or save its state dict alone as .safetensors",
    )


def _pickled(path: Path, message: str) -> Refusal:
    """Refuse a pickle that wants to call something, and say how to convert it."""
    _, _, after = message.partition("GLOBAL ")
    wanted = after.split(" ")[0] if after else "code of its own"
    converted = path.with_suffix(".safetensors").name
    return Refusal(
        WEIGHTS,
        f"{path}, a pickle that runs {wanted} when it is opened",
        "where you trust who made it, convert it once where its code is installed and name the "
        f"new file:\n{CONVERT.format(path=path.name, converted=converted)}",
    )


CONVERT = """\
    import torch, safetensors.torch as st
    d = torch.load("{path}", "cpu", weights_only=False)  # runs it
    d = d.state_dict() if hasattr(d, "state_dict") else d
    d = next((d[k] for k in ("teacher", "model", "state_dict") if k in d), d)
    d = {{k: torch.as_tensor(v) for k, v in d.items() if hasattr(v, "shape")}}
    st.save_file({{k: v.clone() for k, v in d.items()}}, "{converted}")"""

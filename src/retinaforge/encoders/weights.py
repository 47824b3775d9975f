"""Read weight files without running what is in them, and report every key that did not fit."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from retinaforge.core import Refusal

WRAPPERS = ("model", "state_dict", "model_state_dict")


@dataclass(frozen=True)
class KeyReport:
    """How a file's keys met a network's.

    Attributes:
        loaded: how many arrays went in.
        missing: keys the network has and the file lacks.
        unexpected: keys the file has and nobody knows.
        reshaped: "key: file's shape, network's shape" where these differ.
        ignored: what was left aside on purpose, in words.
    """

    loaded: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Return whether every key found its place."""
        return not (self.missing or self.unexpected or self.reshaped)

    def in_words(self) -> str:
        """Return one line for a card or a message."""
        parts = [f"{self.loaded} arrays loaded"]
        for word in ("missing", "unexpected", "reshaped"):
            keys = getattr(self, word)
            if keys:
                parts.append(f"{len(keys)} {word} ({_first(keys)})")
        return "; ".join([*parts, *self.ignored])


def _first(keys: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(keys[:most]) + (", ..." if len(keys) > most else "")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read .npz, .safetensors or a torch file into one flat mapping of names to float tensors.

    Nothing in the file is executed: npz without pickle, torch with `weights_only=True`. Wrappers
    ("model", "state_dict") and a leading "module." are taken off.

    Raises:
        Refusal: if the file is absent or holds anything but arrays.
    """
    if not path.is_file():
        raise Refusal("a weight file", f"{path}, which is no file", "check the path")
    try:
        content = _read(path)
    except (OSError, ValueError, RuntimeError, KeyError, EOFError) as error:
        raise _unreadable(path, error) from error
    except (pickle.UnpicklingError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    return {key.removeprefix("module."): value for key, value in tensors.items()}


def _unreadable(path: Path, error: Exception) -> Refusal:
    return Refusal(
        "a whole .npz, .safetensors or torch weight file that holds only arrays",
        f"{path} ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'empty'})",
        "fetch it again, or save its state dict alone as .safetensors",
    )


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    if path.suffix == ".safetensors":
        return load_file(path)
    # MAE's and RETFound's checkpoints carry their argparse.Namespace; it holds plain values only.
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}, not named arrays")
    return content


def load_keys(
    network: nn.Module, weights: Mapping[str, Tensor], *, ignore: Mapping[str, str]
) -> KeyReport:
    """Load `weights` into `network`, every key accounted for.

    Args:
        network: whose parameters are filled.
        weights: names and arrays of the file.
        ignore: prefixes that may be left aside, with the words that say why.

    Raises:
        Refusal: if a key is missing, unknown or of another shape, with the report.
    """
    own = network.state_dict()
    aside = {key for key in weights if key not in own and key.startswith(tuple(ignore))}
    given = {key: value for key, value in weights.items() if key not in aside}
    report = KeyReport(
        loaded=len(own.keys() & given.keys()),
        missing=tuple(key for key in own if key not in given),
        unexpected=tuple(key for key in given if key not in own),
        reshaped=tuple(
            f"{key}: file {tuple(given[key].shape)}, network {tuple(own[key].shape)}"
            for key in own
            if key in given and given[key].shape != own[key].shape
        ),
        ignored=_ignored_words(aside, ignore),
    )
    if not report.fits:
        raise Refusal(
            f"the keys of {type(network).__name__}",
            report.in_words(),
            "name the file of this very network, or the encoder that fits the file",
        )
    network.load_state_dict(given)
    return report


def _ignored_words(aside: set[str], ignore: Mapping[str, str]) -> tuple[str, ...]:
    counts = {prefix: sum(key.startswith(prefix) for key in aside) for prefix in ignore}
    return tuple(
        f"{count} arrays {prefix}* left aside ({ignore[prefix]})"
        for prefix, count in counts.items()
        if count
    )

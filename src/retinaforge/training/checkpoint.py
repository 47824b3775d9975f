"""Checkpoints: whole or absent, the last two kept, loadable without running any code."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retinaforge.core import Refusal, artefacts
from retinaforge.training import journal

# Newest first; "new" exists only where a kill fell between the two renames of `save`.
NAMES = ("checkpoint.new.pt", "checkpoint.pt", "checkpoint.previous.pt")


def kept_name(step: int) -> str:
    """Return the name under which a checkpoint that is to stay is kept."""
    return f"checkpoint-at-{step}.pt"


def keep_copy(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write a checkpoint that later ones do not replace.

    Raises:
        DiskFull: if there was no room.
    """
    path = folder / kept_name(content["step"])
    return artefacts.write_with(path, lambda stream: torch.save(dict(content), stream))


def save(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write checkpoint.pt; the one before becomes checkpoint.previous.pt.

    Raises:
        DiskFull: if there was no room; both earlier checkpoints then stand as they were.
    """
    new, last, previous = (folder / name for name in NAMES)
    artefacts.write_with(new, lambda stream: torch.save(dict(content), stream))
    if last.exists():
        os.replace(last, previous)
    os.replace(new, last)
    return last


def load(folder: Path) -> dict[str, Any] | None:
    """Return the newest whole checkpoint, or None where there is none.

    Raises:
        Refusal: if there are checkpoints and none of them can be read.
    """
    present = [folder / name for name in NAMES if (folder / name).exists()]
    broken: list[str] = []
    for path in present:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged zip raises one of a dozen types
            broken.append(f"{path.name} ({str(error).splitlines()[0][:80]})")
            continue
        for text in broken:
            journal.note(folder, content["step"], "damaged checkpoint", f"{text}: not used")
        return content
    if broken:
        raise Refusal(
            f"a readable checkpoint in {folder}",
            "; ".join(broken),
            "delete the folder to train from the start",
        )
    return None


def compare(stored: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with a run under another description than it began with."""
    for name in sorted({*stored, *asked}):
        if stored.get(name) != asked.get(name):
            raise Refusal(
                f"{name} = {stored.get(name)!r}, as the run in {folder} began",
                f"{name} = {asked.get(name)!r}",
                "ask for what it began with, or train into another folder",
            )


def random_states() -> dict[str, Any]:
    """Return the states of all random generators as tensors and plain numbers."""
    # NumPy's global generator is legacy, and yet what a caller's `draw` or loss may use.
    kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(kind), keys.tolist(), int(position), int(has_gauss), float(gauss)],
        "python": random.getstate(),
    }


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Put all random generators back into the states returned by `random_states`."""
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    random.setstate(states["python"])

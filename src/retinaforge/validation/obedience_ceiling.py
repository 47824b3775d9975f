"""The oracle's own scores on held-out eyes: how far any word can be measured at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import environment, write_json
from retinaforge.tasks.oracle import load_oracle, read_held_out
from retinaforge.validation.obedience import cards, ceiling_of

CEILING = "ceiling.json"


def write_ceiling(folder: Path, *, seed: int = 0) -> dict[str, Any]:
    """Write ceiling.json into an oracle's folder, and return it.

    Raises:
        Refusal: expected an oracle's folder.
    """
    about = load_oracle(folder).about
    told = {
        "words": ceiling_of(read_held_out(folder), seed=seed), "cards": cards(),
        "oracle": {key: about[key] for key in ("asked", "side_px", "took", "held_out")},
        "environment": environment(),
    }  # fmt: skip
    write_json(folder / CEILING, told)
    return told

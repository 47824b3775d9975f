"""The second step of a recipe: which pairs are good enough to be learnt from at high resolution."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal, artefacts
from retinaforge.tasks.generator_prepare import Inputs
from retinaforge.tasks.generator_train import Telling
from retinaforge.tasks.pairs import Pair

KEPT = "kept.json"


def run_purification(inputs: Inputs, folder: Path, telling: Telling) -> dict[str, Any]:
    """Score every training pair and keep the best; write scores and who was kept.

    Returns:
        What the report says, as plain data.

    Raises:
        Refusal: if nothing is kept.
    """
    raise NotImplementedError


def read_kept(folder: Path, pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Return the pairs that were kept, in the order of `pairs`."""
    names = set(json.loads((folder / KEPT).read_text(encoding="utf-8"))["names"])
    kept = tuple(pair for pair in pairs if pair.name in names)
    if not kept:
        raise Refusal("pairs that purification kept", "none", "raise purify.keep")
    return kept


def write_kept(folder: Path, names: Sequence[str]) -> None:
    """Write the names of what was kept."""
    artefacts.write_json(folder / KEPT, {"names": list(names)})

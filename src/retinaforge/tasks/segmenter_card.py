"""What weights and their card say of a training: data, licence, recipe, commit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retinaforge.core import Record, artefacts
from retinaforge.tasks.segmenter_data import LICENCE


def training_meta(
    records: Sequence[Record], phantoms: int, config: Any, **own: Any
) -> dict[str, Any]:
    """Return the header of a weight file.

    Args:
        records: photographs learnt from.
        phantoms: drawn eyes learnt from.
        config: the recipe, a dataclass.
        own: what this kind of network needs besides, such as levels and sizes.
    """
    counts = {d: sum(r.dataset == d for r in records) for d in sorted({r.dataset for r in records})}
    drawn = [f"{phantoms} phantoms"] if phantoms else []
    learnt = f"trained on data under {LICENCE}, authors named in the model card"
    return {
        **own,
        "training_data": [*(f"{d} ({n} training images)" for d, n in counts.items()), *drawn],
        "licence": f"Apache-2.0; {learnt if records else 'trained on phantoms only'}",
        "config": asdict(config),
        "commit": artefacts.git_commit(Path(__file__).parent),
    }


def begun_with(header: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is said of the weights that a training began with; nothing where it had none."""
    if header is None:
        return {}
    return {"begun_with": {key: header[key] for key in ("training_data", "config", "commit")}}


def write_card(out: Path, meta: dict[str, Any], weights: Path, **more: Any) -> dict[str, Any]:
    """Write card.json beside weights and return what it says.

    Args:
        out: the run folder.
        meta: the weights' header.
        weights: the file, whose SHA-256 the card states.
        more: what was learnt from and how it was judged.
    """
    card = {**meta, **more, "sha256": artefacts.sha256_of(weights)}
    artefacts.write_json(out / "card.json", json.loads(json.dumps(card)))
    return card

"""What a taught generator says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retinaforge.core import artefacts
from retinaforge.generators.classes import ClassVocabulary
from retinaforge.generators.maps import MapPlan
from retinaforge.tasks.generator_draw import GeneratorData
from retinaforge.tasks.generator_prepare import Inputs


def facts_of_data(data: GeneratorData) -> dict[str, Any]:
    """Return what was learnt from, in numbers, and what was left out."""
    return {
        "photographs": len(data),
        "captions": len(data.texts),
        "left_out": [{"name": name, "reason": reason} for name, reason in _left_out(data)],
        "truncation": data.texts.truncation(),
        **({} if data.maps is None else {"masks": data.maps.counts()}),
    }


def _left_out(data: GeneratorData) -> tuple[tuple[str, str], ...]:
    return (*data.latents.left_out, *(() if data.maps is None else data.maps.left_out))


def model_card(
    inputs: Inputs,
    name: str,
    found: dict[str, Any],
    vocabulary: ClassVocabulary,
    maps: MapPlan | None = None,
) -> dict[str, Any]:
    """Return what a reader of the weights must know."""
    pairs = inputs.pairs
    drawn = sum(pair.synthetic for pair in pairs)
    return {
        "recipe": inputs.recipe.name,
        "step": name,
        "settings": inputs.recipe.model_dump(mode="json"),
        "scale": found["latents"]["scale"],
        "shift": found["latents"]["shift"],
        "size_px": found["latents"]["size_px"],
        "vocabulary": vocabulary.as_dict(),
        **({} if maps is None else {"maps": maps.as_dict()}),
        "training_data": {
            "photographs": len(pairs) - drawn,
            "synthetic": drawn,
            "datasets": sorted({pair.record.dataset for pair in pairs} - {""}),
            "licences": sorted({pair.record.licence or "unknown" for pair in pairs}),
            "caption_writers": sorted({pair.writer or "unknown" for pair in pairs}),
            **_masks_told(found["data"]),
        },
        "hashes": inputs.hashes,
        "result": found["result"],
        "commit": artefacts.git_commit(Path(__file__).parent),
    }


def _masks_told(data: dict[str, Any]) -> dict[str, list[str]]:
    """Return in words how many photographs came with each mask."""
    counts = data.get("masks")
    if not counts:
        return {}
    said = (f"{n['given']} {kind} of {n['of']} ({n['empty']} empty)" for kind, n in counts.items())
    return {"masks": list(said)}

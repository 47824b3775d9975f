"""A generator's README.md: what it is, whose terms it is under, what it learnt from, its limits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

LIMITS = (
    "The images are synthetic. They show nobody's eye and must not be used for a diagnosis.",
    "Words that the training captions never used have no meaning to it.",
    "A caption is a wish: measure on samples how often it is obeyed before relying on it.",
    "Images may repeat photographs it learnt from; check a set for copies before giving it away.",
)


def model_card(
    *,
    meta: Mapping[str, Any],
    network: Mapping[str, Any],
    parameters: int,
    licences: Sequence[tuple[str, str, str]],
    why_not: Sequence[str],
    told: Sequence[str] = (),
) -> str:
    """Return the card as Markdown with the front matter that the hub reads.

    Args:
        meta: recipe, step, training_data, result, size_px, limits, licence; any may be missing.
        network: its `as_dict`.
        parameters: how many.
        licences: (part, licence, which file) of network, autoencoder, text encoder, data.
        why_not: reasons why diffusers alone cannot load it; none where it can.
        told: what to know when diffusers does.
    """
    licence = str(meta.get("licence") or "other")
    parts = [
        _front(licence, not why_not),
        f"# {_title(meta)}\n",
        "A generator of retinal photographs from words, made with RetinaForge. **Every image it "
        "makes is synthetic.**\n",
        _use(meta, why_not, told),
        _network(network, parameters),
        _data(meta),
        _licences(licence, licences),
        "## Known limits\n",
        *[f"- {line}" for line in (*LIMITS, *meta.get("limits", ()))],
    ]
    return "\n".join(parts) + "\n"


def _front(licence: str, alone: bool) -> str:
    library = "diffusers" if alone else "retinaforge"
    return (
        f"---\nlicense: {licence}\nlibrary_name: {library}\npipeline_tag: text-to-image\n"
        "tags: [medical, retina, fundus, synthetic, rectified-flow]\n---\n"
    )


def _title(meta: Mapping[str, Any]) -> str:
    said = [str(meta[name]) for name in ("recipe", "step") if meta.get(name)]
    return "Retina generator" + (f": {', '.join(said)}" if said else "")


def _use(meta: Mapping[str, Any], why_not: Sequence[str], told: Sequence[str]) -> str:
    if why_not:
        reasons = "\n".join(f"- {line}" for line in why_not)
        return (
            "## Use\n\n```python\nfrom retinaforge.generators.folder import load_pipeline\n\n"
            'generator = load_pipeline("FOLDER")\n```\n\n'
            f"diffusers alone cannot sample from it:\n{reasons}\n"
        )
    side = meta.get("size_px")
    size = f", height={side}, width={side}" if side else ""
    notes = "\n".join(f"- {line}" for line in told)
    return (
        "## Use\n\nWith diffusers and transformers alone:\n\n```python\n"
        "from diffusers import DiffusionPipeline\n\n"
        'pipeline = DiffusionPipeline.from_pretrained("FOLDER")\n'
        f'image = pipeline("CAPTION"{size}, clean_caption=False).images[0]\n```\n\n'
        f"or with `retinaforge generate sample`.\n{notes}\n"
    )


def _network(network: Mapping[str, Any], parameters: int) -> str:
    plain = {name: value for name, value in network.items() if name != "shape"}
    return (
        f"## Network\n\n{parameters / 1e6:,.1f} million parameters, rectified flow with velocity "
        f"target.\n\n```json\n{json.dumps({**plain, 'shape': network['shape']}, indent=2)}\n```\n"
    )


def _data(meta: Mapping[str, Any]) -> str:
    data, result = meta.get("training_data"), meta.get("result") or {}
    steps = f"Steps of the optimiser: {result['steps']}.\n" if "steps" in result else ""
    if not data:
        return f"## Training data\n\nNot stated.\n{steps}"
    rows = "\n".join(f"- {name.replace('_', ' ')}: {_said(v)}" for name, v in data.items())
    return f"## Training data\n\n{rows}\n\n{steps}"


def _said(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or "none"
    return str(value)


def _licences(licence: str, rows: Sequence[tuple[str, str, str]]) -> str:
    table = "\n".join(f"| {part} | {terms} | {which} |" for part, terms, which in rows)
    return (
        "## Licences\n\nWhoever passes these weights on is bound by every row.\n\n"
        f"| part | licence | which |\n|---|---|---|\n| this network | {licence} | |\n{table}\n"
    )

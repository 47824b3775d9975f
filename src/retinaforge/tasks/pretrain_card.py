"""The file of a pretrained encoder, and what it says about itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from retinaforge.core import Record, Refusal, artefacts
from retinaforge.encoders.fundus import FORMAT
from retinaforge.tasks.pretrain_plan import PretrainPlan, plain, views_of
from retinaforge.tasks.pretrain_rows import is_synthetic
from retinaforge.training.pretrain_config import PretrainResult
from retinaforge.training.pretrain_methods import Method, sizes

ENCODER, CARD = "encoder.safetensors", "card.json"
SAID = (
    "steps", "learning_rate", "warmup_steps", "last_learning_rate", "betas", "weight_decay",
    "clip_norm",
)  # fmt: skip
"""What of the configuration bears on an encoder's training and stands in its card."""


def write_encoder(
    method: Method, folder: Path, meta: dict[str, Any], records: Sequence[Record]
) -> Path:
    """Write the encoder's weights (float16, what it is in the header) and its card.

    Raises:
        Refusal: if a weight is beyond float16.
    """
    weights = {
        name: x.detach().to("cpu", torch.float16).contiguous()
        for name, x in method.encoder_weights().items()
    }
    if not all(bool(x.isfinite().all()) for x in weights.values()):
        raise Refusal(
            "weights within float16's range",
            "larger ones: the training went wrong",
            "train into another folder with a lower rate",
        )
    header = {key: x if isinstance(x, str) else json.dumps(x) for key, x in meta.items()}
    path = artefacts.write_bytes(folder / ENCODER, save(weights, {"format": FORMAT, **header}))
    learnt_from = [f"{r.dataset}/{r.name}" for r in records if not is_synthetic(r)]
    card = {**meta, "learnt_from": learnt_from, "sha256": artefacts.sha256_of(path)}
    artefacts.write_json(folder / CARD, card)
    return path


def card_of(
    plan: PretrainPlan, result: PretrainResult, records: Sequence[Record], folders: Sequence[Path]
) -> dict[str, Any]:
    """Return what stands in the header of the weights and in the card."""
    photographs = [r for r in records if not is_synthetic(r)]
    counts = Counter(r.dataset for r in photographs)
    drawn = Counter(r.dataset for r in records if is_synthetic(r))
    licences = sorted({r.licence or "unknown" for r in photographs})
    return {
        "name": f"fundus-{plan.method}-{plan.size}",
        "licence": f"Apache-2.0; {_learnt_under(licences)}",
        "training_data": [
            *(f"{name} ({n} training images)" for name, n in sorted(counts.items())),
            *(f"{n} phantoms ({_recipe(name, folders)})" for name, n in sorted(drawn.items())),
        ],
        "training_sets": sorted(counts),
        "method": {"mae": "masked autoencoding inside the field of view", "dino": "DINO"}[
            plan.method
        ],
        "pooling": "normed mean" if plan.method == "mae" else "class",
        "metadata_kinds": list(plan.metadata),
        "config": plain(
            {
                **{name: x for name, x in plan.config.binding().items() if name in SAID},
                "mask": plan.mask,
                "gradients": plan.gradients,
                "sheet_px": plan.sheet_px,
                "views": asdict(views_of(plan)),
                "seed": plan.seed,
            }
        ),
        "shape": sizes(plan.shape),
        "steps": result.steps,
        "images_seen": result.images,
        "hours": round(result.seconds / 3600, 2),
        "precision": result.precision,
        "last_readings": result.readings,
    }


def _learnt_under(licences: list[str]) -> str:
    if not licences:
        return "trained on drawn eyes only"
    return f"trained on photographs under {' and '.join(licences)}"


def _recipe(dataset: str, folders: Sequence[Path]) -> str:
    """Return recipe, seed and size of a folder of phantoms, as phantoms.json states them."""
    for folder in folders:
        stated = folder / "phantoms.json"
        if folder.name == dataset and stated.is_file():
            said = json.loads(stated.read_text(encoding="utf-8"))
            name = said.get("recipe", {}).get("name", "unnamed")
            return f"recipe {name}, seed {said.get('seed')}, {said.get('size_px')} px"
    return "recipe not stated"

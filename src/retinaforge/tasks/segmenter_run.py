"""From a data folder to weights that can ship: learn, choose the threshold, write the card."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Record, artefacts, seed_for
from retinaforge.images import find_fov, read_mask, read_photograph
from retinaforge.nets.unet import VesselNet
from retinaforge.phantoms import draw_phantom
from retinaforge.tasks.segmenter import SegmenterConfig, train_segmenter
from retinaforge.tasks.segmenter_data import (
    LICENCE,
    learnable_records,
    load_annotated,
    part_validation,
)
from retinaforge.tasks.segmenter_samples import Annotated, annotate
from retinaforge.vessels.network import network_probability, save_network

THRESHOLDS = tuple(round(0.20 + 0.02 * i, 2) for i in range(31))
PLATEAU = 0.001
PHANTOM_PX = 768


def annotated_phantoms(count: int, *, seed: int) -> list[Annotated]:
    """Draw phantoms to learn from; as a group of their own they are as likely as a data set."""
    drawn = (draw_phantom(seed_for(seed, "phantom", i), size_px=PHANTOM_PX) for i in range(count))
    return [annotate(p.photograph, p.fov, p.vessel, group="phantoms") for p in drawn]


def dice_by_threshold(
    probability: Float[np.ndarray, "height width"], vessels: Bool[np.ndarray, "height width"]
) -> list[float]:
    """Return 2 |P ∩ V| / (|P| + |V|) for each of `THRESHOLDS`."""
    on_vessels, total = probability[vessels], int(vessels.sum())
    return [
        2.0 * int((on_vessels >= t).sum()) / (int((probability >= t).sum()) + total)
        for t in THRESHOLDS
    ]


def choose_threshold(
    model: VesselNet, records: Sequence[Record], *, views_px: Sequence[float]
) -> tuple[float, float]:
    """Return the lowest threshold within `PLATEAU` of the best mean Dice, and its Dice.

    The lowest, since the network is less sure of vessels from cameras it never saw.

    Args:
        model: in evaluation mode.
        records: photographs with vessel masks, of validation patients.
        views_px: as the judge will look at photographs.
    """
    table = []
    for record in records:
        photo = read_photograph(record.path)
        fov = find_fov(photo)
        vessels = read_mask(record.masks["vessel"], size_px=photo.size_px) & fov.mask
        probability = network_probability(model, photo, fov, views_px=views_px)
        table.append(dice_by_threshold(probability, vessels))
    mean = np.mean(table, axis=0)
    lowest = int(np.flatnonzero(mean >= mean.max() - PLATEAU)[0])
    return THRESHOLDS[lowest], float(mean[lowest])


def _meta(
    records: Sequence[Record], phantoms: int, config: SegmenterConfig, threshold: float
) -> dict[str, Any]:
    counts = {d: sum(r.dataset == d for r in records) for d in sorted({r.dataset for r in records})}
    drawn = [f"{phantoms} phantoms"] if phantoms else []
    return {
        "threshold": threshold,
        "views_px": config.views_px,
        "training_data": [*(f"{d} ({n} training images)" for d, n in counts.items()), *drawn],
        "licence": f"Apache-2.0; trained on data under {LICENCE}, authors named in the model card",
        "config": asdict(config),
        "commit": artefacts.git_commit(Path(__file__).parent),
    }


def train_vessel_segmenter(
    data: Path,
    out: Path,
    *,
    phantoms: int = 0,
    config: SegmenterConfig | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> dict[str, Any]:
    """Train on the open training rows of `data` and write vessels.safetensors and card.json.

    Args:
        data: folder of data sets with splits.csv.
        out: run folder; the same call resumes there.
        phantoms: how many phantoms join the training photographs.
        config: the recipe.
        on_step: called with (steps done, loss).

    Returns:
        What card.json says: data, threshold, Dice on the validation patients, SHA-256.

    Raises:
        Refusal: expected training rows with a vessel mask and licence CC BY 4.0.
    """
    config = config or SegmenterConfig()
    learn, validate = part_validation(learnable_records(data))
    photographs = [load_annotated(record) for record in learn]
    photographs += annotated_phantoms(phantoms, seed=config.seed)
    model = train_segmenter(photographs, config, out, on_step=on_step)
    threshold, dice = choose_threshold(model, validate or learn, views_px=config.views_px)
    meta = _meta(learn, phantoms, config, threshold)
    path = save_network(model, out / "vessels.safetensors", meta=meta)
    card = {
        **meta,
        "learnt_from": [record.name for record in learn],
        "threshold_chosen_on": [record.name for record in validate or learn],
        "validation_dice": dice,
        "sha256": artefacts.sha256_of(path),
    }
    artefacts.write_json(out / "card.json", json.loads(json.dumps(card)))
    return card

"""From photographs, phantoms or both to weights: learn, choose the threshold, write the card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Fov, Photograph, Record, Refusal
from retinaforge.images import find_fov, read_mask, read_photograph
from retinaforge.nets.unet import VesselNet
from retinaforge.tasks.segmenter import SegmenterConfig, train_segmenter
from retinaforge.tasks.segmenter_card import begun_with, training_meta, write_card
from retinaforge.tasks.segmenter_data import (
    learnable_records,
    load_annotated,
    part_validation,
)
from retinaforge.tasks.segmenter_losses import VESSEL_LOSSES, loss_named
from retinaforge.tasks.segmenter_phantoms import annotated_phantoms, phantom_population
from retinaforge.vessels.network import network_probability, read_network, save_network

THRESHOLDS = tuple(round(0.20 + 0.02 * i, 2) for i in range(31))
HELD_OUT = 12
"""Phantoms that the threshold is chosen on where there are no photographs."""
Mask = Bool[np.ndarray, "height width"]
Seen = tuple[Photograph, Fov, Mask]


def dice_by_threshold(probability: Float[np.ndarray, "height width"], vessels: Mask) -> list[float]:
    """Return 2 |P ∩ V| / (|P| + |V|) for each of `THRESHOLDS`."""
    on_vessels, total = probability[vessels], int(vessels.sum())
    return [
        2.0 * int((on_vessels >= t).sum()) / (int((probability >= t).sum()) + total)
        for t in THRESHOLDS
    ]


def photographs_seen(records: Iterable[Record]) -> Iterator[Seen]:
    """Read photographs with field of view and vessel mask, one at a time."""
    for record in records:
        photo = read_photograph(record.path)
        fov = find_fov(photo)
        yield photo, fov, read_mask(record.masks["vessel"], size_px=photo.size_px) & fov.mask


def phantoms_seen(*, seed: int, first: int) -> Iterator[Seen]:
    """Draw the phantoms that come after those that were learnt from."""
    for phantom in phantom_population(HELD_OUT, seed=seed, first=first):
        yield phantom.photograph, phantom.fov, phantom.vessel & phantom.fov.mask


def choose_threshold(
    model: VesselNet, seen: Iterable[Seen], *, views_px: Sequence[float]
) -> tuple[float, float]:
    """Return the threshold with the best mean Dice, and that Dice.

    Args:
        model: in evaluation mode.
        seen: photographs with field of view and vessels, of validation patients.
        views_px: as the judge will look at photographs.
    """
    table = [
        dice_by_threshold(network_probability(model, photo, fov, views_px=views_px), vessels)
        for photo, fov, vessels in seen
    ]
    mean = np.mean(table, axis=0)
    best = int(mean.argmax())
    return THRESHOLDS[best], float(mean[best])


def train_vessel_segmenter(
    data: Path | None,
    out: Path,
    *,
    phantoms: int = 0,
    begin: Path | None = None,
    config: SegmenterConfig | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> dict[str, Any]:
    """Train on photographs, phantoms or both; write vessels.safetensors and card.json.

    Args:
        data: folder of data sets with splits.csv, of which the open training rows are learnt
            from; None learns from phantoms only and chooses the threshold on phantoms held out.
        out: run folder; the same call resumes there.
        phantoms: how many phantoms are learnt from; about 20 MB of memory each.
        begin: weights to begin with, as this command writes them; None begins at random.
        config: the recipe.
        on_step: called with (steps done, loss).

    Returns:
        What card.json says: data, threshold, Dice on what was held out, SHA-256.

    Raises:
        Refusal: expected training rows with a vessel mask and licence CC BY 4.0; or neither
            photographs nor phantoms.
    """
    config = config or SegmenterConfig()
    if data is None and phantoms < 1:
        raise Refusal(
            "photographs or phantoms to learn from", "neither", "name --data or --phantoms N"
        )
    learn, validate = part_validation(learnable_records(data)) if data is not None else ([], [])
    soft = loss_named(config.loss, VESSEL_LOSSES).soft_labels
    photographs = [load_annotated(record, soft_labels=soft) for record in learn]
    photographs += annotated_phantoms(phantoms, seed=config.seed, soft_labels=soft)
    first, before = read_network(begin) if begin is not None else (None, None)
    model = train_segmenter(photographs, config, out, begin=first, on_step=on_step)
    judged = validate or learn
    seen = photographs_seen(judged) if judged else phantoms_seen(seed=config.seed, first=phantoms)
    threshold, dice = choose_threshold(model, seen, views_px=config.views_px)
    meta = training_meta(
        learn, phantoms, config, threshold=threshold, views_px=config.views_px
    ) | begun_with(before)
    path = save_network(model, out / "vessels.safetensors", meta=meta)
    return write_card(
        out,
        meta,
        path,
        learnt_from=[record.name for record in learn],
        threshold_chosen_on=[r.name for r in judged] or [f"{HELD_OUT} further phantoms"],
        validation_dice=dice,
    )

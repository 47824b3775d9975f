"""The artery/vein network: what it learns from and how it is trained.

Its crops are wider in retina than the vessel network's, since a name is read from a vessel's
course and company more than from its colour; phantoms are half of them, since few photographs with
named vessels may be shipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.core import Record, Refusal
from retinaforge.images import find_fov, read_photograph
from retinaforge.images.artery_vein import read_artery_vein_mask
from retinaforge.tasks.segmenter import SegmenterConfig, train_segmenter
from retinaforge.tasks.segmenter_card import training_meta, write_card
from retinaforge.tasks.segmenter_data import LICENCE, learnable_records, part_validation
from retinaforge.tasks.segmenter_phantoms import phantom_population
from retinaforge.tasks.segmenter_samples import PHANTOMS, Annotated, annotate
from retinaforge.vessels.artery_vein import ARTERY_VEIN_FORMAT, named_rightly
from retinaforge.vessels.network import network_maps, save_network

ARTERY_VEIN = SegmenterConfig(
    steps=3200,
    batch=4,
    side_px=256,
    diameter_px=560.0,
    scales=(0.6, 1.6),
    loss="artery-vein",
    views_px=(480.0, 680.0),
    widths=(16, 32, 64, 96, 96, 112),
    outputs=3,
    phantom_share=0.5,
)
PHANTOM_COUNT = 32


def annotated_artery_vein(record: Record) -> Annotated:
    """Read a photograph with the masks vessel, artery, vein, and where the name is known."""
    photo = read_photograph(record.path)
    named = read_artery_vein_mask(record.masks["artery_vein"], size_px=photo.size_px)
    known = named.one_name | ~named.vessel
    masks = (named.vessel, named.artery & ~named.vein, named.vein & ~named.artery, known)
    return annotate(photo, find_fov(photo), *masks, group=record.dataset)


def artery_vein_phantoms(count: int, *, seed: int) -> list[Annotated]:
    """Draw phantoms, whose names are all known, crossings too."""
    return [
        annotate(
            p.photograph, p.fov, p.vessel, p.artery, p.vein, np.ones_like(p.vessel), group=PHANTOMS
        )
        for p in phantom_population(count, seed=seed)
    ]


def train_artery_vein_segmenter(
    data: Path,
    out: Path,
    *,
    phantoms: int = PHANTOM_COUNT,
    config: SegmenterConfig = ARTERY_VEIN,
    on_step: Callable[[int, float], None] | None = None,
) -> dict[str, Any]:
    """Train on photographs with named vessels and on phantoms; write the weights and card.json.

    Args:
        data: folder of data sets with splits.csv and artery_vein_mask columns.
        out: run folder; the same call resumes there.
        phantoms: how many phantoms are learnt from; about 30 MB of memory each.
        config: the recipe.
        on_step: called with (steps done, loss).

    Returns:
        What card.json says: data, share of rightly named pixels on what was held out, SHA-256.

    Raises:
        Refusal: expected open training rows with an artery/vein mask.
    """
    learn, validate = part_validation(named_records(data))
    photographs = [annotated_artery_vein(record) for record in learn]
    photographs += artery_vein_phantoms(phantoms, seed=config.seed)
    model = train_segmenter(photographs, config, out, on_step=on_step)
    shares = _validate(model, validate or learn, config)
    meta = training_meta(learn, phantoms, config, views_px=config.views_px)
    path = save_network(model, out / "artery-vein.safetensors", meta=meta, form=ARTERY_VEIN_FORMAT)
    return write_card(
        out,
        meta,
        path,
        learnt_from=[record.name for record in learn],
        validated_on=[record.name for record in validate or learn],
        validation_named_rightly=float(np.mean(shares)),
    )


def named_records(folder: Path) -> list[Record]:
    """List the open training photographs with an artery/vein mask.

    Raises:
        Refusal: expected at least one.
    """
    records = [record for record in learnable_records(folder) if "artery_vein" in record.masks]
    if not records:
        raise Refusal(
            f"training rows with an artery/vein mask and licence {LICENCE}",
            f"none in {folder}",
            "check splits.csv (columns split, licence) and the artery_vein_mask column",
        )
    return records


def _validate(model: Any, records: Sequence[Record], config: SegmenterConfig) -> list[float]:
    shares = []
    for record in records:
        photo = read_photograph(record.path)
        fov = find_fov(photo)
        maps = network_maps(model, photo, fov, views_px=config.views_px)
        truth = read_artery_vein_mask(record.masks["artery_vein"], size_px=photo.size_px)
        where = truth.one_name & fov.mask
        shares.append(named_rightly(maps[0] > maps[1], truth.artery, where))
    return shares

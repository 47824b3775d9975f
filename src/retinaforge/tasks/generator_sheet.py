"""A sheet of samples at the end of a training; with masks, each stands before its image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.core import RetinaForgeError, seed_for
from retinaforge.generators.maps import MapPlan
from retinaforge.tasks.generator_prepare import Inputs, facts_of
from retinaforge.tasks.generator_recipe import TrainTable
from retinaforge.tasks.mask_files import Files
from retinaforge.tasks.pairs import Pair
from retinaforge.tasks.sample_draw import SamplePlan, painting
from retinaforge.tasks.sample_grid import contact_sheet
from retinaforge.tasks.sample_masks import asked_masks, own_masks
from retinaforge.tasks.sample_painter import Painter
from retinaforge.tasks.sample_requests import Request, Wording

SHEET, MASKS = "samples.png", "masks"


def draw_sheet(
    painter: Painter, inputs: Inputs, table: TrainTable, folder: Path
) -> list[dict[str, Any]]:
    """Draw a few captions that were not learnt from (else some that were), and write the sheet.

    The same captions, masks and seeds stand on every sheet of a run. The masks are also written
    into `masks/`, as examples of what `generate sample --masks` takes.
    """
    plan = inputs.recipe.sample
    chosen = _chosen(inputs, table, folder)
    asked = [_request(n, painter, inputs, *one) for n, one in enumerate(chosen)]
    if not asked:
        return []
    how = SamplePlan(
        size=str(table.size_px), steps=plan.steps, method=plan.method, guidance=plan.guidance
    )
    drawn = painting(painter, how)(asked, None)
    images = [None if d.pixels is None else Image.fromarray(d.pixels) for d in drawn]
    texts = [one.wording.text for one in asked]
    if painter.maps is not None:
        images, texts = _beside_masks(images, texts, asked, painter.maps, table.size_px)
    contact_sheet(images, texts, folder / SHEET, columns=4)
    return [
        {"caption": d.request.wording.text, "seed": d.request.seed, "reason": d.reason}
        for d in drawn
    ]


def mask_picture(shares: np.ndarray) -> Image.Image:
    """Return masks as a picture: one in white, up to three in a colour each, more as their union.

    Args:
        shares: shape (kinds, side, side), from 0 to 1.
    """
    bytes_ = (np.asarray(shares) * 255).round().astype(np.uint8)
    kinds = len(bytes_)
    if kinds in (2, 3):
        padded = np.concatenate([bytes_, np.zeros_like(bytes_[:1])])[:3]
        return Image.fromarray(padded.transpose(1, 2, 0).copy())
    return Image.fromarray(bytes_.max(0)).convert("RGB")


def _chosen(
    inputs: Inputs, table: TrainTable, folder: Path
) -> list[tuple[Pair, dict[str, Files] | None]]:
    """Return the pairs of the sheet, with masks those that have some and can be read."""
    source, most = inputs.held_out or inputs.pairs, inputs.recipe.sample.images
    if inputs.masks is None:
        return [(pair, None) for pair in source[:most]]
    found: list[tuple[Pair, dict[str, Files] | None]] = []
    for number, pair in enumerate(source):
        if len(found) >= most:
            break
        try:
            home = folder / MASKS / f"{number:03d}"
            how = {"size_px": table.size_px, "frame": inputs.recipe.data.frame}
            found.append((pair, own_masks(pair, inputs.masks, home, **how)))
        except (RetinaForgeError, OSError, ValueError):
            continue
    return found


def _beside_masks(
    images: Sequence[Image.Image | None],
    texts: Sequence[str],
    asked: Sequence[Request],
    plan: MapPlan,
    side: int,
) -> tuple[list[Image.Image | None], list[str]]:
    pictures: list[Image.Image | None] = []
    said: list[str] = []
    for image, text, one in zip(images, texts, asked, strict=True):
        shares, _ = asked_masks(one.wording, plan, side)
        pictures += [mask_picture(shares[0].numpy()), image]
        said += [f"asked: {', '.join(one.wording.masks or ())}", text]
    return pictures, said


def _request(
    number: int, painter: Painter, inputs: Inputs, pair: Pair, masks: dict[str, Files] | None
) -> Request:
    seed = seed_for(inputs.recipe.seed, "sample", number)
    wording = Wording(pair.text, pair.name, pair.record, masks=masks)
    return Request(number, seed, wording, _classes(painter, pair))


def _classes(painter: Painter, pair: Pair) -> dict[str, Any]:
    facts = facts_of(pair)
    asked = {kind.name: facts.get(kind.name) for kind in painter.vocabulary.kinds}
    return {name: value for name, value in asked.items() if value is not None}

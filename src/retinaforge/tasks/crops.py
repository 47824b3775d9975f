"""Batches as a pure function of the step: equal data order for every arm, resuming for free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image

from retinaforge.core import Refusal, rng_for
from retinaforge.tasks.sheets import Sheets
from retinaforge.training import Batch


@dataclass(frozen=True)
class CropPlan:
    """What a batch is made of.

    Attributes:
        batch_size: images a batch.
        crop_px: side of every image of a batch.
        whole_fraction: share of images that show the whole eye, reduced to `crop_px`; the
            others are crops at the sheet's own scale.
        seed: base seed; equal seeds give equal batches.
        flips: whether images are mirrored left-right and up-down at random.
        frame: what the losses see: "fov" only what lies in the field of view, "whole" the black
            border as well, which the decoder of a generator must learn to draw.
    """

    batch_size: int = 4
    crop_px: int = 256
    whole_fraction: float = 0.5
    seed: int = 0
    flips: bool = True
    frame: Literal["fov", "whole"] = "fov"


def crop_drawer(sheets: Sheets, plan: CropPlan) -> Callable[[int], Batch]:
    """Return the function that draws the batch of a step.

    Raises:
        Refusal: if a crop is larger than a sheet, or a sheet no multiple of a crop where whole
            eyes are wanted (box averaging then needs no second interpolation).
    """
    size_px = sheets.pixels.shape[1]
    if plan.crop_px > size_px or (plan.whole_fraction > 0 and size_px % plan.crop_px):
        raise Refusal(
            f"crop_px that divides the sheets' {size_px} px",
            f"{plan.crop_px} px",
            "change crop_px or sheet_px in the study file",
        )

    def draw(step: int) -> Batch:
        rng = rng_for(plan.seed, "batch", step)
        drawn = [_one(sheets, plan, rng) for _ in range(plan.batch_size)]
        images = np.stack([pixels for pixels, _, _ in drawn]).astype(np.float32)
        fov = np.stack([mask for _, mask, _ in drawn])[:, None].astype(np.float32)
        if plan.frame == "whole":
            fov = np.ones_like(fov)
        tensor = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1.0
        return Batch(tensor, torch.from_numpy(fov), tuple(name for _, _, name in drawn))

    return draw


def _one(
    sheets: Sheets, plan: CropPlan, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, str]:
    index = int(rng.integers(len(sheets)))
    name = sheets.records[index].name
    if rng.random() < plan.whole_fraction:
        pixels, mask = whole_eye(sheets, index, plan.crop_px)
    else:
        pixels, mask = _crop_inside(sheets, index, plan.crop_px, rng)
    if plan.flips:
        rows, columns = (slice(None, None, -1 if rng.random() < 0.5 else 1) for _ in range(2))
        pixels, mask = pixels[rows, columns], mask[rows, columns]
    return pixels, mask, name


def whole_eye(sheets: Sheets, index: int, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one sheet and its field of view reduced by box averaging to `size_px`."""
    factor = sheets.pixels.shape[1] // size_px
    pixels = np.asarray(Image.fromarray(sheets.pixels[index]).reduce(factor))
    return pixels, sheets.fov[index][::factor, ::factor]


def _crop_inside(
    sheets: Sheets, index: int, crop_px: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a crop whose centre lies in the field of view: a black corner teaches nothing."""
    rows, columns = np.nonzero(sheets.fov[index][::8, ::8])
    pick = int(rng.integers(len(rows)))
    limit = sheets.pixels.shape[1] - crop_px
    top = int(np.clip(rows[pick] * 8 - crop_px // 2, 0, limit))
    left = int(np.clip(columns[pick] * 8 - crop_px // 2, 0, limit))
    window = (slice(top, top + crop_px), slice(left, left + crop_px))
    return sheets.pixels[index][window], sheets.fov[index][window]

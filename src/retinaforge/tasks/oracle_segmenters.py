"""Readings by our shipped segmenters on an enlarged image: side, cup, length of vessels.

They learnt from photographs and from phantoms of another population, never from the captions'
phantoms, so they are a witness that neither generator nor oracle has taught. They were made for
larger images: on 128 px brought to 512 the cup is read (rank correlation 0.69 on 40 training
phantoms of good quality) and the length of vessels poorly (0.40 on 36, at 384 px).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

import numpy as np
from PIL import Image
from skimage.morphology import skeletonize

from retinaforge.anatomy.model import AnatomyModel
from retinaforge.core import Fov, Photograph, RetinaForgeError
from retinaforge.images import find_fov
from retinaforge.vessels.network import NetworkJudge

SEGMENTED = ("eye", "cup_to_disc", "vessel_density")
LEAST_PX = 96
"""Images below this side show too little to enlarge."""
ANATOMY_PX, VESSELS_PX, SETTLED = 512, 384, 0.1


@cache
def _anatomy() -> AnatomyModel:
    return AnatomyModel(settled=SETTLED)


@cache
def _vessels() -> NetworkJudge:
    return NetworkJudge()


def read_segmenters(pixels: np.ndarray, words: Collection[str]) -> dict[str, float]:
    """Return what the segmenters read of one image, by word; NaN where they find nothing.

    Args:
        pixels: RGB, 0-255, shape (side, side, 3).
        words: of `SEGMENTED`; others are passed over.
    """
    said = {word: float("nan") for word in SEGMENTED if word in words}
    if pixels.shape[0] < LEAST_PX:
        return said
    try:
        if {"eye", "cup_to_disc"} & said.keys():
            said |= {k: v for k, v in _disc(*_enlarged(pixels, ANATOMY_PX)).items() if k in said}
        if "vessel_density" in said:
            said["vessel_density"] = _length(*_enlarged(pixels, VESSELS_PX))
    except RetinaForgeError:
        # What shows no field of view has nothing to be read.
        return said
    return said


def _enlarged(pixels: np.ndarray, side_px: int) -> tuple[Photograph, Fov]:
    image: Any = Image.fromarray(pixels).resize((side_px, side_px), Image.Resampling.BICUBIC)
    photo = Photograph(pixels=np.array(image), source="enlarged")
    return photo, find_fov(photo)


def _disc(photo: Photograph, fov: Fov) -> dict[str, float]:
    """Return side (1 right, 0 left) and vertical cup-to-disc ratio."""
    marks = _anatomy().landmarks(photo, fov)
    side = float("nan") if marks.eye is None else float(marks.eye == "OD")
    ratio = float("nan")
    if marks.cup_axes_px is not None and marks.disc_axes_px is not None:
        ratio = marks.cup_axes_px[1] / marks.disc_axes_px[1]
    return {"eye": side, "cup_to_disc": ratio}


def _length(photo: Photograph, fov: Fov) -> float:
    """Return the share of the field that centrelines take."""
    judge = _vessels()
    lines = skeletonize(judge.probability(photo, fov) >= judge.threshold)
    return float(lines[fov.mask].mean()) if fov.mask.any() else float("nan")

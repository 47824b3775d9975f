"""What could tell real from synthetic though their files are alike: measured, and said aloud."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from retinaforge.tasks.reader_images import Look
from retinaforge.tasks.reader_questions import REAL, SYNTHETIC

SIDES = (REAL, SYNTHETIC)
ALARMING_AUC, ALARMING_SHARE = 0.8, 0.2
Looks = Mapping[str, Sequence[Look]]
Sizes = Mapping[str, Sequence[int]]


def tells_of(looks: Looks, sizes: Sizes, size_px: int) -> dict[str, Any]:
    """Return fields of view, enlargement and how well files of both sides compress.

    Args:
        looks: of each side, before images were made alike.
        sizes: bytes of each side's files before they were brought to one length.
        size_px: side of the study's images.
    """
    sides = {
        side: {
            "fields_of_view": dict(Counter(look.fov for look in looks[side])),
            "enlarged": sum(look.side_px < size_px for look in looks[side]),
            "median_native_side_px": float(np.median([look.side_px for look in looks[side]])),
        }
        for side in SIDES
    }
    truth = [side == SYNTHETIC for side in SIDES for _ in sizes[side]]
    area = float(roc_auc_score(truth, [n for side in SIDES for n in sizes[side]]))
    return {**sides, "auc_of_bytes_before_padding": area if math.isfinite(area) else None}


def warnings_of(told: dict[str, Any], count: int, size_px: int) -> list[str]:
    """Return in words what is far apart: shapes of the field, enlargement, compressibility.

    Args:
        told: of `tells_of`.
        count: images of a side.
        size_px: side of the study's images.
    """
    said = []
    kinds = sorted({k for side in SIDES for k in told[side]["fields_of_view"]})
    for kind in kinds:
        a, b = (told[side]["fields_of_view"].get(kind, 0) / count for side in SIDES)
        if abs(a - b) > ALARMING_SHARE:
            said.append(f"field of view '{kind}': {a:.0%} of real, {b:.0%} of synthetic images; "
                        "its shape can tell them apart")  # fmt: skip
    for side in SIDES:
        if told[side]["enlarged"]:
            said.append(f"{told[side]['enlarged']} of {count} {side} images are enlarged to "
                        f"{size_px} px; blur can tell: choose a smaller --size")  # fmt: skip
    area = told["auc_of_bytes_before_padding"]
    if area is not None and max(area, 1 - area) > ALARMING_AUC:
        said.append(f"how well images compress tells sides apart (AUC {area:.2f}): one side is "
                    "smoother or noisier; readers may use that, a classifier would")  # fmt: skip
    return said

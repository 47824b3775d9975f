"""What could tell real from synthetic though their files are alike: measured, and said aloud."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from retinaforge.metrics.quality_numbers import IMAGE_NUMBERS, View
from retinaforge.tasks.reader_images import Look
from retinaforge.tasks.reader_questions import REAL, SYNTHETIC

SIDES = (REAL, SYNTHETIC)
ALARMING_AUC, ALARMING_SHARE, LEAST_FIELD = 0.8, 0.2, 0.7
SEEN = ("laplacian_variance", "noise", "brightness", "contrast", "colourfulness")
WORDS = {
    "compressed_bytes": "how well images compress", "laplacian_variance": "sharpness",
    "noise": "noise", "brightness": "brightness", "contrast": "contrast",
    "colourfulness": "colourfulness",
}  # fmt: skip
Looks = Mapping[str, Sequence[Look]]
Traces = Mapping[str, Sequence[Mapping[str, float]]]


def trace_of(pixels: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Return numbers of one finished image that know nothing of eyes.

    Args:
        pixels: RGB, 0-255, as readers see it.
        inside: where it is not blackened.
    """
    view = View(pixels, inside)
    seen = {n.card.name: n.of(view).value for n in IMAGE_NUMBERS if n.card.name in SEEN}
    return {"compressed_bytes": float(len(zlib.compress(pixels.tobytes(), 6))), **seen}


def tells_of(looks: Looks, traces: Traces, size_px: int, field_kept: float) -> dict[str, Any]:
    """Return fields of view, enlargement, and how far single numbers tell sides apart.

    Args:
        looks: of each side, before images were made alike.
        traces: of each side, after.
        size_px: side of the study's images.
        field_kept: share of the common circle that images show.

    Returns:
        Plain data; "auc" holds a number's area under the ROC curve, synthetic being the signal.
    """
    sides = {
        side: {
            "fields_of_view": dict(Counter(look.fov for look in looks[side])),
            "enlarged": sum(look.side_px < size_px for look in looks[side]),
            "median_native_side_px": float(np.median([look.side_px for look in looks[side]])),
        }
        for side in SIDES
    }
    shapes = {side: [{"shape": float(look.seen.mean())} for look in looks[side]] for side in SIDES}
    return {
        **sides, "field_kept": field_kept, "auc_of_shape": _auc(shapes, "shape"),
        "auc": {name: _auc(traces, name) for name in WORDS},
    }  # fmt: skip


def _auc(traces: Traces, name: str) -> float | None:
    """Return the area of one number, None where it is not known of every image."""
    values = [row[name] for side in SIDES for row in traces[side]]
    if not all(map(math.isfinite, values)):
        return None
    truth = [side == SYNTHETIC for side in SIDES for _ in traces[side]]
    return float(roc_auc_score(truth, values))


def warnings_of(told: dict[str, Any], count: int, size_px: int, *, field: str) -> list[str]:
    """Return in words what is far apart: shapes of the field, enlargement, sharpness, colour.

    Args:
        told: of `tells_of`.
        count: images of a side.
        size_px: side of the study's images.
        field: what was left of each image.
    """
    said = _shapes(told, count) if field != "shared" else []
    if told["field_kept"] < LEAST_FIELD:
        said.append(f"images show the {told['field_kept']:.0%} of the circle that all of them "
                    "have: leave out those with a small field, or take --field circle")  # fmt: skip
    for side in SIDES:
        if told[side]["enlarged"]:
            said.append(f"{told[side]['enlarged']} of {count} {side} images are enlarged to "
                        f"{size_px} px; blur can tell: choose a smaller --size")  # fmt: skip
    far = [f"{WORDS[n]} (AUC {area:.2f})" for n, area in told["auc"].items() if _far(area)]
    if far:
        said.append(f"a number alone tells sides apart: {', '.join(far)}; readers may use that, a "
                    "classifier would")  # fmt: skip
    return said


def _far(area: float | None) -> bool:
    return area is not None and max(area, 1 - area) > ALARMING_AUC


def _shapes(told: dict[str, Any], count: int) -> list[str]:
    remedy = "its shape can tell them apart: take --field shared"
    if _far(told["auc_of_shape"]):
        return [f"how much of the circle a field of view fills tells sides apart (AUC "
                f"{told['auc_of_shape']:.2f}); {remedy}"]  # fmt: skip
    said = []
    for kind in sorted({k for side in SIDES for k in told[side]["fields_of_view"]}):
        a, b = (told[side]["fields_of_view"].get(kind, 0) / count for side in SIDES)
        if abs(a - b) > ALARMING_SHARE:
            said.append(f"field of view '{kind}': {a:.0%} of real, {b:.0%} of synthetic images; "
                        f"{remedy}")  # fmt: skip
    return said

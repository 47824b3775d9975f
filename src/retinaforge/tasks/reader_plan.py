"""What a reader study needs, in words and numbers, before it begins."""

from __future__ import annotations

import math
from typing import Any

from retinaforge.metrics.reader_cards import PLAN_CARD
from retinaforge.metrics.reader_plan import (
    Plan,
    half_width,
    images_of_several,
    images_to_find,
    images_to_rule_out,
)

SIZES = (20, 40, 60, 80, 100, 150, 200)


def plan_of(
    accuracy: float,
    margin: float,
    readers: int,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    reader_sd: float = 0.05,
    correlation: float = 0.2,
) -> dict[str, Any]:
    """Return how many images (or pairs) a study needs for what it is to say.

    Args:
        accuracy: to be found.
        margin: above one half, to be ruled out.
        readers: each of them reads all.
        power: asked for.
        alpha: of the test.
        reader_sd: spread of readers' accuracies.
        correlation: of two readers' answers to one image.

    Returns:
        {"rows": [{"words", "images", "power", "reason"}], "half_widths", "card", "note", ...}.
    """
    asked = {"power": power, "alpha": alpha}
    several = images_of_several(
        accuracy, readers, reader_sd=reader_sd, correlation=correlation, **asked
    )
    rows = [
        _row(f"one reader, accuracy {accuracy:.1%} told from one half (exact)",
             images_to_find(accuracy, **asked)),
        _row(f"one reader, accuracy of {0.5 + margin:.1%} or more ruled out if one half is true",
             images_to_rule_out(margin, **asked)),
        _row(f"{readers} readers together, mean accuracy {accuracy:.1%} told from one half",
             several),
    ]  # fmt: skip
    return {
        "format": 1, "accuracy": accuracy, "margin": margin, "readers": readers,
        "reader_sd": reader_sd, "correlation": correlation, **asked, "rows": rows,
        "half_widths": {str(n): half_width(n) for n in SIZES}, "card": PLAN_CARD.as_dict(),
        "note": "Images (pairs in 2afc), repeats not counted. Over readers the number rests on two "
                f"guesses: spread of readers {reader_sd:g}, correlation of their answers "
                f"{correlation:g}.",
    }  # fmt: skip


def _row(words: str, plan: Plan) -> dict[str, Any]:
    power = None if math.isnan(plan.power) else plan.power
    return {"words": words, "images": plan.images, "power": power, "reason": plan.reason}

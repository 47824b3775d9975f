"""What the verdict says of reconstructions: what they cost beside harmless and planted damage.

The measure is the user's own photographs: saved again as JPEG of quality 75, which nobody calls
damage, and with their vessels broken, which everybody should.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from retinaforge.core import Score
from retinaforge.validation.sentence import Sentence, identity_of

SAID = {
    "dice": "the vessels found overlap", "cldice": "the vessels' centrelines are kept",
    "ssim": "structure is kept", "psnr": "pixels are kept",
}  # fmt: skip
VESSELS = ("dice", "cldice")
BROKEN, GRAVE = "broken-vessels", 3
"""Level of broken vessels from which a reconstruction that costs as much has failed."""


def pair_sentences(scores: Sequence[Score], panel: Sequence[dict[str, Any]]) -> Iterator[Sentence]:
    """Yield a sentence for each leading paired score."""
    broken = {row["score"]: row for row in panel if row["kind"] == BROKEN}
    for line in scores:
        row = broken.get(f"paired: {line.card.name}")
        if line.where.get("family") != "paired" or line.card.name not in SAID:
            continue
        if row is None or row["floor_median"] is None or math.isnan(line.value):
            text = f"How well {SAID[line.card.name]} has nothing to be measured against."
            yield Sentence("unknown", text, (identity_of(line),))
        else:
            yield _sentence(line, row)


def _sentence(line: Score, row: dict[str, Any]) -> Sentence:
    name, harmless = line.card.name, row["floor_median"]
    higher = line.card.direction == "higher is better"
    said = f"{name} {line.value:.3g}; saved again as JPEG of quality 75: {harmless:.3g}"
    if (line.value >= harmless) if higher else (line.value <= harmless):
        text = (
            f"In the reconstructions {SAID[name]} as well as when a file is saved again ({said})."
        )
        return Sentence("pass", text, (identity_of(line),))
    level = _as_bad_as(line.value, row["medians"], higher=higher)
    text = f"In the reconstructions {SAID[name]} less well than when a file is saved again ({said})"
    text += f"; broken vessels of level {level} cost no more." if level else "."
    grave = name in VESSELS and level is not None and level >= GRAVE
    return Sentence("failure" if grave else "caution", text, (identity_of(line),))


def _as_bad_as(value: float, medians: dict[str, float | None], *, higher: bool) -> int | None:
    """Return the highest level of damage that scores no worse than the value."""
    better = [
        int(level)
        for level, median in medians.items()
        if median is not None and ((median >= value) if higher else (median <= value))
    ]
    return max(better, default=None)

"""Rows of small pictures that show what a classifier was shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retinaforge.core.artefacts import write_with

SIDE_PX, GAP_PX = 200, 4


def write_strip(out: Path, name: str, squares: Sequence[np.ndarray], title: str) -> dict[str, str]:
    """Write squares side by side as a PNG and return what a page says of it.

    Args:
        out: folder of the audit.
        name: of the file, without its ending.
        squares: RGB, 0-255, of one side.
        title: the caption.
    """
    from PIL import Image

    step = SIDE_PX + GAP_PX
    strip = Image.new("RGB", (step * len(squares) - GAP_PX, SIDE_PX), "white")
    for k, square in enumerate(squares):
        small = Image.fromarray(square).resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
        strip.paste(small, (k * step, 0))
    file = f"pictures/{name}.png"
    write_with(out / file, lambda stream: strip.save(stream, "PNG"))
    return {"file": file, "title": title, "wide": "yes"}

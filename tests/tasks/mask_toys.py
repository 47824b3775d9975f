"""Drawn squares whose vessels are bars, with the masks of them, as a set of phantoms lays them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 24


def write_png(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def bar(at: int, side: int = SIDE, width: int = 3) -> np.ndarray:
    """Return a mask of one upright bar, 0 and 255."""
    mask = np.zeros((side, side), np.uint8)
    mask[:, at : at + width] = 255
    return mask


def eye(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a square that is dark along a mask."""
    image = rng.integers(120, 140, (*mask.shape, 3), np.uint8)
    image[mask > 0] = 60
    return image


def write_set(root: Path, count: int = 10) -> Path:
    """Write images/, vessel/, lesions/hard_exudate/ and a folder of pairs that names images only.

    Eye 0 states no exudate, eyes 2, 5 and 8 have some; the others say nothing of them. Eyes from 8
    on are of the validation split.
    """
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for i in range(count):
        mask = bar(2 * i % 20)
        write_png(root / "vessel" / f"{i}.png", mask)
        image = write_png(root / "images" / f"{i}.png", eye(mask, rng))
        facts: dict[str, Any] = {}
        if i % 3 == 2:
            spot = np.zeros((SIDE, SIDE), np.uint8)
            spot[4:8, 4:8] = 255
            write_png(root / "lesions/hard_exudate" / f"{i}.png", spot)
        if i == 0:
            facts = {"hard_exudate": {"value": 0, "source": "toy"}}
        text = f"A {'right' if i % 2 else 'left'} eye with {i} spots."
        record = {"file_name": f"images/{i}.png", "synthetic": True, "facts": facts}
        rows.append({"file_name": f"images/{i}.png", "image": str(image), "text": text,
                     "split": "val" if i > 7 else "train", "synthetic": True,
                     "record": record})  # fmt: skip
    pairs = root / "pairs"
    pairs.mkdir(exist_ok=True)
    table = "".join(json.dumps(row) + "\n" for row in rows)
    (pairs / "metadata.jsonl").write_text(table)
    return pairs

"""Damage a set: which image is replaced by a copy of which, and how the copy is changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from retinaforge.core import Record, Refusal
from retinaforge.phantoms.damage_card import Size

CHANGES = ("copy", "flip", "crop", "recolour", "flip, crop and recolour")


@dataclass(frozen=True)
class Job:
    """One image of the damaged set.

    Attributes:
        record: which image it stands for.
        source: whose pixels it shows; None for its own.
        change: one of `CHANGES`, "" for an image that keeps its pixels or is damaged by itself.
    """

    record: Record
    source: Record | None = None
    change: str = ""


def collapse_jobs(records: Sequence[Record], size: Size, *, rng: np.random.Generator) -> list[Job]:
    """Replace a share of the images by exact copies of few others, each mode about equally often.

    Raises:
        Refusal: "expected a set of at least 4 images for mode-collapse; got 2; ..."
    """
    modes = int(size["modes"])
    if len(records) <= modes:
        raise Refusal(
            f"a set of at least {modes + 1} images for mode-collapse", f"{len(records)}",
            "give more images",
        )  # fmt: skip
    order = rng.permutation(len(records))
    kept, rest = order[:modes], order[modes:]
    many = min(len(rest), max(1, round(size["replaced_pct"] / 100 * len(records))))
    source = {int(rest[i]): int(kept[i % modes]) for i in range(many)}
    return [
        Job(record, records[source[i]], "copy") if i in source else Job(record)
        for i, record in enumerate(records)
    ]


def copy_jobs(records: Sequence[Record], size: Size, *, rng: np.random.Generator) -> list[Job]:
    """Keep the second half of the persons and replace a share of their images by changed copies.

    The sources are images of the first half, none used twice while others are left.

    Raises:
        Refusal: "expected a set of at least 2 persons for planted-copies; got 1; ..."
    """
    persons = sorted({record.patient for record in records})
    if len(persons) < 2:
        raise Refusal(
            "a set of at least 2 persons for planted-copies", f"{len(persons)}", "give more images"
        )
    order = rng.permutation(len(persons))
    first = {persons[i] for i in order[: len(persons) // 2]}
    trained = [record for record in records if record.patient in first]
    shown = [record for record in records if record.patient not in first]
    many = max(1, math.ceil(size["copied_pct"] / 100 * len(shown) - 0.5))
    replaced = [int(i) for i in rng.permutation(len(shown))[:many]]
    sources = rng.permutation(len(trained))
    chosen = {
        place: (trained[int(sources[n % len(trained)])], CHANGES[n % len(CHANGES)])
        for n, place in enumerate(replaced)
    }
    return [Job(record, *chosen.get(i, (None, ""))) for i, record in enumerate(shown)]


@dataclass(frozen=True)
class Change:
    """How a copy differs from its original.

    Attributes:
        flipped: mirrored left to right.
        box: part that is shown, (left, upper, right, lower) in shares of the sides.
        gain: factors of R, G, B.
    """

    flipped: bool = False
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def of_picture(self, pixels: np.ndarray) -> np.ndarray:
        """Apply the change to a photograph."""
        shown = self._seen(pixels, Image.Resampling.BICUBIC)
        if self.gain == (1.0, 1.0, 1.0):
            return shown
        return np.clip(np.rint(shown * np.array(self.gain)), 0, 255).astype(np.uint8)

    def of_mask(self, mask: np.ndarray) -> np.ndarray:
        """Apply the change to a mask."""
        return self._seen(mask.astype(np.uint8) * 255, Image.Resampling.BILINEAR) > 127

    def _seen(self, plane: np.ndarray, how: Image.Resampling) -> np.ndarray:
        plane = plane[:, ::-1] if self.flipped else plane
        if self.box == (0.0, 0.0, 1.0, 1.0):
            return np.ascontiguousarray(plane)
        height, width = plane.shape[:2]
        box = (self.box[0] * width, self.box[1] * height, self.box[2] * width,
               self.box[3] * height)  # fmt: skip
        image = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(image.resize((width, height), how, box=box))


def change_named(name: str, size: Size, *, rng: np.random.Generator) -> Change:
    """Draw the change of one copy: `crop_pct` of each side, gains of up to `gain_pct`."""
    left, upper, *turn = rng.uniform(size=5)
    crop, gain = size.get("crop_pct", 0.0) / 100, size.get("gain_pct", 0.0) / 100
    signs = np.where(np.array(turn) < 0.5, -1.0, 1.0)
    box = (left * crop, upper * crop, left * crop + 1 - crop, upper * crop + 1 - crop)
    r, g, b = (1 + gain * signs * np.array([1.0, 0.5, 1.0])).tolist()
    return Change(
        flipped="flip" in name,
        box=box if "crop" in name else (0.0, 0.0, 1.0, 1.0),
        gain=(r, g, b) if "recolour" in name else (1.0, 1.0, 1.0),
    )

"""The ceiling: what any autoencoder does to the vessels, before any generator is trained on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from retinaforge.core import Fov, Photograph, Quantity, Record
from retinaforge.core.artefacts import write_with
from retinaforge.images import read_mask
from retinaforge.vessels import Judge, compare_vessels, edge_sharpness


@dataclass(frozen=True)
class JudgedOriginal:
    """A photograph and what one judge takes for its vessels, in its own coordinates."""

    photo: Photograph
    fov: Fov
    mask: np.ndarray

    def human(self, record: Record, kind: str = "vessel") -> np.ndarray | None:
        """Return a human's vessel mask, None where the data set has none.

        Raises:
            MaskSizeError: if it has another size than the photograph.
        """
        if kind not in record.masks:
            return None
        return read_mask(record.masks[kind], size_px=self.photo.size_px)


def judge_original(
    judge: Judge, photo: Photograph, fov: Fov, cache: Path, stem: str
) -> JudgedOriginal:
    """Judge a photograph, or reopen what the same judge said of it earlier in this run.

    Args:
        judge: the judge.
        photo: the photograph.
        fov: its field of view.
        cache: folder of 1-bit PNGs, one a judge and photograph.
        stem: the photograph's file name there.
    """
    path = cache / f"{judge.card.name}-v{judge.card.version}".replace("/", "_") / f"{stem}.png"
    if path.is_file():
        return JudgedOriginal(photo, fov, read_mask(path, size_px=photo.size_px))
    mask = judge.mask(photo, fov)
    image = Image.fromarray(mask)
    write_with(path, lambda stream: image.save(stream, format="PNG"))
    return JudgedOriginal(photo, fov, mask)


def vessel_rows(
    estimate: np.ndarray, original: JudgedOriginal, reconstruction: Photograph, record: Record
) -> Iterator[tuple[str, Quantity]]:
    """Yield (reference, quantity): vessels kept, against the original's and against a human's.

    Args:
        estimate: vessels that a judge finds on the reconstruction.
        original: the same judge on the original.
        reconstruction: in the original's own coordinates.
        record: names the human mask, where there is one.
    """
    fov_mask = original.fov.mask
    for quantity in compare_vessels(estimate, original.mask, fov_mask):
        yield "original", quantity
    human = original.human(record)
    walls = original.mask if human is None else human
    pixels = (reconstruction.pixels, original.photo.pixels)
    yield "original", edge_sharpness(*pixels, walls, fov_mask)
    if human is not None:
        for quantity in compare_vessels(estimate, human, fov_mask):
            yield "human", quantity

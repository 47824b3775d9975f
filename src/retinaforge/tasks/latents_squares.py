"""Photographs as the squares that an autoencoder takes, each with the name of its latent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image

from retinaforge.core import Refusal, RetinaForgeError
from retinaforge.core.artefacts import sha256_of
from retinaforge.images import find_fov, normalise, read_photograph
from retinaforge.tasks.generator_rows import RowStore

Frame = Literal["auto", "field", "whole"]


class HasImage(Protocol):
    """What is needed of a pair."""

    path: Path
    synthetic: bool


def takes_whole(pair: HasImage, frame: Frame) -> bool:
    """Return whether a pair's whole frame may be taken, where it is square or `frame` insists."""
    return frame == "whole" or (frame == "auto" and pair.synthetic)


@dataclass(frozen=True)
class Opened:
    """One photograph: its key, and its square where its row is lacking, or why it has none.

    Attributes:
        place: in the list that was asked for.
        key: by which its row is kept; "" where there is a reason.
        more: what the index says of the row.
        square: RGB 0-255, shape (side, side, 3); None where the row is there.
        reason: why there is none.
    """

    place: int
    key: str = ""
    more: dict[str, Any] | None = None
    square: np.ndarray | None = None
    reason: str = ""


class SquareReader:
    """Files to squares; a photograph whose row is there is not decoded.

    Args:
        store: of the rows.
        size_px: side of the squares.
        frame: as in `latents.encode_pairs`.
    """

    def __init__(self, store: RowStore, size_px: int, frame: Frame) -> None:
        self.store, self.size_px, self.frame = store, size_px, frame
        self.known: dict[tuple[Any, ...], str] = {}

    def read_known(self) -> None:
        """Learn which files, by path, size and time, have a row: they are not even hashed."""
        self.known = {tuple(line["file"]): key for key, line in self.store.index.items()}

    def __call__(self, place: int, pair: HasImage) -> Opened:
        try:
            whole = takes_whole(pair, self.frame)
            stat = pair.path.stat()
            file = [str(pair.path.resolve()), stat.st_size, stat.st_mtime_ns, whole]
            if tuple(file) in self.known:
                return Opened(place, self.known[tuple(file)])
            key = f"{sha256_of(pair.path)}{'-whole' if whole else ''}"
            square = None if key in self.store else self.square(pair.path, whole)
            return Opened(place, key, {"file": file}, square)
        except (RetinaForgeError, OSError, ValueError, ArithmeticError, MemoryError) as error:
            return Opened(place, reason=str(error) or type(error).__name__)

    def square(self, path: Path, whole: bool) -> np.ndarray:
        """Return a photograph's square, RGB 0-255, shape (side, side, 3).

        Raises:
            Refusal: for a photograph without retina; see `images.read_photograph` for others.
        """
        photo = read_photograph(path)
        height, width = photo.size_px
        if whole and (height == width or self.frame == "whole"):
            return padded_square(photo.pixels, self.size_px)
        fov = find_fov(photo)
        if not fov.mask.any():
            raise Refusal("a field of view with retina in it", "an empty one", "remove it")
        return normalise(photo, fov, size_px=self.size_px).photograph.pixels


def padded_square(pixels: np.ndarray, size_px: int) -> np.ndarray:
    """Return the frame in the middle of a black square, resized (Lanczos, antialiased).

    Args:
        pixels: RGB 0-255, shape (height, width, 3).
        size_px: side of the square.
    """
    square = in_square(pixels)
    image = Image.fromarray(square)
    if len(square) == size_px:
        return square
    return np.asarray(image.resize((size_px, size_px), Image.Resampling.LANCZOS, reducing_gap=3.0))


def in_square(pixels: np.ndarray) -> np.ndarray:
    """Return pixels, shape (height, width) or with channels, in the middle of a black square."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, *pixels.shape[2:]), pixels.dtype)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square

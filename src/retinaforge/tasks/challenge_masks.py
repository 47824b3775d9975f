"""Masks of disc and cup as the challenges draw them, read into labels, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retinaforge.anatomy.disc_cup import CUP, OUTSIDE, RIM, Labels
from retinaforge.core import Refusal
from retinaforge.images import MaskSizeError, read_grey
from retinaforge.tasks.challenge_layout import CUP_VALUE, OUTSIDE_VALUE, RIM_VALUE

MOST_TOLD = 6
"""Wrong values that a refusal names."""


def read_labels(
    path: Path, *, size_px: tuple[int, int] | None = None, loose: bool = False
) -> Labels:
    """Read a challenge's mask: 0 the cup, 128 the rim, 255 the rest.

    Args:
        path: BMP or PNG.
        size_px: (height, width) of the truth's mask; None skips the check.
        loose: take any grey between as rim, as REFUGE's own evaluation does (0 the cup, all below
            255 the disc): for masks that were scaled with interpolation.

    Returns:
        Labels 0 (outside), 1 (rim), 2 (cup).

    Raises:
        Refusal: "expected the values 0 (cup), 128 (rim) and 255 (outside); got ...".
        MaskSizeError: "expected a mask of WxH px like the truth's; got ...".
        UnreadableImage: if the file is no whole image.
    """
    grey = read_grey(path)
    if size_px is not None and grey.shape != tuple(size_px):
        raise MaskSizeError(
            f"a mask of {size_px[1]}x{size_px[0]} px like the truth's",
            f"{grey.shape[1]}x{grey.shape[0]} px: {path}",
            "bring the answer back to the photograph's size, without interpolation",
        )
    labels = np.full(grey.shape, RIM, np.uint8)
    labels[grey == CUP_VALUE] = CUP
    labels[grey == OUTSIDE_VALUE] = OUTSIDE
    if not loose:
        _require_values(grey, labels, path)
    return labels


def _require_values(grey: np.ndarray, labels: Labels, path: Path) -> None:
    wrong = (labels == RIM) & (grey != RIM_VALUE)
    if not wrong.any():
        return
    values = np.unique(grey[wrong])
    told = ", ".join(map(str, values[:MOST_TOLD])) + (" ..." if len(values) > MOST_TOLD else "")
    raise Refusal(
        f"the values {CUP_VALUE} (cup), {RIM_VALUE} (rim) and {OUTSIDE_VALUE} (outside)",
        f"{told} in {int(wrong.sum())} pixels of {path}",
        "scale masks with nearest neighbours, or take greys as rim by --loose",
    )


def drawn(disc: np.ndarray, cup: np.ndarray) -> np.ndarray:
    """Return a challenge's mask of a disc and a cup, each True inside; the cup within the disc."""
    grey = np.where(disc, RIM_VALUE, OUTSIDE_VALUE).astype(np.uint8)
    grey[disc & cup] = CUP_VALUE
    return grey

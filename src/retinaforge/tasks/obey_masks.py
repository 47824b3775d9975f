"""How far drawn images follow the masks they were asked for with.

Two witnesses. Contrast, in closed form: how much darker (vessels, haemorrhages) or brighter
(exudates, drusen, disc) the green channel is along the mask than its surroundings,

    c(m) = mean over m of s (G_sigma * g - g) / sd of the same over the field,    s = 1 or -1,

beside c of the same mask moved aside, which any eye's disc and arcades would pass equally well.
And for vessels our own segmenter, which learnt from photographs and other phantoms: Dice, and the
share of the asked centreline with a found vessel within a pixel, each beside those for masks of
the other images. Intervals are over masks (cluster bootstrap), since one mask may be drawn often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy.ndimage import binary_dilation
from skimage.morphology import skeletonize

from retinaforge.core import Photograph, Refusal, RetinaForgeError, rng_for
from retinaforge.images import find_fov
from retinaforge.metrics.smoothing import mean_inside
from retinaforge.metrics.statistics import paired_bootstrap

DARK = frozenset(
    ("vessel", "artery", "vein", "fovea", "macula", "lesion:microaneurysm",
     "lesion:haemorrhage_dot", "lesion:haemorrhage_flame", "lesion:preretinal_haemorrhage",
     "lesion:disc_haemorrhage", "lesion:venous_beading", "lesion:irma")
)  # fmt: skip
BRIGHT = frozenset(
    ("disc", "cup", "lesion:hard_exudate", "lesion:cotton_wool_spot", "lesion:drusen",
     "lesion:geographic_atrophy")
)  # fmt: skip
VESSELS = frozenset(("vessel",))
BACKGROUND = 1 / 20
"""Width of the background's Gaussian, of the side; wider than any vessel."""
SHIFTS = tuple(
    (r * y, r * x) for r in (0.06, 0.12) for y in (-1, 0, 1) for x in (-1, 0, 1) if x or y
)
"""Where the mask is moved to, in shares of the side."""
LEAST_LEVEL, MOST_OTHERS, READ_PX = 16, 32, 512

Segment = Callable[[UInt8[np.ndarray, "side side 3"]], Bool[np.ndarray, "side side"]]


@dataclass(frozen=True)
class AskedMask:
    """One image and one mask that it was asked for with.

    Attributes:
        pixels: RGB, 0-255, shape (side, side, 3).
        mask: what was asked for, True there.
        name: of the mask; images of one mask count as one draw.
    """

    pixels: UInt8[np.ndarray, "side side 3"]
    mask: Bool[np.ndarray, "side side"]
    name: str


def mask_obedience(
    kind: str, asked: Sequence[AskedMask], *, segment: Segment | None = None, seed: int = 0
) -> dict[str, Any]:
    """Return how far images follow masks of one kind, as plain data.

    Args:
        kind: "vessel", "lesion:hard_exudate", ...
        asked: images with their masks.
        segment: finds vessels; None leaves Dice and centreline out.
        seed: of the bootstrap.

    Returns:
        "contrast", "contrast_aside", "follows" (share of images whose own mask beats every
        shifted one) and, for vessels, "dice", "dice_others", "centreline", "centreline_others";
        each {"value", "interval", "n", "reason"}, value None where it is undefined.

    Raises:
        Refusal: if an image and its mask differ in size.
    """
    names = [one.name for one in asked]
    rows = [contrasts(kind, one.pixels, one.mask) for one in asked]
    if segment is not None and kind in VESSELS:
        found = [segment(one.pixels) for one in asked]
        masks = [one.mask for one in asked]
        for row, one, own in zip(rows, asked, found, strict=True):
            others = [m for m, name in zip(masks, names, strict=True) if name != one.name]
            row |= overlap(own, one.mask, others[:MOST_OTHERS])
    keys = list(dict.fromkeys(key for row in rows for key in row))
    values = {key: np.array([row.get(key, np.nan) for row in rows], float) for key in keys}
    return {
        "images": len(asked),
        "masks": len(set(names)),
        **{key: _estimate(values[key], names, kind, seed) for key in keys},
    }


def contrasts(
    kind: str, pixels: UInt8[np.ndarray, "side side 3"], mask: Bool[np.ndarray, "side side"]
) -> dict[str, float]:
    """Return the contrast along a mask, along the mask moved aside, and whether it beats all.

    NaN for kinds that are neither dark nor bright, and for an empty mask.

    Raises:
        Refusal: if image and mask differ in size.
    """
    if pixels.shape[:2] != mask.shape:
        raise Refusal(
            f"a mask of {pixels.shape[1]}x{pixels.shape[0]} px as its image",
            f"{mask.shape[1]}x{mask.shape[0]} px",
            "bring it to the image's square",
        )
    sign = 1.0 if kind in DARK else -1.0 if kind in BRIGHT else np.nan
    darkness, field = _darkness(pixels)
    own = _along(sign * darkness, mask, field)
    aside = [_along(sign * darkness, _moved(mask, shift), field) for shift in SHIFTS]
    known = [value for value in aside if np.isfinite(value)]
    if not np.isfinite(own) or not known:
        return {"contrast": np.nan, "contrast_aside": np.nan, "follows": np.nan}
    return {
        "contrast": own,
        "contrast_aside": float(np.mean(known)),
        "follows": float(own > max(known)),
    }


def overlap(
    found: Bool[np.ndarray, "side side"],
    asked: Bool[np.ndarray, "side side"],
    others: Sequence[Bool[np.ndarray, "side side"]],
) -> dict[str, float]:
    """Return Dice and centreline sensitivity of what was found, for the own and other masks."""
    near = binary_dilation(found, np.ones((3, 3), bool))
    return {
        "dice": dice(found, asked),
        "dice_others": _mean([dice(found, other) for other in others]),
        "centreline": _covered(asked, near),
        "centreline_others": _mean([_covered(other, near) for other in others]),
    }


def dice(one: Bool[np.ndarray, "side side"], other: Bool[np.ndarray, "side side"]) -> float:
    """Return 2 |A and B| / (|A| + |B|); NaN for two empty masks."""
    both = int(one.sum()) + int(other.sum())
    return float(2 * (one & other).sum() / both) if both else float("nan")


def our_segmenter() -> Segment:
    """Return what finds vessels with our shipped network, on an image enlarged to READ_PX."""
    from retinaforge.vessels.network import NetworkJudge

    judge = NetworkJudge()

    def segment(pixels: np.ndarray) -> np.ndarray:
        side = len(pixels)
        large = Image.fromarray(pixels).resize((READ_PX, READ_PX), Image.Resampling.BICUBIC)
        photo = Photograph(np.asarray(large), "drawn", synthetic=True)
        try:
            found = np.asarray(judge.mask(photo, find_fov(photo)), np.uint8) * 255
        except RetinaForgeError:  # what shows no field of view shows no vessels
            return np.zeros((side, side), bool)
        return np.asarray(Image.fromarray(found).resize((side, side), Image.Resampling.BOX)) >= 128

    return segment


def _darkness(pixels: np.ndarray) -> tuple[Float[np.ndarray, "s s"], Bool[np.ndarray, "s s"]]:
    """Return how much darker the green channel is than its surroundings, in its own spread."""
    field = pixels.max(-1) >= LEAST_LEVEL
    green = pixels[..., 1].astype(np.float64)
    if not field.any():
        return np.zeros_like(green), field
    lost = mean_inside(green, field, len(pixels) * BACKGROUND) - green
    spread = float(lost[field].std())
    return (lost / spread if spread > 0 else np.zeros_like(lost)), field


def _along(values: np.ndarray, mask: np.ndarray, field: np.ndarray) -> float:
    seen = mask & field
    return float(values[seen].mean()) if seen.any() else float("nan")


def _moved(mask: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    """Return the mask moved by shares of its side; what leaves it is gone."""
    side = len(mask)
    down, right = (round(share * side) for share in shift)
    moved = np.zeros_like(mask)
    rows, columns = (
        slice(max(0, down), side + min(0, down)),
        slice(max(0, right), side + min(0, right)),
    )
    back = slice(max(0, -down), side + min(0, -down)), slice(max(0, -right), side + min(0, -right))
    moved[rows, columns] = mask[back]
    return moved


def _covered(asked: np.ndarray, near: np.ndarray) -> float:
    line = skeletonize(asked)
    return float(near[line].mean()) if line.any() else float("nan")


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _estimate(values: np.ndarray, names: Sequence[str], kind: str, seed: int) -> dict[str, Any]:
    found = paired_bootstrap(values, names, rng=rng_for(seed, "mask obedience"))
    known = np.isfinite(found.value)
    reason = found.reason
    if not known and kind not in DARK | BRIGHT:
        reason = f"{kind} is neither darker nor brighter than its surroundings"
    return {
        "value": round(float(found.value), 4) if known else None,
        "interval": None if found.interval is None else [round(v, 4) for v in found.interval],
        "n": found.n,
        "reason": reason,
    }

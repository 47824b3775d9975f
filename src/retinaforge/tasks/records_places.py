"""Where in an eye something lies, in the catalogue's words, and boxes round it.

Quadrants meet at the disc, as those of the seven standard fields do and as our phantoms count them;
regions are those of `phantoms.facts.place_of`: fovea, disc (within a disc diameter of its centre),
macula, periphery. What the landmarks do not settle is not said: without the fovea no macula,
without a side no quadrant, only the half above or below the disc.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from retinaforge.captions.facts import HALVES, QUADRANTS, REGIONS
from retinaforge.captions.record import Box
from retinaforge.core import Landmarks

Point = tuple[float, float]
Mask = Bool[np.ndarray, "height width"]
BOXES = 20
"""At most so many boxes a finding, the largest first: evidence, not a segmentation."""
DISC_UM, FOVEA_UM, MACULA_UM = 1800.0, 750.0, 2750.0
"""A disc's usual vertical diameter, by which a photograph is scaled, and the radii of fovea and
macula as our phantoms have them."""
EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Region:
    """A connected piece of a mask.

    Attributes:
        centre_px: its centre of mass (x, y).
        area_px: pixels.
        box: (left, top, right, bottom) as shares of the image.
    """

    centre_px: Point
    area_px: int
    box: Box


def regions_of(mask: Mask, *, at_least_px: int = 1) -> list[Region]:
    """Return the pieces of a mask that hang together, corners included, the largest first."""
    pieces, count = ndimage.label(mask, EIGHT)
    if not count:
        return []
    areas = np.bincount(pieces.reshape(-1))[1:]
    height, width = mask.shape
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(pieces), 1):
        if areas[number - 1] < at_least_px:
            continue
        y, x = np.nonzero(pieces[rows, columns] == number)
        centre = float(x.mean() + columns.start), float(y.mean() + rows.start)
        box = (columns.start / width, rows.start / height, columns.stop / width, rows.stop / height)
        found.append(Region(centre, int(areas[number - 1]), tuple(round(side, 4) for side in box)))
    return sorted(found, key=lambda region: -region.area_px)


def boxes_of(mask: Mask) -> tuple[Box, ...]:
    """Return boxes round the largest pieces of a mask."""
    return tuple(region.box for region in regions_of(mask)[:BOXES])


def places_of(points: Sequence[Point], marks: Landmarks) -> tuple[str, ...]:
    """Return where points lie, quadrants (or halves) before regions, the most frequent first."""
    quadrants = Counter(word for point in points if (word := quadrant_of(point, marks)))
    regions = Counter(word for point in points if (word := region_of(point, marks)))
    return (*in_order(quadrants, (*QUADRANTS, *HALVES)), *in_order(regions, REGIONS))


def in_order(counts: Mapping[str, int], words: Sequence[str] = QUADRANTS) -> tuple[str, ...]:
    """Return the words that count more than nothing, the most frequent first."""
    here = [word for word in words if counts.get(word, 0)]
    return tuple(sorted(here, key=lambda word: -counts[word]))


def quadrant_of(point: Point, marks: Landmarks) -> str:
    """Return the quadrant of a point; "superior" or "inferior" without a side; "" without a disc.

    Temporal is towards the fovea; where it is not known, away from the nose of the eye named.
    """
    if marks.disc_centre_px is None:
        return ""
    x, y = point[0] - marks.disc_centre_px[0], point[1] - marks.disc_centre_px[1]
    height, side = "inferior" if y > 0 else "superior", temporal_side(marks)
    return f"{height} {'temporal' if x * side >= 0 else 'nasal'}" if side else height


def temporal_side(marks: Landmarks) -> int:
    """Return 1 where temporal is to the right of the disc, -1 to the left, 0 where not known."""
    if marks.disc_centre_px is not None and marks.fovea_px is not None:
        return 1 if marks.fovea_px[0] > marks.disc_centre_px[0] else -1
    return {"OD": -1, "OS": 1}.get(marks.eye or "", 0)


def region_of(point: Point, marks: Landmarks) -> str:
    """Return fovea, disc, macula or periphery; "" where the landmarks do not settle it."""
    radius = marks.disc_radius_px
    scale = marks.um_per_px or (DISC_UM / (2 * radius) if radius else None)
    if scale is None:
        return ""
    to_fovea = _apart_um(point, marks.fovea_px, scale)
    if to_fovea is not None and to_fovea <= FOVEA_UM:
        return "fovea"
    to_disc = _apart_um(point, marks.disc_centre_px, scale)
    if to_disc is not None and radius and to_disc <= 2 * radius * scale:
        return "disc"
    if to_fovea is None or to_disc is None:
        return ""
    return "macula" if to_fovea <= MACULA_UM else "periphery"


def _apart_um(one: Point, other: Point | None, scale: float) -> float | None:
    return None if other is None else scale * math.dist(one, other)

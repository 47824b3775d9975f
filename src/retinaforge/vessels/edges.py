"""Sharpness of vessel walls: how fast the green channel changes across them.

At a wall point w with outward normal n (from the blurred reference mask), sampled bilinearly:

    p(t) = green(w + t n),   slope(t) = (p(t + 1) − p(t − 1)) / 2
    t*   = argmax over |t| ≤ reach of the same slope in both images' sum, blurred by a Gaussian
    sharpness = mean over w of slope of the reconstruction at t* / the same of the original

Both images are read at the same places, found in both, so that swapping them gives 1 / sharpness.
The blur (½ unit of `skeleton.py`, at least 1.5 px) keeps noise from choosing the place: a maximum
over noisy slopes would read noise as sharpness. A step of height H blurred by a Gaussian of
width s has the slope H (2 Φ(1 / s) − 1) / 2 there, about H / (s √2π) for s above 1.5 px.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

from retinaforge.core import Card, Quantity, Refusal
from retinaforge.vessels.skeleton import UNIT_FOV_PX, fov_box, require_masks, wall_pixels

EDGE_SHARPNESS = Card(
    name="edge_sharpness",
    version=1,
    measures="slope of the green channel across vessel walls, reconstruction / original, averaged "
    "over the reference's walls; 1 preserved, below 1 blurred or paler, above 1 exaggerated; "
    "swapping the images gives the reciprocal",
    range="(-inf, inf)",
    direction="neither",
    unit="1",
    smallest_n=1,
    reference="defined in retinaforge/vessels/edges.py; needs 50 wall points",
    known_failure="cannot tell blur from loss of contrast; follows the walls of the mask, so "
    "vessels that the grader left out do not count; noise of 5 grey levels "
    "added to a photograph reads as 4 to 6 % sharper",
)
FEWEST_WALL_POINTS = 50
MOST_WALL_POINTS = 20_000
_NORMAL_SIGMA_PX, _NORMAL_REACH_PX = 1.5, 4


@dataclass(frozen=True)
class WallProfiles:
    """Where to read an image across the vessel walls of one mask.

    Attributes:
        points_px: (row, column) on the walls, in the field of view's bounding box, shape (n, 2).
        normals: unit vectors from vessel to background, same shape.
        steps_px: distances from the wall at which slopes are taken, ascending, step 0.5.
    """

    points_px: Float[np.ndarray, "n 2"]
    normals: Float[np.ndarray, "n 2"]
    steps_px: Float[np.ndarray, "k"]


def edge_sharpness(
    reconstruction: UInt8[np.ndarray, "height width 3"],
    original: UInt8[np.ndarray, "height width 3"],
    reference: Bool[np.ndarray, "height width"],
    fov_mask: Bool[np.ndarray, "height width"],
) -> Quantity:
    """Return the reconstruction's slope across vessel walls over the original's.

    Args:
        reconstruction: RGB, 0-255, at the photograph's native scale.
        original: RGB, 0-255, same shape.
        reference: True on vessels, whose walls are read.
        fov_mask: True inside the field of view.

    Returns:
        The ratio, 1 where sharpness is preserved; NaN where there are fewer than 50 wall points
        or the original does not brighten from vessel to background.

    Raises:
        Refusal: if shapes differ.
    """
    walls = wall_profiles(reference, fov_mask)
    if len(walls.points_px) < FEWEST_WALL_POINTS:
        reason = f"the reference has fewer than {FEWEST_WALL_POINTS} wall points in view"
        return Quantity(EDGE_SHARPNESS, float("nan"), reason)
    ours, theirs = wall_slopes(reconstruction, original, walls, fov_mask)
    if theirs <= 0:
        reason = "the original does not brighten across vessel walls"
        return Quantity(EDGE_SHARPNESS, float("nan"), reason)
    return Quantity(EDGE_SHARPNESS, ours / theirs)


def wall_slopes(
    reconstruction: UInt8[np.ndarray, "height width 3"],
    original: UInt8[np.ndarray, "height width 3"],
    walls: WallProfiles,
    fov_mask: Bool[np.ndarray, "height width"],
) -> tuple[float, float]:
    """Return the mean slopes of both images across the walls, in grey levels per pixel.

    Args:
        reconstruction: RGB, 0-255.
        original: RGB, 0-255, same shape.
        walls: from `wall_profiles` of the same mask and field of view; at least one point.
        fov_mask: True inside the field of view.

    Returns:
        (reconstruction's, original's), read at the same places.

    Raises:
        Refusal: if a shape differs from the field of view's.
    """
    for pixels in (reconstruction, original):
        if pixels.shape != (*fov_mask.shape, 3):
            raise Refusal(
                f"images of the field of view's shape {(*fov_mask.shape, 3)}",
                f"shape {pixels.shape}",
                "carry the reconstruction back to the photograph's native size first",
            )
    box = fov_box(fov_mask)
    greens = [image[box][..., 1].astype(np.float32) for image in (reconstruction, original)]
    sigma_px = max(1.5, max(greens[0].shape) / UNIT_FOV_PX / 2)
    blurred = ndimage.gaussian_filter(greens[0] + greens[1], sigma_px, truncate=3.0)
    place = np.argmax(_slopes(blurred, walls), axis=1)[:, None]
    ours, theirs = (
        float(np.take_along_axis(_slopes(green, walls), place, axis=1).mean()) for green in greens
    )
    return ours, theirs


def wall_profiles(
    reference: Bool[np.ndarray, "height width"], fov_mask: Bool[np.ndarray, "height width"]
) -> WallProfiles:
    """Place profiles across a mask's vessel walls, at most 20 000, evenly thinned.

    Args:
        reference: True on vessels.
        fov_mask: True inside the field of view; profiles that leave it are dropped.

    Returns:
        Wall points with outward normals; none where there is no vessel.
    """
    require_masks(fov_mask, reference)
    box = fov_box(fov_mask)
    fov = fov_mask[box]
    vessels = reference[box] & fov
    outside = np.argwhere(wall_pixels(vessels, fov))
    outside = outside[:: max(1, -(-len(outside) // MOST_WALL_POINTS))]
    reach = max(2, round(max(fov.shape) / UNIT_FOV_PX))
    normals, flat = _outward(vessels, outside)
    points = outside - 0.5 * normals
    ends = [_inside(fov, points + sign * (reach + 1) * normals) for sign in (-1, 1)]
    keep = ends[0] & ends[1] & ~flat
    steps = np.arange(-reach, reach + 0.5, 0.5)
    return WallProfiles(points[keep], normals[keep], steps)


def _outward(
    vessels: Bool[np.ndarray, "height width"], points: Int[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "n 2"], Bool[np.ndarray, "n"]]:
    """Return minus the unit gradient of the blurred mask, and where it vanishes.

    ∇(G ∗ m)(p) = Σ over offsets o of m(p + o) o G(o), taken at the wanted points only.
    """
    reach = _NORMAL_REACH_PX
    padded = np.pad(vessels, reach)
    down = np.zeros((len(points), 2))
    for row, column in np.ndindex(2 * reach + 1, 2 * reach + 1):
        offset = np.array([row - reach, column - reach])
        weight = np.exp(-(offset @ offset) / (2 * _NORMAL_SIGMA_PX**2))
        inside = padded[points[:, 0] + row, points[:, 1] + column]
        down -= inside[:, None] * offset * weight
    length = np.hypot(down[:, 0], down[:, 1])
    flat = length < 1e-6
    return down / np.where(flat, 1.0, length)[:, None], flat


def _inside(fov: Bool[np.ndarray, "height width"], points: Float[np.ndarray, "n 2"]) -> np.ndarray:
    nearest = np.rint(points).astype(int)
    within = ((nearest >= 0) & (nearest < fov.shape)).all(axis=1)
    result = np.zeros(len(points), bool)
    result[within] = fov[tuple(nearest[within].T)]
    return result


def _slopes(
    green: Float[np.ndarray, "height width"], walls: WallProfiles
) -> Float[np.ndarray, "n k"]:
    """Return (p(t + 1) − p(t − 1)) / 2 at every wall and step, in grey levels per pixel."""
    steps = np.arange(walls.steps_px[0] - 1, walls.steps_px[-1] + 1.5, 0.5)
    where = walls.points_px[:, :, None] + walls.normals[:, :, None] * steps
    profile = ndimage.map_coordinates(
        green, where.transpose(1, 0, 2), output=np.float64, order=1, mode="nearest"
    )
    return (profile[:, 4:] - profile[:, :-4]) / 2

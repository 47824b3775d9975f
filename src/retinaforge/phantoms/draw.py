"""Draw a phantom: a fundus photograph of which everything is known.

seed → layout (where disc and fovea lie) → trees in micrometres → pixels of any size. The photograph
is the ground times the light that arteries and veins let through (Beer-Lambert, strongest in
green) times the camera's illumination, plus noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Branch, Eye, Fov, Photograph, Refusal, VesselTree, rng_for
from retinaforge.phantoms.growth import Segment, grow_trees
from retinaforge.phantoms.layout import Layout, lay_out
from retinaforge.phantoms.look import Look, draw_look, smooth_noise
from retinaforge.phantoms.paint import disc_radius_share, paint_disc, paint_ground
from retinaforge.phantoms.params import SMALLEST_SIZE_PX, PhantomParams
from retinaforge.phantoms.raster import VesselLayer, render_vessels

MARGIN = 0.965
"""Radius of the field over half the side of the image."""

# Optical depth of a 150 um vessel in R, G, B, for arteries (oxygenated) and veins.
ARTERY_DEPTH = np.array([0.12, 0.62, 0.50], dtype=np.float32)
VEIN_DEPTH = np.array([0.30, 0.88, 0.68], dtype=np.float32)
PLAIN = PhantomParams()


@dataclass(frozen=True)
class Phantom:
    """A drawn photograph with its truth; all coordinates in pixels, centres at whole numbers.

    Attributes:
        photograph: RGB, marked synthetic, with its eye.
        fov: the camera's circle.
        vessel: union of artery and vein.
        artery: True within an artery's radius of its centreline (at least half a pixel).
        vein: the same for veins; both are True where they cross.
        disc: inside of the disc's ellipse.
        tree: exact centrelines and radii.
        disc_centre_px: (x, y).
        disc_radius_px: half the disc's vertical diameter.
        fovea_px: (x, y); may lie outside the field where the camera aimed at the disc.
        px_um: micrometres a pixel.
    """

    photograph: Photograph
    fov: Fov
    vessel: Bool[np.ndarray, "height width"]
    artery: Bool[np.ndarray, "height width"]
    vein: Bool[np.ndarray, "height width"]
    disc: Bool[np.ndarray, "height width"]
    tree: VesselTree
    disc_centre_px: tuple[float, float]
    disc_radius_px: float
    fovea_px: tuple[float, float]
    px_um: float


def draw_phantom(
    seed: int,
    *,
    size_px: int = 512,
    eye: Eye | None = None,
    params: PhantomParams = PLAIN,
    person: int | None = None,
) -> Phantom:
    """Draw one phantom; the same seed gives the same eye at every size and the same bytes.

    Args:
        seed: which eye.
        size_px: side of the square photograph, at least 64.
        eye: OD or OS; None lets the seed decide. The left eye is the exact mirror image.
        params: the eye's and its vessels' means.
        person: seed of the appearance (pigment, camera); two eyes of a person share it.

    Raises:
        Refusal: if the size is below 64 or the seed negative.
    """
    _refuse(seed, size_px)
    layout = lay_out(params, rng=rng_for(seed, "layout"))
    segments = grow_trees(layout, params, rng=rng_for(seed, "vessels"))
    look = draw_look(rng=rng_for(seed if person is None else person, "look"))
    side: Eye = eye or ("OD", "OS")[int(rng_for(seed, "eye").integers(2))]
    right = _render(seed, layout, segments, look, size_px=size_px)
    return right if side == "OD" else mirror(right)


def mirror(phantom: Phantom) -> Phantom:
    """Return the same eye as seen in a mirror: OD becomes OS and the other way round."""
    last = phantom.vessel.shape[1] - 1

    def flip(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array[:, ::-1])

    def across(point: tuple[float, float]) -> tuple[float, float]:
        return last - point[0], point[1]

    branches = tuple(
        replace(b, points_px=np.stack([last - b.points_px[:, 0], b.points_px[:, 1]], axis=1))
        for b in phantom.tree.branches
    )
    photo, fov = phantom.photograph, phantom.fov
    return replace(
        phantom,
        photograph=replace(
            photo, pixels=flip(photo.pixels), eye="OS" if photo.eye == "OD" else "OD"
        ),
        fov=replace(fov, mask=flip(fov.mask), centre_px=across(fov.centre_px)),
        vessel=flip(phantom.vessel),
        artery=flip(phantom.artery),
        vein=flip(phantom.vein),
        disc=flip(phantom.disc),
        tree=VesselTree(branches),
        disc_centre_px=across(phantom.disc_centre_px),
        fovea_px=across(phantom.fovea_px),
    )


def _refuse(seed: int, size_px: int) -> None:
    if size_px < SMALLEST_SIZE_PX:
        raise Refusal(
            f"a size of at least {SMALLEST_SIZE_PX} px",
            f"{size_px} px",
            "draw larger and shrink the photograph yourself",
        )
    if seed < 0:
        raise Refusal("a seed of 0 or more", f"{seed}", "choose a non-negative whole number")


def _render(
    seed: int, layout: Layout, segments: tuple[Segment, ...], look: Look, *, size_px: int
) -> Phantom:
    px_um = layout.fov_radius_um / (MARGIN * size_px / 2)
    middle = (size_px - 1) / 2

    def to_px(point: tuple[float, float]) -> tuple[float, float]:
        return (
            (point[0] - layout.frame_um[0]) / px_um + middle,
            (point[1] - layout.frame_um[1]) / px_um + middle,
        )

    tree = VesselTree(tuple(_branch(segment, layout, px_um, middle) for segment in segments))
    row, column = np.mgrid[:size_px, :size_px].astype(np.float32) - np.float32(middle)
    x = column * np.float32(px_um) + np.float32(layout.frame_um[0])
    y = row * np.float32(px_um) + np.float32(layout.frame_um[1])
    radius_px = layout.fov_radius_um / px_um
    rim = np.hypot(row, column)
    inside = rim <= radius_px
    blur = float(np.hypot(look.blur_um / px_um, 0.42))
    layers = {
        kind: render_vessels(tree.of_kind(kind), size_px=size_px, px_um=px_um, blur_px=blur)
        for kind in ("artery", "vein")
    }
    ground = paint_ground(x, y, layout, look, rng=rng_for(seed, "ground"))
    ground = paint_disc(ground, x, y, layout, rng=rng_for(seed, "disc"))
    shallow = _shallow(x, y, layout)
    image = _through_vessels(ground, layers["artery"], layers["vein"], look.vessel * shallow)
    image = _camera(image, rim / radius_px, (row, column), look, rng=rng_for(seed, "camera"))
    image *= np.clip(radius_px - rim + 0.5, 0, 1)[..., None]
    artery = (layers["artery"].depth_px >= 0) & inside
    vein = (layers["vein"].depth_px >= 0) & inside
    return Phantom(
        photograph=Photograph(
            pixels=np.clip(np.rint(image), 0, 255).astype(np.uint8),
            source=f"retinaforge phantom, seed {seed}",
            eye="OD",
            synthetic=True,
        ),
        fov=Fov(inside, (middle, middle), radius_px, "circle"),
        vessel=artery | vein,
        artery=artery,
        vein=vein,
        disc=(disc_radius_share(x, y, layout) <= 1) & inside,
        tree=tree,
        disc_centre_px=to_px(layout.disc_um),
        disc_radius_px=layout.disc_axes_um[1] / px_um,
        fovea_px=to_px((0.0, 0.0)),
        px_um=px_um,
    )


def _branch(segment: Segment, layout: Layout, px_um: float, middle: float) -> Branch:
    points, radii = smooth(np.array(segment.points), np.array(segment.radii))
    return Branch(
        points_px=(points - np.array(layout.frame_um)) / px_um + middle,
        radii_px=radii / px_um,
        kind=segment.kind,
        parent=segment.parent,
    )


def smooth(
    points: Float[np.ndarray, "n 2"], radii: Float[np.ndarray, "n"], *, pieces: int = 2
) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, "m"]]:
    """Return a Catmull-Rom curve through the points, so that large sizes show no corners."""
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    p0, p1, p2, p3 = (p[i : len(p) - 3 + i, None, :] for i in range(4))
    t = (np.arange(pieces) / pieces)[None, :, None]
    curve = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )  # fmt: skip
    places = np.arange((len(points) - 1) * pieces + 1) / pieces
    return (
        np.concatenate([curve.reshape(-1, 2), points[-1:]]),
        np.interp(places, np.arange(len(points)), radii),
    )


def _shallow(x: np.ndarray, y: np.ndarray, layout: Layout) -> np.ndarray:
    """Return how much of a vessel shows: less in the cup, where trunks come from the depth."""
    away = np.hypot(x - layout.disc_um[0], y - layout.disc_um[1])
    return 1 - 0.6 * np.exp(-((away / 240.0) ** 2))


def _through_vessels(
    ground: np.ndarray, artery: VesselLayer, vein: VesselLayer, contrast: np.ndarray
) -> np.ndarray:
    depth = artery.absorption[..., None] * ARTERY_DEPTH + vein.absorption[..., None] * VEIN_DEPTH
    reflex = 0.34 * artery.reflex * artery.absorption + 0.08 * vein.reflex * vein.absorption
    shine = reflex[..., None] * np.array([0.7, 1.5, 1.2], dtype=np.float32)
    return ground * np.exp(contrast[..., None] * (shine - depth))


def _camera(
    image: np.ndarray, rim: np.ndarray, place: tuple[np.ndarray, np.ndarray], look: Look, *,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Light the field unevenly, darken its border and add the sensor's noise."""
    size = image.shape[0]
    light = 1 - look.vignette * rim**2.4
    light += (look.tilt[0] * place[1] + look.tilt[1] * place[0]) / (size / 2)
    image = image * np.clip(light, 0.12, 1.5)[..., None]
    # Bright values saturate softly, as in a camera's tone curve.
    image = np.where(image > 200, 255 - 55 * np.exp(-(image - 200) / 55), image)
    grain = rng.standard_normal((size, size, 3), dtype=np.float32)
    coarse = smooth_noise(min(size // 2, 512), size, rng=rng)[..., None]
    return image + look.noise * (0.7 * grain + 0.8 * coarse)

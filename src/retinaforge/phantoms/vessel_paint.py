"""Paint vessels: what the blood column lets through, the light reflex, and who lies on top.

Beer-Lambert: light = ground * exp(-D p(d) + S q(d)), d the distance from the axis, p the column's
profile (half an ellipse) and q the reflex's (a bar), both blurred by the wall and the optics.
D grows with the calibre w, D = D8 (1 - exp(-(w / w0)^1.8)): light scattered round a column keeps
a wide one from growing darker.

The depths are fitted so that phantoms, measured as photographs are, show the contrasts of arteries
and veins by width and channel of DRIVE, HRF and LES-AV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree
from scipy.special import erf

from retinaforge.core import VesselTree, rng_for
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Fundus, Layout, Point
from retinaforge.phantoms.look import Look
from retinaforge.phantoms.raster import VesselLayer, render_vessels

KINDS = ("artery", "vein")

GREEN_DEPTH = {"artery": 0.5, "vein": 0.62}
"""Optical depth in green of a vessel so wide that more width makes it no darker."""

SCALE_UM = {"artery": 45.0, "vein": 66.0}
"""Calibre at which it has 1 - 1/e of that depth."""

STEEPNESS = 1.8
"""Above 1 as thin vessels are fainter than light's scatter alone would make them."""

# Red over green and blue over green depth, in the photographs of least and of most red depth (HRF
# and LES-AV); every photograph lies between. HRF's blue is nearly black and shows less, 0.12 and
# 0.22, but with that grey fundi would have purple vessels.
LEAST = {"artery": (0.09, 0.28), "vein": (0.17, 0.36)}
MOST = {"artery": (0.42, 0.60), "vein": (0.64, 0.66)}

FLATNESS = 0.65
"""Weight of the wide bar in a column's profile; half an ellipse has 0.5."""

REFLEX_WIDTH = 0.3
"""Width of the light reflex over the calibre: a quarter to a third."""

WALL = 1.2
"""Outer over inner calibre: a vessel on top hides a little more than its column covers."""

HIDDEN = 0.75
"""Share of the lower column that the upper one hides; the rest shines through."""

WALL_BLUR_UM = 5.0
"""Standard deviation of a wall's softness; the optics' blur is the camera's."""

DEEP_UM = 170.0
"""How far from its root a trunk has come out of the nerve's depth."""

PIXEL_BLUR = 0.42
"""Standard deviation of the pixel's own blur, in pixels; that of a box of 1 px is 0.29."""


@dataclass(frozen=True)
class Blood:
    """How one person's vessels look, apart from their contrast.

    Attributes:
        contrast: of all vessels, 1 is ordinary.
        red: 0 where red light passes as in HRF, 1 as in LES-AV.
        reflex: share of the column's depth that the reflex gives back, by kind.
        spread: variation of the depth from vessel to vessel, one standard deviation of its log.
    """

    contrast: float
    red: float
    reflex: dict[str, float]
    spread: float


def draw_blood(*, rng: np.random.Generator) -> Blood:
    """Draw the blood of one person."""
    contrast = float(np.exp(np.clip(rng.normal(0, 0.22), -0.45, 0.45)))
    red, artery, vein = rng.beta(1.0, 1.3), rng.uniform(0.45, 1.0), rng.uniform(0.05, 0.35)
    return Blood(contrast, float(red), {"artery": float(artery), "vein": float(vein)}, 0.2)


def rasterise(tree: VesselTree, frame: Frame) -> dict[str, VesselLayer]:
    """Return {"artery": layer, "vein": layer}, wide enough for the walls' blur."""
    margin = 2.5 * _blur_px(frame)
    return {
        kind: render_vessels(tree.of_kind(kind), size_px=frame.size_px, margin_px=margin)
        for kind in KINDS
    }


def paint_vessels(
    scene: Float[np.ndarray, "height width 3"], layers: dict[str, VesselLayer], frame: Frame,
    fundus: Fundus, look: Look,
) -> Float[np.ndarray, "height width 3"]:  # fmt: skip
    """Return the scene seen through its vessels, the upper one on top at each crossing."""
    blood = draw_blood(rng=rng_for(fundus.person, "blood"))
    out = scene.astype(np.float32).reshape(-1, 3).copy()
    logs, covers = {}, {}
    roots = _trunks(fundus)
    for kind in KINDS:
        layer = layers[kind]
        strength = look.vessel * blood.contrast * _individual(fundus, kind, blood)[layer.branch]
        shown = strength[:, None] * _on_disc(frame, fundus.layout, layer.index, roots)
        logs[kind] = shown * _log_light(kind, layer, frame, blood)
        covers[kind] = bar_profile(layer.distance_px, WALL * layer.radius_px, _blur_px(frame))
    _overlay(logs, covers, layers, frame, fundus)
    for kind in KINDS:
        out[layers[kind].index] *= np.exp(logs[kind])
    return out.reshape(scene.shape)


def _trunks(fundus: Fundus) -> list[np.ndarray]:
    """Return where trunks enter; the far side of a gap in a broken tree is a root, but no trunk."""
    starts = [vessel.points_um[0] for vessel in fundus.vessels if vessel.parent is None]
    disc, reach = np.array(fundus.layout.disc_um), max(fundus.layout.disc_axes_um)
    return [start for start in starts if np.linalg.norm(start - disc) <= reach]


def bar_profile(
    distance: Float[np.ndarray, "n"], radius: Float[np.ndarray, "n"], blur_px: float
) -> Float[np.ndarray, "n"]:
    """Return a bar's profile after Gaussian blur: (erf((r-d)/bs) + erf((r+d)/bs)) / 2, s = √2."""
    scale = np.float32(1 / (np.sqrt(2) * blur_px))
    return (erf((radius - distance) * scale) + erf((radius + distance) * scale)) / 2


def column_profile(
    distance: Float[np.ndarray, "n"], radius: Float[np.ndarray, "n"], blur_px: float
) -> Float[np.ndarray, "n"]:
    """Return the profile of a round column after Gaussian blur, 1 on its axis.

    Half an ellipse sqrt(1 - (d/r)²) is a stack of bars of half width r sqrt(1 - h²), h from 0 to 1;
    two bars, at the Gauss-Legendre nodes h = 1/2 ± 1/√12, stand for the stack. The wide one weighs
    more: a thick column is hardly darker for being thicker, so its profile is flat.
    """
    wide, slim = np.float32(0.977) * radius, np.float32(0.615) * radius
    share = np.float32(FLATNESS)
    return share * bar_profile(distance, wide, blur_px) + (1 - share) * bar_profile(
        distance, slim, blur_px
    )


def _log_light(
    kind: str, layer: VesselLayer, frame: Frame, blood: Blood
) -> Float[np.ndarray, "n 3"]:
    """Return ln(light with / without the vessel) of the pixels near one kind of vessel."""
    blur = _blur_px(frame)
    distance, radius = layer.distance_px, layer.radius_px
    calibre = 2 * radius * np.float32(frame.px_um / SCALE_UM[kind])
    wide = 1 - np.exp(-(calibre ** np.float32(STEEPNESS)))
    column = wide * column_profile(distance, radius, blur)
    reflex = wide * bar_profile(distance, np.float32(REFLEX_WIDTH) * radius, blur)
    reflex *= np.float32(blood.reflex[kind])
    (red0, blue0), (red1, blue1) = LEAST[kind], MOST[kind]
    red, blue = red0 + blood.red * (red1 - red0), blue0 + blood.red * (blue1 - blue0)
    depth = GREEN_DEPTH[kind] * np.array([red, 1.0, blue], dtype=np.float32)
    return (reflex - column)[:, None] * depth


def _overlay(
    logs: dict[str, np.ndarray], covers: dict[str, np.ndarray], layers: dict[str, VesselLayer],
    frame: Frame, fundus: Fundus,
) -> None:  # fmt: skip
    """Dim the lower vessel, in place, where both lie; a pixel belongs to its nearest crossing."""
    index, in_artery, in_vein = np.intersect1d(
        layers["artery"].index, layers["vein"].index, assume_unique=True, return_indices=True
    )
    if not len(index):
        return
    vein_on_top = np.zeros(len(index), dtype=bool)
    if fundus.crossings:
        places = frame.to_px(np.array([crossing.point_um for crossing in fundus.crossings]))
        pixels = np.stack([index % frame.size_px, index // frame.size_px], axis=1)
        nearest = cKDTree(places).query(pixels)[1]
        over = np.array([crossing.over == "vein" for crossing in fundus.crossings])
        vein_on_top = over[nearest]
    hidden_artery = HIDDEN * covers["vein"][in_vein] * vein_on_top
    hidden_vein = HIDDEN * covers["artery"][in_artery] * ~vein_on_top
    logs["artery"][in_artery] *= (1 - hidden_artery)[:, None]
    logs["vein"][in_vein] *= (1 - hidden_vein)[:, None]


def _individual(fundus: Fundus, kind: str, blood: Blood) -> Float[np.ndarray, "n"]:
    """Return the contrast of each vessel of a kind, 1 on average."""
    own = np.exp(blood.spread * shades(fundus))
    return own[[vessel.kind == kind for vessel in fundus.vessels]]


def shades(fundus: Fundus) -> Float[np.ndarray, "n"]:
    """Return each vessel's shade; a branch keeps most of its parent's."""
    own = rng_for(fundus.seed, "vessel contrast").standard_normal(len(fundus.vessels))
    found = np.zeros(len(fundus.vessels), dtype=np.float32)
    for number, vessel in enumerate(fundus.vessels):
        before = 0.0 if vessel.parent is None else 0.8 * found[vessel.parent]
        drawn = before + 0.6 * own[number]
        found[number] = drawn if vessel.shade is None else vessel.shade
    return found


def _on_disc(
    frame: Frame, layout: Layout, index: np.ndarray, roots_um: list[np.ndarray]
) -> Float[np.ndarray, "n 3"]:
    """Return how much of a vessel shows in R, G, B.

    Less in the cup and at the roots, where trunks come from the depth; less in red on all of the
    disc, as no red light from the choroid is missing there.
    """
    x, y = frame.x_um[0, index % frame.size_px], frame.y_um[index // frame.size_px, 0]
    cup = _elliptic_radius(x, y, layout.cup_um, np.array(layout.cup_axes_um) + 1.0)
    disc = _elliptic_radius(x, y, layout.disc_um, np.array(layout.disc_axes_um))
    shown = 1 - np.float32(0.3) * np.exp(-2 * cup**2)
    for root in roots_um:
        away = np.hypot(x - root[0], y - root[1]).astype(np.float32)
        shown *= 1 - np.float32(0.75) * np.exp(-((away / DEEP_UM) ** 2))
    red = 1 - np.float32(0.4) / (1 + np.exp(np.clip((disc - 1) / 0.06, -30, 30)))
    return np.stack([red * shown, shown, shown], axis=1)


def _elliptic_radius(x: np.ndarray, y: np.ndarray, centre: Point, axes: np.ndarray) -> np.ndarray:
    return np.hypot((x - centre[0]) / axes[0], (y - centre[1]) / axes[1]).astype(np.float32)


def _blur_px(frame: Frame) -> float:
    return float(np.hypot(WALL_BLUR_UM / frame.px_um, PIXEL_BLUR))

"""The camera: where it looks, the shape of its field, and the photograph that it takes.

scene → optics (blur, motion, sharpening) → light (vignette, shadows) → the camera's colours →
scattered light (haze, reflections, dust) → sensor → field stop → JPEG
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from retinaforge.core import Fov, Refusal
from retinaforge.phantoms.cameras import NEUTRAL, PROFILES, Profile
from retinaforge.phantoms.frame import MARGIN, Frame
from retinaforge.phantoms.fundus import Layout, Point
from retinaforge.phantoms.look import Look
from retinaforge.phantoms.optics import dusted, focused, light_of, spotted
from retinaforge.phantoms.params import UM_PER_DEG, Aim, CameraParams
from retinaforge.phantoms.sensor import as_jpeg, developed, grain, hazed, stopped

Colour = Float[np.ndarray, "height width 3"]
Plane = Float[np.ndarray, "height width"]

ADAPTED = 0.55
"""Share of a fundus's own brightness and colour that flash and white balance take away."""

WIDEST_FULL_DEG = 40.0
TAB_REACH, TAB_HALF_WIDTH = 0.055, 0.045
"""How far a tab stands out of the field and half its width, in radii; DRIVE's and IDRiD's."""


@dataclass(frozen=True)
class Shot:
    """One photograph's camera, settled: no field of `params` is None.

    Attributes:
        params: every setting.
        centre_um: where on the retina the middle of the field lies.
        gain: RGB factors of this photograph's light and white balance, before adaptation.
        dark_rad: direction of the darker side, radians, y down.
        crescent_rad: side on which the crescent lies.
        haze_rad: side on which the rim is hazy.
        tab_rad: where the tab stands.
        seed: of dust, reflections and lashes.
    """

    params: CameraParams
    centre_um: Point
    gain: tuple[float, float, float]
    dark_rad: float
    crescent_rad: float
    haze_rad: float
    tab_rad: float
    seed: int

    @property
    def profile(self) -> Profile:
        """Return the camera's profile."""
        return PROFILES[self.params.model or ""]

    @property
    def fov_deg(self) -> float:
        """Return the field of view, degrees."""
        return float(self.params.fov_deg or self.profile.fov_deg)


def set_up(
    params: CameraParams, layout: Layout, *, rng: np.random.Generator, tint: np.random.Generator
) -> Shot:
    """Draw what the parameters leave open and aim the camera; the disc is always in the picture.

    Args:
        params: None fields are drawn, from the profile of the camera where it has a habit.
        layout: the eye that it is aimed at.
        rng: of this photograph.
        tint: of the camera's colour, the same for all photographs of a person.

    Raises:
        Refusal: "expected a camera's name, one of ...", "expected a full frame of at most 40
            degrees ...".
    """
    names = tuple(PROFILES)
    drawn_name = names[int(rng.integers(len(names)))]
    if params.model is not None and params.model not in PROFILES:
        raise Refusal(
            f"a camera's name, one of {', '.join(names)}", params.model, "choose one of them"
        )
    profile = PROFILES[params.model or drawn_name]
    drawn = _drawn(profile, rng=rng) | {"model": params.model or drawn_name}
    given = {name: value for name, value in vars(params).items() if value is not None}
    settled = CameraParams(**(drawn | given))
    _require_full_is_narrow(settled)
    spread = 0.95 * _spread(profile.alike, rng=tint) + 0.31 * _spread(profile.alike, rng=rng)
    varies = 0.8 * (1 - (settled.steady or 0)) * np.array(profile.log_sd)
    gain = settled.exposure * np.exp(np.clip(spread, -2, 2) * varies)
    centre = _aimed(settled, layout, rng=rng)
    dark, crescent, haze = (float(a) for a in rng.uniform(-np.pi, np.pi, 3))
    # Below the corner where the field is cut off, or the cut would take the tab away.
    steep = min(math.pi / 4, math.asin(settled.cut or 1) - 0.14)
    tab = steep + rng.normal(0, 0.03)
    tab = float(rng.choice((-tab, -tab, tab, math.pi + tab)))
    return Shot(settled, centre, (float(gain[0]), float(gain[1]), float(gain[2])), dark, crescent,
                haze, tab, int(rng.integers(2**62)))  # fmt: skip


def _require_full_is_narrow(params: CameraParams) -> None:
    if params.aperture == "full" and (params.fov_deg or 0) > WIDEST_FULL_DEG:
        raise Refusal(
            f"a full frame of at most {WIDEST_FULL_DEG:g} degrees",
            f"{params.fov_deg:g} degrees",
            "narrow fov_deg, or choose another aperture: its corners would show undrawn retina",
        )


def _spread(alike: float, *, rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """Return three numbers of variance 1 whose correlation is `alike`."""
    common, own = rng.standard_normal(), rng.standard_normal(3)
    return np.sqrt(alike) * common + np.sqrt(1 - alike) * own


def _drawn(profile: Profile, *, rng: np.random.Generator) -> dict[str, Any]:
    """Return a value for every setting; the number of draws does not depend on them."""

    def of(odds: tuple[tuple[Any, float], ...]) -> Any:
        weights = np.array([weight for _, weight in odds])
        return odds[int(rng.choice(len(odds), p=weights / weights.sum()))][0]

    def spoilt(share: float, low: float, high: float) -> float:
        """Return 0, or in a share of the photographs something between low and high."""
        strength = rng.uniform(low, high)
        return float(strength) if rng.random() < share else 0.0

    def near(mean: float, log_sd: float, most: float) -> float:
        return float(min(most, mean * np.exp(rng.normal(0, log_sd))))

    return {
        "fov_deg": profile.fov_deg,
        "aim": of(profile.aim),
        "aperture": of(profile.aperture),
        "cut": float(np.clip(profile.cut + rng.normal(0, 0.01), 0.6, 1)),
        "tab": of(profile.tab),
        "exposure": 1.0,
        "steady": 0.0,
        "vignette": near(profile.vignette, 0.3, 0.85),
        "uneven": near(profile.uneven, 0.5, 0.7),
        "crescent": spoilt(0.16, -0.8, -0.2) + spoilt(0.06, 0.2, 0.8),
        "rim_haze": near(profile.rim_haze, 0.6, 0.8),
        "lashes": spoilt(0.02, 0.2, 0.8),
        "defocus_um": near(profile.defocus_um, 0.3, 60) + spoilt(0.07, 15, 60),
        "motion_um": spoilt(0.06, 20, 120),
        "motion_deg": float(rng.uniform(-90, 90)),
        "haze": near(0.04, 0.6, 0.3) + spoilt(0.06, 0.1, 0.45),
        "dust": int(rng.poisson(1.5)),
        "spots": int(rng.poisson(0.15)),
        "sharpen": near(profile.sharpen, 0.4, 1.6),
        "noise": near(profile.noise, 0.35, 8),
        "jpeg_quality": int(rng.integers(profile.jpeg[0], profile.jpeg[1] + 1)),
    }


def _aimed(params: CameraParams, layout: Layout, *, rng: np.random.Generator) -> Point:
    """Return the middle of the field, on the line from fovea to disc but for a little wander."""
    radius = (params.fov_deg or 0) / 2 * UM_PER_DEG
    disc, half_height = layout.disc_um, layout.disc_axes_um[1]
    distance = float(np.hypot(*disc))
    shares: dict[Aim, float] = {
        "macula": rng.uniform(0.0, 0.15),
        "between": rng.uniform(0.3, 0.6),
        "disc": rng.uniform(0.85, 1.05),
    }
    wander = rng.uniform(-0.05, 0.05, 2) * radius
    reach = {"cut sides": params.cut or 1, "full": MARGIN}.get(params.aperture or "", 1.0)
    nearest = 1 - (0.93 * reach * radius - half_height) / distance
    share = max(shares[params.aim or "between"], nearest)
    return share * disc[0] + wander[0], share * disc[1] + wander[1]


def _depth(frame: Frame, shot: Shot) -> Plane:
    """Return how far inside the field each pixel lies, pixels; below 0 outside."""
    radius = frame.fov_radius_px
    if shot.params.aperture == "full":
        return np.full((frame.size_px, frame.size_px), 2.0 * radius, np.float32)
    u = ((frame.x_um - frame.centre_um[0]) / frame.fov_radius_um).astype(np.float32)
    v = ((frame.y_um - frame.centre_um[1]) / frame.fov_radius_um).astype(np.float32)
    depth = np.maximum(1 - frame.rim, _tab_depth(u, v, shot))
    if shot.params.aperture in ("cut", "cut sides"):
        depth = np.minimum(depth, (shot.params.cut or 1) - np.abs(v))
    if shot.params.aperture == "cut sides":
        depth = np.minimum(depth, (shot.params.cut or 1) - np.abs(u))
    return (depth * radius).astype(np.float32)


def _tab_depth(u: Plane, v: Plane, shot: Shot) -> Plane | float:
    """Return depth inside the tab, in radii."""
    kind = shot.params.tab
    if kind == "none":
        return -9.0
    cos, sin = np.float32(math.cos(shot.tab_rad)), np.float32(math.sin(shot.tab_rad))
    out, across = u * cos + v * sin - 1, np.abs(v * cos - u * sin)
    if kind == "round":
        return TAB_HALF_WIDTH - np.hypot(out, across)
    square = np.minimum(TAB_HALF_WIDTH - across, np.minimum(TAB_REACH - out, out + TAB_REACH))
    if kind == "square":
        return square
    slope = np.float32(TAB_HALF_WIDTH / TAB_REACH)
    tooth = (TAB_HALF_WIDTH - across - slope * out) / np.hypot(1, slope)
    return np.minimum(tooth, square)


def aperture_mask(frame: Frame, shot: Shot) -> Bool[np.ndarray, "height width"]:
    """Return where the picture shows retina."""
    return _depth(frame, shot) >= 0


def fov_of(frame: Frame, shot: Shot) -> Fov:
    """Return the field of view that the photograph shows."""
    middle = (frame.middle_px, frame.middle_px)
    if shot.params.aperture == "full":
        radius = frame.size_px / math.sqrt(2)
        return Fov(aperture_mask(frame, shot), middle, radius, "full frame")
    whole = shot.params.aperture == "circle" or shot.params.cut == 1
    kind = "circle" if whole else "cut circle"
    return Fov(aperture_mask(frame, shot), middle, frame.fov_radius_px, kind)


def expose(
    scene: Colour, frame: Frame, shot: Shot, look: Look, *, rng: np.random.Generator
) -> UInt8[np.ndarray, "height width 3"]:
    """Take the photograph.

    Args:
        scene: what the eye shows, 0-255 in display values, as wide as the frame, no camera in it.
        frame: where the picture lies.
        shot: the camera's settings.
        look: the eye's appearance; the photograph depends on it only through the scene.
        rng: of the sensor's noise.
    """
    params, profile = shot.params, shot.profile
    depth = _depth(frame, shot)
    typical = _typical(scene, depth)
    image = focused(scene, params, px_um=frame.px_um)
    light, veil = light_of(shot, frame)
    target = _target(typical, shot)
    image = developed(image, typical=typical, target=target, contrast=profile.contrast, light=light)
    image = hazed(image + veil, haze=params.haze or 0, target=target)
    image = dusted(image, frame, shot)
    image = spotted(image, frame, shot)
    image = grain(image, noise=params.noise or 0, rng=rng)
    image = stopped(image, depth, edge_px=profile.edge * frame.fov_radius_px, black=profile.black,
                    radius_px=frame.fov_radius_px, rng=rng)  # fmt: skip
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return as_jpeg(pixels, quality=params.jpeg_quality or 0)


def _typical(scene: Colour, depth: Plane) -> Float[np.ndarray, "3"]:
    """Return the scene's median colour inside the field, from a lattice of about 64 a side."""
    step = max(1, scene.shape[0] // 64)
    inner = depth[step // 2 :: step, step // 2 :: step] > 0
    return np.maximum(np.median(scene[step // 2 :: step, step // 2 :: step][inner], axis=0), 1.0)


def _target(typical: Float[np.ndarray, "3"], shot: Shot) -> Float[np.ndarray, "3"]:
    """Return the photograph's median colour: the camera's usual one, on its way to the eye's."""
    adapted = ADAPTED * (1 - (shot.params.steady or 0))
    own = (typical / np.array(NEUTRAL)) ** (1 - adapted)
    return np.array(shot.profile.rgb) * np.array(shot.gain) * np.clip(own, 0.4, 2.0)


def retaken(shot: Shot, **changes: Any) -> Shot:
    """Return the same shot with some settings changed: the same aim, light and specks."""
    return replace(shot, params=replace(shot.params, **changes))

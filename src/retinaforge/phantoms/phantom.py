"""Draw a phantom: a fundus photograph of which everything is known.

seed → fundus (landmarks, trees, lesions, in micrometres) → camera → pixels of any size. Each layer
is painted over the last: ground, disc, deep lesions, vessels, lesions before them, camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Branch, Eye, Fov, Photograph, Refusal, VesselTree, rng_for
from retinaforge.phantoms.camera import Shot, aperture_mask, expose, fov_of, set_up
from retinaforge.phantoms.coverage import union_share
from retinaforge.phantoms.crossings import find_crossings
from retinaforge.phantoms.disc import paint_disc
from retinaforge.phantoms.disc_shape import cup_mask, disc_mask
from retinaforge.phantoms.frame import Frame, frame_of
from retinaforge.phantoms.fundus import Fundus, LesionKind
from retinaforge.phantoms.ground import paint_ground
from retinaforge.phantoms.layout import lay_out
from retinaforge.phantoms.lesions import bead, lesion_masks, paint_over, paint_under, place_lesions
from retinaforge.phantoms.look import Look, draw_look
from retinaforge.phantoms.params import SMALLEST_SIZE_PX, CameraParams, PhantomParams
from retinaforge.phantoms.trees import grow_trees
from retinaforge.phantoms.vessel_paint import paint_vessels, rasterise

PLAIN = PhantomParams()
FOVEA_RADIUS_UM, MACULA_RADIUS_UM = 750.0, 2750.0
"""Anatomical fovea and macula, 1.5 and 5.5 mm across (Hogan et al. 1971)."""

Mask = Bool[np.ndarray, "height width"]


@dataclass(frozen=True)
class Phantom:
    """A drawn photograph with its truth; all coordinates in pixels, centres at whole numbers.

    Attributes:
        photograph: RGB, marked synthetic, with its eye.
        fov: the camera's field.
        vessel: union of artery and vein.
        artery: True within an artery's radius of its centreline (at least half a pixel).
        vein: the same for veins; both are True where they cross.
        coverage: share of each pixel that vessels cover, 0-1, exact for straight vessels.
        disc: inside of the disc.
        cup: inside of the cup.
        fovea: within 0.75 mm of the foveal centre.
        macula: within 2.75 mm of it.
        lesions: one mask a kind of lesion that is there.
        tree: exact centrelines and radii.
        disc_centre_px: (x, y).
        disc_radius_px: half the disc's vertical diameter.
        fovea_px: (x, y); may lie outside the field where the camera aimed at the disc.
        px_um: micrometres a pixel.
        fundus: what was photographed, in micrometres, as a right eye.
        shot: the camera's settings, all of them.
        look: pigment and texture.
        frame: where on the retina the picture lies (as a right eye).
        shot_number: which photograph of the eye it is; seeds the sensor's noise.
    """

    photograph: Photograph
    fov: Fov
    vessel: Mask
    artery: Mask
    vein: Mask
    coverage: Float[np.ndarray, "height width"]
    disc: Mask
    cup: Mask
    fovea: Mask
    macula: Mask
    lesions: dict[LesionKind, Mask]
    tree: VesselTree
    disc_centre_px: tuple[float, float]
    disc_radius_px: float
    fovea_px: tuple[float, float]
    px_um: float
    fundus: Fundus
    shot: Shot
    look: Look
    frame: Frame
    shot_number: int = 0


def draw(
    rng: int | np.random.Generator = 0,
    *,
    size_px: int = 512,
    eye: Eye | None = None,
    params: PhantomParams = PLAIN,
    person: int | None = None,
) -> Phantom:
    """Draw one phantom; the same seed gives the same eye at every size and the same bytes.

    Args:
        rng: which eye: a seed, or a generator that one is drawn from.
        size_px: side of the square photograph, at least 64.
        eye: OD or OS; None lets the seed decide. The left eye is the exact mirror image.
        params: anatomy, vessels, disease and camera; None fields are drawn.
        person: seed of the appearance (pigment); two eyes of a person share it.

    Raises:
        Refusal: if the size is below 64 or the seed negative.
    """
    seed = int(rng.integers(2**62)) if isinstance(rng, np.random.Generator) else rng
    _refuse(seed, size_px)
    fundus = draw_fundus(seed, eye=eye, params=params, person=person)
    return photograph_fundus(fundus, params.camera, size_px=size_px, params=params)


draw_phantom = draw


def draw_fundus(
    seed: int,
    *,
    eye: Eye | None = None,
    params: PhantomParams = PLAIN,
    person: int | None = None,
    years: float = 0.0,
) -> Fundus:
    """Draw one eye's fundus as it is `years` after its first visit; no camera is involved."""
    layout = lay_out(params.anatomy, params.vessels, params.disease, rng=rng_for(seed, "layout"))
    vessels = grow_trees(layout, params.vessels, rng=rng_for(seed, "vessels"))
    lesions = place_lesions(layout, vessels, params.disease, seed=seed, years=years)
    vessels = bead(vessels, lesions)
    return Fundus(
        eye=eye or ("OD", "OS")[int(rng_for(seed, "eye").integers(2))],
        layout=layout,
        vessels=vessels,
        crossings=find_crossings(vessels, rng=rng_for(seed, "crossings")),
        lesions=lesions,
        seed=seed,
        person=seed if person is None else person,
    )


def photograph_fundus(
    fundus: Fundus,
    camera: CameraParams,
    *,
    size_px: int = 512,
    params: PhantomParams = PLAIN,
    shot: int = 0,
) -> Phantom:
    """Photograph a fundus.

    Args:
        fundus: the eye; the same one may be photographed by many cameras.
        camera: None fields are drawn.
        size_px: side of the square photograph, at least 64.
        params: anatomy decides pigment and texture.
        shot: number of the photograph: another aim, light and noise of the same eye.
    """
    _refuse(fundus.seed, size_px)
    settled = set_up(camera, fundus.layout, rng=rng_for(fundus.seed, "camera", shot),
                     tint=rng_for(fundus.person, "tint"))  # fmt: skip
    look = draw_look(params.anatomy, rng=rng_for(fundus.person, "look"))
    frame = frame_of(size_px=size_px, centre_um=settled.centre_um, fov_deg=settled.fov_deg)
    right = _render(fundus, look, settled, frame, shot_number=shot)
    return right if fundus.eye == "OD" else mirror(right)


def retake(phantom: Phantom, fundus: Fundus) -> Phantom:
    """Photograph an edited fundus exactly as `phantom` was: same shot, look, frame and noise."""
    right = _render(
        fundus, phantom.look, phantom.shot, phantom.frame, shot_number=phantom.shot_number
    )
    return right if fundus.eye == "OD" else mirror(right)


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
    other: Eye = "OS" if photo.eye == "OD" else "OD"
    planes = ("vessel", "artery", "vein", "coverage", "disc", "cup", "fovea", "macula")
    return replace(
        phantom,
        photograph=replace(photo, pixels=flip(photo.pixels), eye=other),
        fov=replace(fov, mask=flip(fov.mask), centre_px=across(fov.centre_px)),
        lesions={kind: flip(mask) for kind, mask in phantom.lesions.items()},
        tree=VesselTree(branches),
        disc_centre_px=across(phantom.disc_centre_px),
        fovea_px=across(phantom.fovea_px),
        **{name: flip(getattr(phantom, name)) for name in planes},
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


def _render(fundus: Fundus, look: Look, shot: Shot, frame: Frame, *, shot_number: int) -> Phantom:
    layout = fundus.layout
    tree = tree_in(frame, fundus)
    layers = rasterise(tree, frame)
    scene = paint_ground(frame, fundus, look)
    scene = paint_disc(scene, frame, fundus, look)
    scene = paint_under(scene, frame, fundus.lesions)
    scene = paint_vessels(scene, layers, frame, fundus, look)
    scene = paint_over(scene, frame, fundus.lesions)
    inside = aperture_mask(frame, shot)
    pixels = expose(scene, frame, shot, look, rng=rng_for(fundus.seed, "sensor", shot_number))
    artery = layers["artery"].mask & inside
    vein = layers["vein"].mask & inside
    away = np.hypot(frame.x_um, frame.y_um)
    disc_px, fovea_px = frame.to_px(np.array([layout.disc_um, (0.0, 0.0)]))
    return Phantom(
        photograph=Photograph(
            pixels=pixels,
            source=f"retinaforge phantom, seed {fundus.seed}",
            eye="OD",
            synthetic=True,
        ),
        fov=fov_of(frame, shot),
        vessel=artery | vein,
        artery=artery,
        vein=vein,
        coverage=union_share(layers["artery"].coverage, layers["vein"].coverage) * inside,
        disc=disc_mask(frame, layout) & inside,
        cup=cup_mask(frame, layout) & inside,
        fovea=(away <= FOVEA_RADIUS_UM) & inside,
        macula=(away <= MACULA_RADIUS_UM) & inside,
        lesions={k: m & inside for k, m in lesion_masks(frame, fundus.lesions).items()},
        tree=tree,
        disc_centre_px=(float(disc_px[0]), float(disc_px[1])),
        disc_radius_px=layout.disc_axes_um[1] / frame.px_um,
        fovea_px=(float(fovea_px[0]), float(fovea_px[1])),
        px_um=frame.px_um,
        fundus=fundus,
        shot=shot,
        look=look,
        frame=frame,
        shot_number=shot_number,
    )


def tree_in(frame: Frame, fundus: Fundus) -> VesselTree:
    """Return the vessels in the pixels of a frame."""
    return VesselTree(
        tuple(
            Branch(frame.to_px(v.points_um), v.radii_um / frame.px_um, v.kind, v.parent)
            for v in fundus.vessels
        )
    )

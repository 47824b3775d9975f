"""What can be turned on a phantom, each number in its unit and with its source.

Four groups: the eye's anatomy, its vessels, its diseases, the camera. A field that is None is
drawn from the population by the phantom's seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

from retinaforge.core import Refusal

UM_PER_DEG = 288.0
"""Retinal length of one degree at the posterior pole (Drasdo & Fowler 1974, schematic eye)."""

SMALLEST_SIZE_PX = 64

Aperture = Literal["circle", "cut", "cut sides", "full"]
Tab = Literal["none", "round", "triangle", "square"]
Aim = Literal["macula", "between", "disc"]


RANGES: dict[str, tuple[float, float]] = {
    "disc_diameter_um": (1000.0, 2800.0),
    "disc_fovea_dd": (2.0, 3.2),
    "disc_fovea_deg": (-5.0, 20.0),
    "faz_radius_um": (0.0, 1000.0),
    "cup_to_disc": (0.0, 0.95),
    "notch": (0.0, 1.0),
    "atrophy": (0.0, 1.5),
    "foveal_reflex": (0.0, 1.0),
    "fibres": (0.0, 1.0),
    "pigment": (0.0, 1.0),
    "tigroid": (0.0, 1.0),
    "artery_um": (40.0, 250.0),
    "artery_vein_ratio": (0.4, 1.0),
    "murray_exponent": (2.0, 4.0),
    "asymmetry": (0.2, 1.0),
    "angle_sd_deg": (0.0, 30.0),
    "angle_shift_deg": (-20.0, 20.0),
    "tortuosity": (0.0, 4.0),
    "smallest_um": (10.0, 100.0),
    "spacing": (0.4, 4.0),
    "arcade_dd": (1.0, 3.0),
    "diabetic_grade": (0, 4),
    "amd": (0, 3),
    "glaucoma": (0, 2),
    "diabetic_progression": (0.0, 2.0),
    "amd_progression": (0.0, 2.0),
    "fov_deg": (30.0, 60.0),
    "cut": (0.6, 1.0),
    "exposure": (0.2, 3.0),
    "steady": (0.0, 1.0),
    "vignette": (0.0, 1.0),
    "crescent": (-1.0, 1.0),
    "rim_haze": (0.0, 1.0),
    "lashes": (0.0, 1.0),
    "motion_deg": (-180.0, 180.0),
    "spots": (0, 50),
    "sharpen": (0.0, 3.0),
    "uneven": (0.0, 1.0),
    "defocus_um": (0.0, 200.0),
    "motion_um": (0.0, 1000.0),
    "haze": (0.0, 1.0),
    "dust": (0, 200),
    "noise": (0.0, 40.0),
    "jpeg_quality": (0, 100),
}


def require_ranges(params: Any) -> None:
    """Raise Refusal for a field of `RANGES` that is not finite or outside; None passes."""
    for entry in fields(params):
        value = getattr(params, entry.name)
        if value is None or entry.name not in RANGES:
            continue
        low, high = RANGES[entry.name]
        if not (math.isfinite(value) and low <= value <= high):
            raise Refusal(
                f"{entry.name} between {low:g} and {high:g}",
                f"{value!r}",
                f"see the source of each number in retinaforge.phantoms.{type(params).__name__}",
            )


@dataclass(frozen=True)
class AnatomyParams:
    """The eye without its vessels.

    Attributes:
        disc_diameter_um: vertical disc diameter; mean 1.88 mm (Quigley et al. 1990), 1.8 here.
        disc_fovea_dd: disc centre to fovea in disc diameters; 2.5 is the clinical rule, 2.65,
            SD 0.30, was measured (Jonas et al. 2015, PLoS One 10, e0138701).
        disc_fovea_deg: how far the fovea lies below the disc, as the angle of the line between
            them; mean 7.8, SD 3.6 degrees (Jonas et al. 2015, PLoS One 10, e0141771), 5.6, SD 3.3
            (Rohrschneider 2004).
        faz_radius_um: radius of the zone round the fovea without vessels; visible vessels in a
            colour photograph end at 250-400 um.
        cup_to_disc: vertical cup diameter over vertical disc diameter; healthy mean about 0.4.
        notch: depth of a notch in the neuroretinal rim, 0 none, 1 the rim is gone there.
        atrophy: width of temporal peripapillary atrophy over the disc's radius, 0 none.
        foveal_reflex: brightness of the reflex at the fovea, 0-1; strong in the young.
        fibres: how far striations of the nerve-fibre layer show, 0-1.
        pigment: 0 a very light fundus, 1 a very dark one.
        tigroid: how far choroidal vessels show, 0-1.
    """

    disc_diameter_um: float = 1800.0
    disc_fovea_dd: float = 2.5
    disc_fovea_deg: float = 6.5
    faz_radius_um: float = 320.0
    cup_to_disc: float | None = None
    notch: float = 0.0
    atrophy: float | None = None
    foveal_reflex: float | None = None
    fibres: float | None = None
    pigment: float | None = None
    tigroid: float | None = None

    def __post_init__(self) -> None:
        require_ranges(self)


@dataclass(frozen=True)
class VesselParams:
    """The vessel trees.

    Attributes:
        artery_um: calibre of a temporal artery at the disc border. 103 puts the calibres of whole
            trees beside those of annotated photographs; central retinal equivalents (Knudtson et
            al. 2003) are then about 136 um of the arteries and 199 um of the veins, a little below
            published means of adults.
        artery_vein_ratio: artery calibre over vein calibre; 0.82 gives an arteriole-to-venule
            ratio of central equivalents (Knudtson et al. 2003) of 0.66-0.69, as healthy eyes have.
        murray_exponent: k in r0^k = r1^k + r2^k; 3 by Murray 1926 (least work).
        asymmetry: mean ratio of a side branch's radius to the main branch's, in (0, 1].
        angle_sd_deg: spread of the angle between branches about Murray's, degrees; a quarter of
            it is the spread of an eye's mean. 0 keeps Murray's angle exactly.
        angle_shift_deg: by how much an eye's angles are wider than Murray's.
        tortuosity: 0 draws smooth vessels, 1 ordinary ones, 2 winding ones.
        smallest_um: calibre below which no artery is drawn; veins end at 1.2 times as much.
        spacing: length of vessel between two branchings, 1 is ordinary; less is denser.
        arcade_dd: height of the temporal arcades above and below the fovea, in disc diameters.
    """

    artery_um: float = 103.0
    artery_vein_ratio: float = 0.82
    murray_exponent: float = 3.0
    asymmetry: float = 0.6
    angle_sd_deg: float = 12.0
    angle_shift_deg: float = 0.0
    tortuosity: float = 1.0
    smallest_um: float = 24.0
    spacing: float = 1.0
    arcade_dd: float = 1.85

    def __post_init__(self) -> None:
        require_ranges(self)


@dataclass(frozen=True)
class DiseaseParams:
    """What ails the eye; the labels follow from the lesions that are drawn, not from here.

    Attributes:
        diabetic_grade: severity that lesions are placed for at the first visit, 0-4 on the
            international scale (Wilkinson et al. 2003).
        macular_oedema: exudates within a disc diameter of the fovea; None leaves it to chance;
            True needs a grade of 2 or more, as exudates are more than microaneurysms.
        laser: scars of panretinal photocoagulation.
        amd: 0 none, 1 early, 2 intermediate, 3 late (Ferris et al. 2013).
        glaucoma: 0 none, 1 suspect, 2 glaucoma; sets cup and notch where they are not given.
        diabetic_progression: grades a year by which retinopathy worsens after the first visit.
        amd_progression: stages a year by which macular degeneration worsens.
    """

    diabetic_grade: int = 0
    macular_oedema: bool | None = None
    laser: bool = False
    amd: int = 0
    glaucoma: int = 0
    diabetic_progression: float = 0.0
    amd_progression: float = 0.0

    def __post_init__(self) -> None:
        require_ranges(self)
        if self.macular_oedema and self.diabetic_grade < 2:
            raise Refusal(
                "a diabetic_grade of 2 or more for macular_oedema",
                f"{self.diabetic_grade}",
                "hard exudates make an eye at least moderate; raise the grade or leave "
                "macular_oedema None",
            )


@dataclass(frozen=True)
class CameraParams:
    """The camera and what it does to the picture; None is drawn from the camera's profile.

    Attributes:
        model: name of a profile in `retinaforge.phantoms.cameras.PROFILES`; None draws one.
        fov_deg: field of view, 30-60 degrees; 45 is the usual one.
        aperture: circle, circle cut off at top and bottom or on all sides, or no border at all
            ("full": the picture lies within the circle; at most 40 degrees).
        cut: where the field is cut off, in radii from the middle.
        tab: shape of the mark that stands out at the rim of some cameras' fields.
        aim: what the photographer centred.
        exposure: brightness over the camera's usual one.
        steady: how far flash and white balance are held: 0 they vary and follow the fundus as the
            camera's do, which hides its pigment; 1 they are the same for every eye.
        vignette: darkening at the border of the field, 0-1.
        uneven: brightness difference between middle and border along the darkest direction, 0-1.
        crescent: shadow of a pupil missed (below 0) or glare from its edge (above 0), -1 to 1.
        rim_haze: bright haze along one side of the rim, 0-1.
        lashes: shadow of eyelashes, 0-1.
        defocus_um: standard deviation of the optics' blur on the retina, micrometres.
        motion_um: length of motion blur on the retina, micrometres.
        motion_deg: its direction, degrees from the horizontal, y down.
        haze: veil of scattered light, as from a cataract, 0-1; contrast falls by this share.
        dust: specks on the lens.
        spots: pale reflections of the lens.
        sharpen: strength of the camera's sharpening; halos appear above 1.
        noise: standard deviation of the sensor's noise at medium grey, grey levels.
        jpeg_quality: 1-100; 0 leaves the picture uncompressed.
    """

    model: str | None = None
    fov_deg: float | None = None
    aperture: Aperture | None = None
    cut: float | None = None
    tab: Tab | None = None
    aim: Aim | None = None
    exposure: float | None = None
    steady: float | None = None
    vignette: float | None = None
    uneven: float | None = None
    crescent: float | None = None
    rim_haze: float | None = None
    lashes: float | None = None
    defocus_um: float | None = None
    motion_um: float | None = None
    motion_deg: float | None = None
    haze: float | None = None
    dust: int | None = None
    spots: int | None = None
    sharpen: float | None = None
    noise: float | None = None
    jpeg_quality: int | None = None

    def __post_init__(self) -> None:
        require_ranges(self)


@dataclass(frozen=True)
class PhantomParams:
    """All that can be turned on a phantom; the defaults describe an ordinary healthy adult eye."""

    anatomy: AnatomyParams = AnatomyParams()
    vessels: VesselParams = VesselParams()
    disease: DiseaseParams = DiseaseParams()
    camera: CameraParams = CameraParams()

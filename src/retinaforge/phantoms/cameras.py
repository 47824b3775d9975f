"""The cameras that a phantom can be photographed with.

Each resembles the public photographs of one data set: colour, light, aperture and noise were
matched to those pictures by simple statistics (benchmarks/phantom_statistics.py) and by eye, not to
any maker's data; the names say what they are like, not what they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from retinaforge.phantoms.params import Aim, Aperture, Tab

Colour3 = tuple[float, float, float]
Odds = tuple[tuple[str, float], ...]

NEUTRAL: Colour3 = (170.0, 75.0, 35.0)
"""Median RGB that `paint_ground` gives a fundus of medium pigment, before any camera."""


@dataclass(frozen=True)
class Profile:
    """One camera's habits; what a photograph's parameters leave open is drawn round them.

    Attributes:
        resembles: the public data set whose pictures it was set beside.
        fov_deg: field of view; as the disc's size and its distance from the fovea show it in the
            public pictures, which say 45 degrees of HRF and 50 of IDRiD.
        aim: what its photographers centre, with odds.
        aperture: shape of the field, with odds.
        cut: where the field is cut off, in radii from the middle.
        tab: shape of the mark at the rim, with odds.
        rgb: median colour inside the field.
        log_sd: SD of that colour's logarithm from picture to picture, each channel.
        alike: correlation of the three channels' deviations, 0-1.
        contrast: exponent on the ratio of a pixel to the median, each channel.
        vignette: mean darkening at the rim, 0-1.
        vignette_power: exponent of the radius; small darkens the middle of the field too.
        uneven: typical brightness gradient across the field.
        rim_haze: mean strength of the bright haze along one side of the rim, 0-1.
        haze_rgb: its colour.
        black: RGB outside the field.
        edge: softness of the field's border, in radii.
        defocus_um: median blur of the optics in focus, SD on the retina.
        sharpen: mean strength of the camera's sharpening.
        noise: mean SD of the sensor's noise, grey levels at medium grey.
        jpeg: lowest and highest usual JPEG quality.
    """

    resembles: str
    fov_deg: float
    aim: tuple[tuple[Aim, float], ...]
    aperture: tuple[tuple[Aperture, float], ...]
    cut: float
    tab: tuple[tuple[Tab, float], ...]
    rgb: Colour3
    log_sd: Colour3
    alike: float
    contrast: Colour3
    vignette: float
    vignette_power: float
    uneven: float
    rim_haze: float
    haze_rgb: Colour3
    black: Colour3
    edge: float
    defocus_um: float
    sharpen: float
    noise: float
    jpeg: tuple[int, int]


PROFILES: dict[str, Profile] = {
    "like_nidek_nm200d": Profile(
        resembles="CHASE_DB1", fov_deg=30, aim=(("disc", 0.8), ("between", 0.2)),
        aperture=(("circle", 1.0),), cut=1.0, tab=(("none", 1.0),),
        rgb=(166, 58, 12), log_sd=(0.22, 0.18, 0.3), alike=0.5, contrast=(1.0, 1.0, 1.35),
        vignette=0.5, vignette_power=1.7, uneven=0.22, rim_haze=0.02, haze_rgb=(120, 90, 50),
        black=(0, 0, 0), edge=0.005, defocus_um=9, sharpen=0.75, noise=1.9, jpeg=(90, 97),
    ),
    "like_canon_cr1": Profile(
        resembles="HRF", fov_deg=60, aim=(("macula", 0.5), ("between", 0.5)),
        aperture=(("cut", 1.0),), cut=0.74, tab=(("round", 1.0),),
        rgb=(203, 61, 30), log_sd=(0.1, 0.15, 0.15), alike=0.3, contrast=(1.0, 1.0, 1.0),
        vignette=0.42, vignette_power=4.0, uneven=0.08, rim_haze=0.02, haze_rgb=(120, 90, 60),
        black=(0.5, 0.8, 0), edge=0.005, defocus_um=8, sharpen=0.55, noise=1.1, jpeg=(94, 98),
    ),
    "like_canon_cr5": Profile(
        resembles="DRIVE", fov_deg=45, aim=(("macula", 0.75), ("between", 0.25)),
        aperture=(("circle", 1.0),), cut=1.0, tab=(("round", 1.0),),
        rgb=(191, 95, 56), log_sd=(0.17, 0.21, 0.24), alike=0.7, contrast=(1.0, 0.95, 0.9),
        vignette=0.28, vignette_power=5.0, uneven=0.07, rim_haze=0.22, haze_rgb=(120, 150, 100),
        black=(8, 7, 7), edge=0.008, defocus_um=11, sharpen=0.95, noise=3.8, jpeg=(92, 98),
    ),
    "like_kowa_vx10": Profile(
        resembles="IDRiD", fov_deg=40, aim=(("macula", 0.5), ("between", 0.5)),
        aperture=(("cut", 1.0),), cut=0.83, tab=(("triangle", 0.9), ("none", 0.1)),
        rgb=(155, 72, 20), log_sd=(0.18, 0.27, 0.45), alike=0.6, contrast=(1.0, 1.05, 1.25),
        vignette=0.34, vignette_power=2.6, uneven=0.11, rim_haze=0.10, haze_rgb=(140, 130, 150),
        black=(1.9, 0.5, 1.2), edge=0.006, defocus_um=10, sharpen=0.65, noise=1.6, jpeg=(85, 95),
    ),
    "like_zeiss_visucam_pro": Profile(
        resembles="HEI-MED", fov_deg=45, aim=(("macula", 0.6), ("between", 0.4)),
        aperture=(("cut", 0.8), ("cut sides", 0.2)), cut=0.9, tab=(("triangle", 1.0),),
        rgb=(112, 84, 51), log_sd=(0.36, 0.36, 0.36), alike=0.93, contrast=(1.1, 1.1, 1.1),
        vignette=0.42, vignette_power=2.4, uneven=0.13, rim_haze=0.16, haze_rgb=(90, 130, 95),
        black=(0, 0, 0), edge=0.005, defocus_um=9, sharpen=0.85, noise=1.9, jpeg=(85, 95),
    ),
    "like_zeiss_visucam_nm": Profile(
        resembles="LES-AV", fov_deg=30, aim=(("disc", 0.9), ("between", 0.1)),
        aperture=(("circle", 1.0),), cut=1.0, tab=(("none", 1.0),),
        rgb=(111, 60, 34), log_sd=(0.27, 0.18, 0.16), alike=0.75, contrast=(1.0, 1.0, 1.0),
        vignette=0.4, vignette_power=1.6, uneven=0.26, rim_haze=0.14, haze_rgb=(110, 140, 105),
        black=(1, 1, 1), edge=0.006, defocus_um=11, sharpen=0.55, noise=1.6, jpeg=(92, 98),
    ),
    "like_mixed_clinic": Profile(
        resembles="ODIR", fov_deg=45, aim=(("macula", 0.45), ("between", 0.55)),
        aperture=(("circle", 0.5), ("cut sides", 0.3), ("cut", 0.2)), cut=0.93,
        tab=(("none", 0.8), ("triangle", 0.1), ("square", 0.1)),
        rgb=(134, 79, 41), log_sd=(0.31, 0.42, 0.5), alike=0.8, contrast=(1.0, 1.0, 1.0),
        vignette=0.27, vignette_power=2.2, uneven=0.2, rim_haze=0.16, haze_rgb=(150, 140, 110),
        black=(2, 1.5, 1), edge=0.006, defocus_um=13, sharpen=0.75, noise=1.9, jpeg=(75, 95),
    ),
}  # fmt: skip

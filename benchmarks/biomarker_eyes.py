"""Eyes that biomarkers are checked on: masks with field of view and landmarks, at any size, as a
mirror shows them, turned; drawn ones and LES-AV's.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.anatomy import load_anatomy
from retinaforge.core import Eye, Fov, Landmarks, Quantity
from retinaforge.images import find_fov, read_mask, read_photograph
from retinaforge.images.artery_vein import read_artery_vein_mask
from retinaforge.phantoms import Phantom, draw_fundus
from retinaforge.phantoms.camera import fov_of
from retinaforge.phantoms.frame import Frame, frame_of
from retinaforge.phantoms.lesions import lesion_masks
from retinaforge.phantoms.params import DiseaseParams, PhantomParams
from retinaforge.phantoms.phantom import tree_in
from retinaforge.phantoms.vessel_paint import rasterise
from retinaforge.tasks.lesion_samples import DRAWN_AS
from retinaforge.tasks.vessel_jobs import Job
from retinaforge.tasks.vessel_work import Settings, measure_job
from retinaforge.vessels.biomarkers import BIOMARKERS, measure_all
from retinaforge.vessels.biomarkers.lesions import LESION_KINDS
from retinaforge.vessels.vasculature import read_vasculature

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
FOV_DEG = 45.0
Point = tuple[float, float]
SHIPPED = Settings(
    artery_vein="ours", anatomy="ours", lesions="ours", graphs="none", pictures=False
)
OTHER_EYE: dict[Eye, Eye] = {"OD": "OS", "OS": "OD"}


@dataclass(frozen=True)
class MaskedEye:
    """Masks of vessels and lesions, the field of view and what is known of disc and fovea."""

    artery: np.ndarray
    vein: np.ndarray
    fov: Fov
    marks: Landmarks
    lesions: dict[str, np.ndarray]


def table(eye: MaskedEye) -> dict[str, Quantity]:
    """Measure every column."""
    artery, vein = eye.artery, eye.vein
    found = read_vasculature(
        artery | vein, eye.fov, eye.marks, artery=artery, vein=vein, lesions=eye.lesions
    )
    return dict(zip(columns(), measure_all(found), strict=True))


def drawn_eye(seed: int, size_px: int) -> MaskedEye:
    """Draw an eye's masks; its disc round, so that a disc diameter is the same whichever way is up.

    Args:
        seed: of the phantom.
        size_px: side of the picture; the same eye at every size.
    """
    fundus = draw_fundus(seed, eye="OD")
    layout = fundus.layout
    frame = frame_of(size_px=size_px, centre_um=(layout.disc_um[0] / 2, 0.0), fov_deg=FOV_DEG)
    layers = rasterise(tree_in(frame, fundus), frame)
    middle = frame.middle_px
    y, x = np.indices((size_px, size_px))
    inside = np.hypot(x - middle, y - middle) <= frame.fov_radius_px
    (disc_x, disc_y), (x, y) = frame.to_px(np.array([layout.disc_um, (0.0, 0.0)])).tolist()
    px = min(layout.disc_axes_um) / frame.px_um
    marks = Landmarks(
        eye="OD", disc_centre_px=(disc_x, disc_y), disc_axes_px=(px, px),
        cup_centre_px=(disc_x, disc_y), cup_axes_px=(0.4 * px, 0.5 * px), fovea_px=(x, y),
        um_per_px=frame.px_um,
    )  # fmt: skip
    fov = Fov(inside, (middle, middle), frame.fov_radius_px, "circle")
    lesions = {kind: inside & _blots(frame, k) for k, kind in enumerate(LESION_KINDS)}
    return MaskedEye(
        layers["artery"].mask & inside, layers["vein"].mask & inside, fov, marks, lesions
    )


def _blots(frame: Frame, number: int) -> np.ndarray:
    """Return seven round lesions of 120 to 300 um about the fovea, on places of their own."""
    mask = np.zeros((frame.size_px, frame.size_px), dtype=bool)
    for k in range(7):
        turn, away = 2.4 * (7 * number + k), 900.0 + 500.0 * k + 130.0 * number
        dx, dy = frame.x_um - away * np.cos(turn), frame.y_um - away * np.sin(turn)
        mask |= np.hypot(dx, dy) <= 60.0 + 15.0 * k
    return mask


def real_eye(stem: str, data: Path = DATA) -> MaskedEye:
    """Read one of LES-AV's artery/vein masks; disc and fovea as our model finds them, disc round.

    LES-AV says no scale, and looks at discs: a disc of 1850 µm gives a scale, and a fovea that is
    not in the picture counts as 2.5 disc diameters from the disc, so that every column is checked.
    """
    folder = data / "les_av"
    photo = read_photograph(folder / "images" / f"{stem}.png", eye="OD")
    kinds = read_artery_vein_mask(folder / "arteries-and-veins" / f"{stem}.png")
    circle = find_fov(photo)
    mask = read_mask(folder / "masks" / f"{stem}_mask.gif", size_px=photo.size_px)
    marks = load_anatomy("ours").landmarks(photo, circle)
    if marks.disc_axes_px is None:
        raise ValueError(f"no disc found in LES-AV {stem}")
    px = sum(marks.disc_axes_px) / 2
    x, y = marks.disc_centre_px or circle.centre_px
    fovea = marks.fovea_px or (x - 5 * px, y)
    marks = replace(marks, eye="OD", disc_axes_px=(px, px), fovea_px=fovea,
                    cup_centre_px=marks.disc_centre_px, cup_axes_px=(0.4 * px, 0.5 * px),
                    um_per_px=925.0 / px)  # fmt: skip
    fov = Fov(mask, circle.centre_px, circle.radius_px, circle.kind)
    return MaskedEye(kinds.artery & mask, kinds.vein & mask, fov, marks, {})


def rescaled_marks(marks: Landmarks, factor: float) -> Landmarks:
    """Return the same landmarks in a picture so many times as large."""

    def point(place: Point | None) -> Point | None:
        """Pixel centres are whole numbers: (x + 1/2) f − 1/2."""
        if place is None:
            return None
        return ((place[0] + 0.5) * factor - 0.5, (place[1] + 0.5) * factor - 0.5)

    def axes(pair: Point | None) -> Point | None:
        return None if pair is None else (pair[0] * factor, pair[1] * factor)

    return replace(
        marks, disc_centre_px=point(marks.disc_centre_px), disc_axes_px=axes(marks.disc_axes_px),
        cup_centre_px=point(marks.cup_centre_px), cup_axes_px=axes(marks.cup_axes_px),
        fovea_px=point(marks.fovea_px),
        um_per_px=None if marks.um_per_px is None else marks.um_per_px / factor,
    )  # fmt: skip


def rescaled(eye: MaskedEye, factor: float) -> MaskedEye:
    """Resample an eye's masks: a new pixel is vessel where half of what lies under it is."""
    height, width = eye.artery.shape
    size = (round(width * factor), round(height * factor))

    def mask(pixels: np.ndarray) -> np.ndarray:
        grey = Image.fromarray(pixels.astype(np.float32), mode="F")
        # Wider than a pixel, so that edges half way between two pixels fall to neither by rule.
        return np.asarray(grey.resize(size, Image.Resampling.BICUBIC)) >= 0.5

    marks, fov = rescaled_marks(eye.marks, factor), eye.fov
    x, y = fov.centre_px
    centre = ((x + 0.5) * factor - 0.5, (y + 0.5) * factor - 0.5)
    seen = Fov(mask(fov.mask), centre, fov.radius_px * factor, fov.kind)
    lesions = {kind: mask(pixels) & seen.mask for kind, pixels in eye.lesions.items()}
    artery, vein = mask(eye.artery) & seen.mask, mask(eye.vein) & seen.mask
    return MaskedEye(artery, vein, seen, marks, lesions)


def laid(eye: MaskedEye, *, mirrored: bool, turns: int) -> MaskedEye:
    """Return the same eye as a mirror shows it, then turned by so many quarters."""
    height, width = eye.artery.shape

    def mask(pixels: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, turns))

    def point(place: Point | None) -> Point | None:
        if place is None:
            return None
        (x, y), (high, wide) = place, (height, width)
        x = wide - 1 - x if mirrored else x
        for _ in range(turns):
            x, y, high, wide = y, wide - 1 - x, wide, high
        return x, y

    def axes(pair: Point | None) -> Point | None:
        return pair if pair is None or turns % 2 == 0 else (pair[1], pair[0])

    marks = eye.marks
    side = OTHER_EYE[marks.eye] if mirrored and marks.eye else marks.eye
    found = replace(
        marks, eye=side, disc_centre_px=point(marks.disc_centre_px),
        disc_axes_px=axes(marks.disc_axes_px), cup_centre_px=point(marks.cup_centre_px),
        cup_axes_px=axes(marks.cup_axes_px), fovea_px=point(marks.fovea_px),
    )  # fmt: skip
    centre = point(eye.fov.centre_px) or eye.fov.centre_px
    fov = replace(eye.fov, mask=mask(eye.fov.mask), centre_px=centre)
    lesions = {kind: mask(pixels) for kind, pixels in eye.lesions.items()}
    return MaskedEye(mask(eye.artery), mask(eye.vein), fov, found, lesions)


Values = dict[str, float]
Reasons = dict[str, str]
Measured = tuple[Values, Reasons]


def split(found: dict[str, Quantity]) -> Measured:
    """Return what is known as numbers, and of the rest why it is not."""
    known = {column: q.value for column, q in found.items() if not np.isnan(q.value)}
    return known, {column: q.reason for column, q in found.items() if column not in known}


def true_marks(phantom: Phantom) -> Landmarks:
    """Return a phantom's disc, cup, fovea and scale."""
    layout, um = phantom.fundus.layout, phantom.px_um
    centre = phantom.frame.to_px(np.array([layout.cup_um]))[0].tolist()
    if phantom.photograph.eye == "OS":
        centre[0] = phantom.vessel.shape[1] - 1 - centre[0]
    return Landmarks(
        eye=phantom.photograph.eye, disc_centre_px=phantom.disc_centre_px,
        disc_axes_px=(layout.disc_axes_um[0] / um, layout.disc_axes_um[1] / um),
        cup_centre_px=(centre[0], centre[1]),
        cup_axes_px=(layout.cup_axes_um[0] / um, layout.cup_axes_um[1] / um),
        fovea_px=phantom.fovea_px, um_per_px=um,
    )  # fmt: skip


def _of_types(found: Mapping[Any, np.ndarray], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Join the masks of a phantom's kinds of lesion to the four types that biomarkers know."""
    return {
        kind: np.logical_or.reduce(
            [np.zeros(shape, bool), *(m for name, m in found.items() if DRAWN_AS.get(name) == kind)]
        )
        for kind in LESION_KINDS
    }


def patient(seed: int) -> PhantomParams:
    """Return the parameters of a phantom: every fourth has grade 2 retinopathy, every fourth 3."""
    grade = (0, 0, 2, 3)[seed % 4]
    return PhantomParams(disease=DiseaseParams(diabetic_grade=grade))


def from_masks(phantom: Phantom) -> Measured:
    """Measure a phantom's true masks, kinds and landmarks."""
    lesions = _of_types(phantom.lesions, phantom.vessel.shape)
    eye = MaskedEye(phantom.artery, phantom.vein, phantom.fov, true_marks(phantom), lesions)
    return split(table(eye))


def twice_as_fine(phantom: Phantom) -> Values:
    """Measure the same eye's true masks, drawn at twice the size; pixels brought back to one."""
    small, fundus, shot = phantom.frame, phantom.fundus, phantom.shot
    frame = replace(small, size_px=2 * small.size_px)
    layers = rasterise(tree_in(frame, fundus), frame)
    fov = fov_of(frame, shot)
    marks = rescaled_marks(true_marks(phantom), 2.0)
    eye = MaskedEye(
        layers["artery"].mask & fov.mask, layers["vein"].mask & fov.mask, fov, marks,
        {kind: mask & fov.mask for kind, mask in
         _of_types(lesion_masks(frame, fundus.lesions), fov.mask.shape).items()},
    )  # fmt: skip
    if fundus.eye == "OS":
        eye = replace(laid(eye, mirrored=True, turns=0), marks=marks)
    found = table(eye)
    power = {"px": 1, "px2": 2}
    return {
        column: q.value / 2 ** power.get(q.card.unit, 0)
        for column, q in found.items() if not np.isnan(q.value)
    }  # fmt: skip


def from_file(path: Path, known: Landmarks) -> Measured:
    """Measure a photograph as `retinaforge vessels` does, with every shipped model.

    Raises:
        RuntimeError: if the command would report it as failed.
    """
    job = Job(name=path.name, stem=path.stem, photo=path, landmarks=known)
    row = measure_job(job, out=path.parent, settings=SHIPPED)
    if row["status"] == "failed":
        raise RuntimeError(row["reason"])
    return row["values"], row["reasons"]


def from_pixels(pixels: np.ndarray, known: Landmarks, *, jpeg: int | None = None) -> Measured:
    """Measure a photograph that is not on disk yet, as PNG or as JPEG of a quality."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("eye.png" if jpeg is None else "eye.jpg")
        options: dict[str, Any] = {} if jpeg is None else {"quality": jpeg}
        Image.fromarray(pixels).save(path, **options)
        return from_file(path, known)


def from_photograph(phantom: Phantom) -> Measured:
    """Measure what the shipped models find in a phantom's photograph; only eye and scale known."""
    known = Landmarks(eye=phantom.photograph.eye, um_per_px=phantom.px_um)
    return from_pixels(phantom.photograph.pixels, known)


def cached_rows(
    keys: Sequence[str], file: Path | None, make: Callable[[str], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return one row a key, from a file of JSON lines where it is already there.

    Args:
        keys: what the rows are of.
        file: rows made are added to it, so that a run that was stopped goes on; None keeps none.
        make: takes a key, returns plain data.
    """
    had = {}
    if file is not None and file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            had[row["key"]] = row
    rows = []
    for number, key in enumerate(keys):
        if key not in had:
            begun = time.perf_counter()
            had[key] = {"key": key, **make(key)}
            took = time.perf_counter() - begun
            print(f"{number + 1}/{len(keys)} {key}: {took:.1f} s", file=sys.stderr, flush=True)
            if file is not None:
                with file.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(had[key]) + "\n")
        rows.append(had[key])
    return rows


def columns() -> list[str]:
    """Return every column of the table."""
    return [biomarker.card.column for biomarker in BIOMARKERS]


def rounded(value: float) -> float | None:
    """Return four significant digits; None for what is not a number, which JSON has no word for."""
    return None if not np.isfinite(value) else float(f"{value:.4g}")

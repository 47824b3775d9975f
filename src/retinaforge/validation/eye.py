"""Measure one image on the common footing: numbers, features, findings.

Nothing in here depends on the other images of a run, nor on which process it runs in.
"""

from __future__ import annotations

import traceback
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from retinaforge.audits.anatomy_checks import CHECKS, EyeFindings, looks_like_fundus
from retinaforge.audits.patterns import pattern_of
from retinaforge.audits.quality import grade_quality
from retinaforge.core import Fov, Landmarks, Photograph, Quantity, RetinaForgeError
from retinaforge.core.allocator import keep_freed_memory
from retinaforge.core.artefacts import DiskFull
from retinaforge.images import find_fov, read_photograph
from retinaforge.images.geometry import Normalised, normalise
from retinaforge.metrics.quality_numbers import measure_numbers
from retinaforge.metrics.radiomics import colour_features as radiomic_colours
from retinaforge.metrics.radiomics import luminance, radiomic_features
from retinaforge.validation import spaces
from retinaforge.validation.finders import anatomy_model, kind_judge, vessel_judge
from retinaforge.validation.footing import through_jpeg
from retinaforge.validation.jobs import Job
from retinaforge.vessels.artery_vein import name_vessels
from retinaforge.vessels.biomarkers import measure_all
from retinaforge.vessels.bridge_kinds import bridge_kinds
from retinaforge.vessels.vasculature import Vasculature, read_vasculature

Row = dict[str, Any]
Arrays = dict[str, np.ndarray]
VERSION = 4
"""Raised whenever the same image would give other numbers here; part of the cache's key."""

FRD_V1, FRD_V0, FRD_COLOUR = "frd_v1", "frd_v0", "frd_colour"
VESSELS = "vessel_bits"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the numbers of an image.

    Attributes:
        size_px: side of the square it is brought to.
        encoders: further encoders, as `load_encoder` takes them.
    """

    size_px: int
    encoders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What one image showed.

    Attributes:
        numbers: quantities by table: "vessels" and "quality", each by column.
        checks: anatomy checks by name: passed (None where it could not be judged), value, reason.
        grade: quality grade, its probability, reason.
        arrays: feature vectors by space, the vessel pattern, the vessel mask in bits.
        landmarks: disc, cup and fovea as the model finds them.
    """

    numbers: dict[str, dict[str, Quantity]]
    checks: dict[str, dict[str, Any]]
    grade: dict[str, Any]
    arrays: Arrays
    landmarks: Landmarks


@dataclass(frozen=True)
class Measured:
    """A row of plain data and the arrays that go with it."""

    row: Row
    arrays: Arrays


class NotFundus(RetinaForgeError):
    """An image that shows no retina; it is named, not scored."""


def prepared(job: Job, settings: Settings) -> Normalised:
    """Read an image and bring it to the footing.

    Raises:
        UnreadableImage: if the file cannot be read to its end.
    """
    photo = read_photograph(job.path, eye=job.eye)
    if job.recompress is not None:
        photo = through_jpeg(photo, job.recompress)
    return normalise(photo, find_fov(photo), size_px=settings.size_px)


def look_at(photo: Photograph, fov: Fov) -> tuple[EyeFindings, np.ndarray]:
    """Return what the networks find: landmarks, vessels named and traced; and what they see."""
    judge = vessel_judge()
    seen = judge.look(photo, fov)
    probability = seen.maps[0]
    pixels = probability >= judge.threshold
    look, marks = anatomy_model().look_and_landmarks(photo, fov)
    maps = kind_judge().maps(photo, fov)
    named = name_vessels(maps, pixels, fov, landmarks=marks)
    artery, vein = bridge_kinds(named.artery, named.vein, fov.mask)
    v = read_vasculature(pixels, fov, marks, artery=artery, vein=vein)
    return EyeFindings(photo, fov, v, marks, probability, look), seen.structure


def find(photo: Photograph, fov: Fov, settings: Settings) -> Findings:
    """Measure an image that stands on the footing.

    Raises:
        NotFundus: if it shows no retina.
    """
    eye, structure = look_at(photo, fov)
    v = eye.vasculature
    retina = looks_like_fundus(eye)
    if retina.passed is False:
        raise NotFundus(f"no fundus photograph: {retina.reason}")
    quality = {q.card.name: q for q in measure_numbers(photo.pixels, fov.mask)}
    checks = {check.card.name: check.judge(eye) for check in CHECKS}
    return Findings(
        {"vessels": {q.card.column: q for q in measure_all(v)}, "quality": quality},
        {name: asdict(verdict) for name, verdict in checks.items()},
        asdict(grade_quality(photo, fov)),
        {
            spaces.STRUCTURE: structure,
            **features_of(photo, fov, settings),
            **pattern_arrays(v),
            VESSELS: np.packbits(v.pixels),
        },
        v.landmarks,
    )


def features_of(photo: Photograph, fov: Fov, settings: Settings) -> Arrays:
    """Return one vector a feature space, but for what the vessel network sees."""
    pixels, inside = photo.pixels, fov.mask
    grey = luminance(pixels)
    found = {
        spaces.COLOUR: spaces.colour_features(pixels, inside),
        FRD_V1: radiomic_features(grey, inside, version="v1").values,
        FRD_V0: radiomic_features(grey, inside, version="v0").values,
        FRD_COLOUR: radiomic_colours(pixels, inside).values,
    }
    for spec in settings.encoders:
        found |= spaces.embed_named(spec, pixels)
    return found


def pattern_arrays(v: Vasculature) -> Arrays:
    """Return the vessel pattern's arrays under names of their own."""
    pattern = pattern_of(v)
    return {f"pattern_{f.name}": getattr(pattern, f.name) for f in fields(pattern)}


def measure_job(job: Job, *, settings: Settings) -> Measured:
    """Measure one image of a side; a failure is a row too.

    Raises:
        DiskFull: that is no fault of the image.
    """
    keep_freed_memory()
    row: Row = {
        "side": job.side, "name": job.name, "patient": job.patient, "groups": dict(job.groups),
        "status": "refused", "reason": "", "vessels": {}, "quality": {}, "reasons": {},
        "checks": {}, "grade": {},
    }  # fmt: skip
    try:
        square = prepared(job, settings)
        found = find(square.photograph, square.fov, settings)
    except DiskFull:
        raise
    except NotFundus as error:
        return Measured(row | {"status": "no fundus", "reason": str(error)}, {})
    except (RetinaForgeError, OSError) as error:
        return Measured(row | {"reason": str(error)}, {})
    except Exception as error:  # a fault of ours in one image must not cost the others
        said = f"fault in RetinaForge: {type(error).__name__}: {error}"
        return Measured(row | {"reason": said, "traceback": traceback.format_exc()}, {})
    return Measured(row | plain(found) | {"status": "ok"}, found.arrays)


def plain(found: Findings) -> Row:
    """Return findings as plain data; what is NaN stands among the reasons."""
    values: dict[str, dict[str, float]] = {}
    reasons: dict[str, str] = {}
    for table, quantities in found.numbers.items():
        values[table] = {c: float(q.value) for c, q in quantities.items() if np.isfinite(q.value)}
        reasons |= {c: q.reason for c, q in quantities.items() if not np.isfinite(q.value)}
    marks = asdict(found.landmarks)
    return {**values, "reasons": reasons, "checks": found.checks, "grade": found.grade,
            "landmarks": marks}  # fmt: skip


def vessel_mask(arrays: Arrays, size_px: int) -> np.ndarray:
    """Return the vessel mask that was kept in bits, shape (size_px, size_px)."""
    bits = np.unpackbits(arrays[VESSELS], count=size_px * size_px)
    return bits.reshape(size_px, size_px).astype(bool)

"""Measure one eye: read it, find its vessels, write its files, return its row.

Nothing in here depends on the other eyes of a run, nor on which process it runs in.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.core import Fov, Landmarks, Photograph, Refusal, RetinaForgeError
from retinaforge.core.artefacts import DiskFull, write_bytes
from retinaforge.images import find_fov, read_mask, read_photograph
from retinaforge.tasks.landmarks_table import first_known
from retinaforge.tasks.vessel_finders import (
    NOBODY,
    anatomy_named,
    artery_vein_named,
    judge_named,
    lesions_named,
)
from retinaforge.tasks.vessel_graphs import GRAPHS
from retinaforge.tasks.vessel_jobs import Job
from retinaforge.tasks.vessel_lesions import read_lesion_masks
from retinaforge.tasks.vessel_masks import (
    LEAST_GREY,
    Mask,
    circle_in_frame,
    fitted,
    fov_of_mask,
    landmarks_of_masks,
    read_kind_mask,
    read_vessel_mask,
    share_of_grey,
    whole_frame,
)
from retinaforge.tasks.vessel_overlay import (
    MOST_UNCERTAIN,
    as_jpeg,
    as_png,
    in_eight_bits,
    kind_colours,
    overlay,
    uncertainty_overlay,
)
from retinaforge.vessels.artery_vein import name_vessels
from retinaforge.vessels.biomarkers import measure_all
from retinaforge.vessels.bridge_kinds import bridge_kinds
from retinaforge.vessels.ensemble import Ensemble, Verdict
from retinaforge.vessels.vasculature import Vasculature, read_vasculature

Row = dict[str, Any]
DISAGREEMENT, FLAGGED = "judges_disagreement_1", "flagged"
NO_JUDGE = "its vessels were given as a mask, no judge was asked"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the numbers and files of a run.

    Attributes:
        judges: who finds vessels in photographs, as `load_judge` takes them; the mean of several.
        artery_vein: who tells arteries and veins apart in photographs, as
            `load_artery_vein_judge` takes it, or "none".
        anatomy: who finds disc, cup and fovea in photographs, as `load_anatomy` takes it, or
            "none".
        lesions: who finds lesions in photographs, as `load_lesions` takes it, or "none".
        graphs: "geojson", "graphml" or "none".
        pictures: write masks, probabilities, maps and overlays.
        um_per_px: scale of every photograph of which no other is known.
        flag_level: disagreement from which several judges flag a photograph, as `Ensemble` takes
            it.
    """

    judges: tuple[str, ...] = ("ours",)
    artery_vein: str = NOBODY
    anatomy: str = NOBODY
    lesions: str = NOBODY
    graphs: str = "geojson"
    pictures: bool = True
    um_per_px: float | None = None
    flag_level: float | None = None


@dataclass(frozen=True)
class Found:
    """Vessels as judges or a person drew them; None for what was not drawn.

    Attributes:
        pixels: True on vessels.
        probability: of a vessel.
        artery: True on arteries.
        vein: True on veins.
        verdict: what several judges said, where several were asked.
    """

    pixels: Mask
    probability: np.ndarray | None = None
    artery: Mask | None = None
    vein: Mask | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Eye:
    """What was read and found of one eye, before it is measured.

    Attributes:
        found: its vessels.
        photo: the photograph, if there is one, at the size of the masks.
        fov: field of view.
        landmarks: what is known of disc, fovea and scale.
        sources: whence vessels and field of view are known, in words.
        lesions: a mask for each kind that was looked for; None where nobody looked.
    """

    found: Found
    photo: Photograph | None
    fov: Fov
    landmarks: Landmarks
    sources: dict[str, str]
    lesions: Mapping[str, Mask] | None = None


def measure_job(job: Job, *, out: Path, settings: Settings) -> Row:
    """Measure one eye and write its files below `out`.

    Returns:
        Plain data: status ("ok", "flagged" or "failed"), reason, values and reasons by column,
        the files written. A failure is a row too.

    Raises:
        DiskFull: that is no fault of the photograph.
    """
    row: Row = {"name": job.name, "stem": job.stem, "status": "failed", "values": {},
                "reasons": {}, "files": []}  # fmt: skip
    try:
        eye = read_eye(job, settings)
        drawn = eye.found
        v = read_vasculature(
            drawn.pixels, eye.fov, eye.landmarks, artery=drawn.artery, vein=drawn.vein,
            lesions=eye.lesions,
        )  # fmt: skip
        found = {q.card.column: q for q in measure_all(v)}
        files = _write_files(eye, v, job.stem, out, settings)
    except DiskFull:
        raise
    except (RetinaForgeError, OSError) as error:
        return row | {"reason": str(error)}
    except Exception as error:  # a fault of ours in one eye must not cost the other 99,999
        said = f"fault in RetinaForge: {type(error).__name__}: {error}"
        return row | {"reason": said, "traceback": traceback.format_exc()}
    reason = flag_of(eye, v)
    values = {c: float(q.value) for c, q in found.items() if not np.isnan(q.value)}
    reasons = {c: q.reason for c, q in found.items() if np.isnan(q.value)}
    asked, why_not = judges_row(eye, settings)
    return row | {
        "status": "flagged" if reason else "ok",
        "reason": reason,
        "values": values | asked,
        "reasons": reasons | why_not,
        "files": files,
        "size_px": list(v.pixels.shape),
        "sources": eye.sources,
    }


def flag_of(eye: Eye, v: Vasculature) -> str:
    """Return why an eye's numbers need a look, or ""."""
    verdict = eye.found.verdict
    why = [] if v.pixels.any() else ["no vessel was found"]
    if verdict is not None and verdict.flagged:
        why.append(verdict.reason)
    return "; ".join(why)


def judges_row(eye: Eye, settings: Settings) -> tuple[dict[str, float], dict[str, str]]:
    """Return the columns of several judges, and why one of them is empty; nothing for one judge.

    Returns:
        Values and reasons under `DISAGREEMENT` and `FLAGGED` (1 or 0).
    """
    verdict = eye.found.verdict
    if len(settings.judges) < 2:
        return {}, {}
    if verdict is None:
        return {}, dict.fromkeys((DISAGREEMENT, FLAGGED), NO_JUDGE)
    if verdict.flagged is None:
        return {DISAGREEMENT: verdict.disagreement}, {FLAGGED: verdict.reason}
    return {DISAGREEMENT: verdict.disagreement, FLAGGED: float(verdict.flagged)}, {}


def measure_keyed(item: tuple[str, Job], *, out: Path, settings: Settings) -> Row:
    """Measure a job that goes with a key, see `measure_job`."""
    return measure_job(item[1], out=out, settings=settings)


def read_eye(job: Job, settings: Settings) -> Eye:
    """Read a job's files and find what they do not say.

    Raises:
        UnreadableImage: if a file cannot be read to its end.
        Refusal: if a mask is none, a photograph is one, or they are not of one size.
    """
    photo = None if job.photo is None else read_photograph(job.photo, eye=job.landmarks.eye)
    found = _from_masks(job)
    if found is None:
        _require_photograph(photo)
    elif photo is not None:
        photo = _resized(photo, found.pixels.shape)
    size_px = photo.size_px if found is None else found.pixels.shape
    fov, fov_source = _fov(job, photo, size_px)
    asked = "+".join(settings.judges)
    sources = {"vessels": asked if found is None else "masks", "field of view": fov_source}
    if found is None:
        found = _ask(photo, fov, settings)
    marks = _landmarks(job, photo, fov, settings)
    if photo is not None and found.artery is None and settings.artery_vein != NOBODY:
        maps = artery_vein_named(settings.artery_vein).maps(photo, fov)
        named = name_vessels(maps, found.pixels, fov, landmarks=marks)
        artery, vein = bridge_kinds(named.artery, named.vein, fov.mask)
        found = replace(found, artery=artery, vein=vein)
        sources |= {"kinds": settings.artery_vein}
    lesions, lesion_source = _lesions(job, photo, fov, settings)
    return Eye(found, photo, fov, marks, sources | lesion_source, lesions)


def _lesions(
    job: Job, photo: Photograph | None, fov: Fov, settings: Settings
) -> tuple[Mapping[str, Mask] | None, dict[str, str]]:
    """Return lesions as masks show them, else as a model finds them, and whence they are."""
    drawn = read_lesion_masks(job, fov.mask.shape)
    if drawn is not None:
        return drawn, {"lesions": "masks"}
    if photo is None or settings.lesions == NOBODY:
        return None, {}
    return lesions_named(settings.lesions).masks(photo, fov), {"lesions": settings.lesions}


def _ask(photo: Photograph, fov: Fov, settings: Settings) -> Found:
    """Return the vessels that the judge finds, or that several find on average."""
    judge = judge_named(settings.judges, settings.flag_level)
    if isinstance(judge, Ensemble):
        verdict = judge.look(photo, fov)
        p = verdict.probability
        return Found(p >= judge.threshold, p, verdict=verdict)
    p = judge.probability(photo, fov)
    return Found(p >= judge.threshold, p)


def _landmarks(job: Job, photo: Photograph | None, fov: Fov, settings: Settings) -> Landmarks:
    """Return what tables say of disc, fovea and scale, else masks, else a model."""
    known = first_known(
        job.landmarks,
        landmarks_of_masks(job.masks, size_px=fov.mask.shape),
        Landmarks(um_per_px=settings.um_per_px),
    )
    if photo is None or settings.anatomy == NOBODY:
        return known
    return first_known(known, anatomy_named(settings.anatomy).landmarks(photo, fov))


def _require_photograph(photo: Photograph) -> None:
    """Refuse a mask in place of a photograph."""
    if share_of_grey(photo.pixels) < LEAST_GREY:
        raise Refusal(
            "a photograph",
            f"an image of nothing but black and full colours: {photo.source}",
            "say --masks-are vessel or --masks-are artery-vein if it is a mask",
        )


def _from_masks(job: Job) -> Found | None:
    """Read the vessel masks of a job; None where it has none."""
    masks = job.masks
    if "vessel" not in masks:
        if "artery_vein" not in masks:
            return None
        kinds = read_kind_mask(masks["artery_vein"])
        return Found(kinds.vessel, artery=kinds.artery, vein=kinds.vein)
    vessel = read_vessel_mask(masks["vessel"])
    if "artery_vein" in masks:
        kinds = read_kind_mask(masks["artery_vein"])
        artery, vein = kinds.artery, kinds.vein
    elif "artery" in masks and "vein" in masks:
        artery, vein = read_vessel_mask(masks["artery"]), read_vessel_mask(masks["vein"])
    else:
        return Found(vessel)
    size_px = vessel.shape
    return Found(vessel, artery=fitted(artery, size_px), vein=fitted(vein, size_px))


def _resized(photo: Photograph, size_px: tuple[int, int]) -> Photograph:
    """Bring a photograph to the size of its masks if it is of the same shape.

    Raises:
        Refusal: expected a photograph of the masks' shape.
    """
    height, width = photo.size_px
    if photo.size_px == size_px:
        return photo
    if abs(height * size_px[1] / (width * size_px[0]) - 1) > 0.01:
        raise Refusal(
            f"a photograph of the shape of its mask, {size_px[1]}x{size_px[0]} px",
            f"one of {width}x{height} px: {photo.source}",
            "give the mask drawn for this photograph",
        )
    image = Image.fromarray(photo.pixels).resize(size_px[::-1], Image.Resampling.LANCZOS)
    return photo.after(np.asarray(image), f"resized to {size_px[1]}x{size_px[0]} px")


def _fov(job: Job, photo: Photograph | None, size_px: tuple[int, int]) -> tuple[Fov, str]:
    """Return the field of view and whence it is known."""
    if "fov" in job.masks:
        mask = read_mask(job.masks["fov"], size_px=size_px)
        if photo is None:
            return fov_of_mask(mask), "mask"
        circle = find_fov(photo)
        return Fov(mask, circle.centre_px, circle.radius_px, circle.kind), "mask"
    if photo is not None:
        return find_fov(photo), "photograph"
    if job.cropped:
        return circle_in_frame(size_px), "circle in the cropped frame"
    return whole_frame(size_px), "whole frame"


def _write_files(eye: Eye, v: Vasculature, stem: str, out: Path, settings: Settings) -> list[str]:
    """Write what the settings ask for; return the paths relative to `out`."""
    files: dict[str, bytes] = {}
    if settings.pictures:
        files[f"masks/{stem}.png"] = as_png(v.pixels)
        if eye.found.probability is not None:
            files[f"probabilities/{stem}.png"] = as_png(in_eight_bits(eye.found.probability))
        if v.kind_pixels:
            files[f"artery_vein/{stem}.png"] = as_png(kind_colours(v))
        files[f"overlays/{stem}.jpg"] = as_jpeg(overlay(eye.photo, v))
        for kind, mask in (eye.lesions or {}).items():
            files[f"lesions/{kind}/{stem}.png"] = as_png(mask & v.fov.mask)
        verdict = eye.found.verdict
        if verdict is not None and eye.photo is not None:
            u = verdict.uncertainty
            files[f"uncertainty/{stem}.png"] = as_png(in_eight_bits(u / MOST_UNCERTAIN))
            files[f"uncertainty_overlays/{stem}.jpg"] = as_jpeg(uncertainty_overlay(eye.photo, u))
    if settings.graphs in GRAPHS:
        files[f"graphs/{stem}.{settings.graphs}"] = GRAPHS[settings.graphs](v)
    for name, content in files.items():
        write_bytes(out / name, content)
    return list(files)

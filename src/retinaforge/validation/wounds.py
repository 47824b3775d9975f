"""Planted damage on the user's own images, measured like any other image of a run.

For reconstructions the damaged image is also compared with the undamaged one, pixel by pixel and
vessel by vessel, beside a change that nobody calls damage: saved again as JPEG of quality 75.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from retinaforge.core import Photograph, RetinaForgeError, rng_for
from retinaforge.core.artefacts import DiskFull
from retinaforge.images.geometry import Normalised
from retinaforge.phantoms.damage import damage_photograph
from retinaforge.tasks.crew import work_through
from retinaforge.validation.cache import keep, kept
from retinaforge.validation.eye import Measured, Settings, find, plain, prepared, vessel_mask
from retinaforge.validation.jobs import Job
from retinaforge.validation.measure import KILLED, Progress
from retinaforge.validation.paired import compared

DAMAGED = ("blur", "broken-vessels", "thick-vessels", "colour-cast", "extra-disc")
RESAVED, RESAVED_QUALITY = "saved again as JPEG", 75
Found = dict[tuple[str, str, int], Measured]


@dataclass(frozen=True)
class Wound:
    """One image with one damage at one level."""

    job: Job
    kind: str
    level: int


@dataclass(frozen=True)
class Pairing:
    """How a damaged image is compared with the undamaged one.

    Attributes:
        lpips: encoder with heads, as `lpips_quantity` takes it; "" leaves LPIPS out.
    """

    lpips: str = ""


def wounds_of(jobs: Sequence[Job], levels: Sequence[int], *, resaved: bool) -> list[Wound]:
    """Return every damage at every level for every image, and the harmless change if asked."""
    harmless = [Wound(job, RESAVED, 0) for job in jobs] if resaved else []
    return [Wound(j, kind, level) for j in jobs for kind in DAMAGED for level in levels] + harmless


def measure_wounds(
    wounds: Sequence[Wound], whole: dict[str, Measured], cache: Path, *, settings: Settings,
    pairing: Pairing | None = None, workers: int = 1, on_progress: Progress | None = None,
) -> tuple[Found, list[str]]:  # fmt: skip
    """Damage and measure, or read what was measured before.

    Args:
        wounds: from `wounds_of`.
        whole: the undamaged images, by name.
        cache: keeps what was measured.
        settings: the footing.
        pairing: None leaves out the comparison with the undamaged image.
        workers: processes.
        on_progress: called with (done, all).

    Returns:
        What was found by (name, kind, level), and what could not be had, in words.
    """
    vessels = {name: m.arrays["vessel_bits"] for name, m in whole.items()}
    work = partial(
        _damage_and_measure, vessels=vessels, cache=cache, settings=settings, pairing=pairing
    )
    found: Found = {}
    problems: dict[str, None] = {}
    for done, (wound, measured) in enumerate(work_through(wounds, work, workers=workers), start=1):
        if measured is None or measured.row["status"] != "ok":
            why = KILLED if measured is None else measured.row["reason"]
            problems[f"{wound.kind}, level {wound.level}, {wound.job.name}: {why}"] = None
        else:
            found[wound.job.name, wound.kind, wound.level] = measured
        if on_progress is not None:
            on_progress(done, len(wounds))
    return found, list(problems)


def _damage_and_measure(
    wound: Wound, *, vessels: dict[str, np.ndarray], cache: Path, settings: Settings,
    pairing: Pairing | None,
) -> Measured:  # fmt: skip
    """Damage an image on the footing and measure it; a failure is a row too."""
    name, patient = wound.job.name, wound.job.patient
    row = {"side": "real", "name": name, "patient": patient, "groups": dict(wound.job.groups)}
    try:
        key = f"{wound.kind} {wound.level} {pairing or ''}".strip()
        before = kept(cache, wound.job, settings, also=key)
        if before is not None:
            return replace(before, row=before.row | row)
        square = prepared(wound.job, settings)
        mask = vessel_mask({"vessel_bits": vessels[name]}, settings.size_px) & square.fov.mask
        photo = _damaged(wound, square, mask)
        found = find(photo, square.fov, settings)
        values = {**row, **plain(found), "status": "ok", "reason": ""}
        if pairing is not None:
            other = vessel_mask(found.arrays, settings.size_px)
            pairs = compared(square, photo.pixels, (other, mask), lpips=pairing.lpips)
            values["paired"] = {q.card.name: q.value for q in pairs if np.isfinite(q.value)}
        measured = Measured(values, found.arrays)
        keep(cache, wound.job, settings, measured, also=key)
        return measured
    except DiskFull:
        raise
    except (RetinaForgeError, OSError, ValueError) as error:
        return Measured({**row, "status": "refused", "reason": str(error)}, {})


def _damaged(wound: Wound, square: Normalised, mask: np.ndarray) -> Photograph:
    if wound.kind == RESAVED:
        return replace(square.photograph, pixels=saved_again(square.photograph.pixels))
    damaged = damage_photograph(
        square.photograph, square.fov, {"vessel": mask}, wound.kind, wound.level,
        rng=rng_for(0, "sanity", wound.kind, wound.job.name),
    )  # fmt: skip
    return damaged.photograph


def saved_again(pixels: np.ndarray) -> np.ndarray:
    """Return RGB pixels, uint8 (height, width, 3), after JPEG of quality 75 (4:2:0)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=RESAVED_QUALITY)
    return np.asarray(Image.open(buffer).convert("RGB"))

"""Rows to learn a quality grade from, and to judge it on: phantoms and damaged photographs.

A photograph under an open licence counts as good as it is; each is shown once so, and once with
each kind of damage at one level, and with one pair of kinds. A phantom's grade is known from its
camera's settings; what the field shows of disc and macula, and specks, are left out of its label,
since numbers of the whole image do not tell them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.core import Fov, Photograph, Record, Refusal, rng_for
from retinaforge.images import find_fov, normalise, read_photograph, read_records
from retinaforge.metrics.quality_vector import WORKING_SIZES_PX, quality_vector
from retinaforge.phantoms.people import places, sit
from retinaforge.phantoms.phantom import draw_fundus, photograph_fundus
from retinaforge.phantoms.quality import (
    QUALITY_LABELS,
    REJECT_FROM,
    USABLE_FROM,
    judged,
    quality_of,
)
from retinaforge.phantoms.recipe import parse_recipe
from retinaforge.tasks.quality_damage import KINDS, LEVELS, label_of, planted_in
from retinaforge.tasks.segmenter_data import LICENCE
from retinaforge.tasks.segmenter_phantoms import POPULATION

PHOTOGRAPH_PX = 512
PAIRS = 1
SHOTS = 4
PHANTOMS = "phantoms"
SETS = ("chase_db1", "hrf", "idrid_grading", "idrid_segmentation")
TOLD = ("blur_um", "haze", "dark_share", "underexposure", "overexposure", "noise", "jpeg_loss")
"""Scores of a phantom's camera that count for its label here."""


@dataclass(frozen=True)
class Sample:
    """One image's row.

    Attributes:
        name: of the image and what was done to it.
        group: data set, or "phantoms".
        patient: no patient stands on two sides.
        label: its grade by the rule.
        planted: kinds and levels in words; empty where nothing was planted.
        vectors: by working size.
    """

    name: str
    group: str
    patient: str
    label: str
    planted: dict[str, float]
    vectors: dict[int, list[float]]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**vars(self), "vectors": {str(k): v for k, v in self.vectors.items()}}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Sample:
        """Return the sample that `as_dict` wrote."""
        words = (plain["name"], plain["group"], plain["patient"], plain["label"])
        return cls(*words, plain["planted"], {int(k): v for k, v in plain["vectors"].items()})


def quality_records(folder: Path) -> list[Record]:
    """List photographs under CC BY 4.0 of the sets that damage is planted in, of every split.

    Raises:
        Refusal: expected training rows under CC BY 4.0.
    """
    records = [r for r in read_records(folder) if r.licence == LICENCE and r.dataset in SETS]
    if not any(r.split == "train" for r in records):
        raise Refusal(
            f"training rows of {', '.join(SETS)} with licence {LICENCE}", f"none in {folder}",
            "check splits.csv (columns dataset, split, licence)",
        )  # fmt: skip
    return records


def plans_of(name: str, *, seed: int) -> list[dict[str, int]]:
    """Return what is planted in the copies of one photograph: level by kind."""
    rng = rng_for(seed, "quality", name)
    plans: list[dict[str, int]] = [{}, *({kind: int(rng.choice(LEVELS))} for kind in KINDS)]
    for _ in range(PAIRS):
        pair = rng.choice(len(KINDS), 2, replace=False)
        plans.append({KINDS[i]: int(rng.choice(LEVELS)) for i in sorted(pair)})
    return plans


def samples_of(record: Record, *, seed: int) -> list[Sample]:
    """Return the rows of one photograph: as it is, and damaged."""
    photo = read_photograph(record.path)
    square = normalise(photo, find_fov(photo), size_px=PHOTOGRAPH_PX)
    rows = []
    for plan in plans_of(record.name, seed=seed):
        pixels = square.photograph.pixels
        for kind, level in plan.items():
            rng = rng_for(seed, "planted", record.name, kind, level)
            pixels = planted_in(pixels, square.fov, kind, level, rng=rng)
        rows.append(
            Sample(record.name, record.dataset, record.patient, label_of(plan),
                   dict(plan), vectors_of(pixels, square.fov))
        )  # fmt: skip
    return rows


def vectors_of(pixels: np.ndarray, fov: Fov) -> dict[int, list[float]]:
    """Return an image's numbers at every working size."""
    return {s: quality_vector(pixels, fov.mask, size_px=s).tolist() for s in WORKING_SIZES_PX}


def phantom_samples(number: int, *, seed: int) -> list[Sample]:
    """Return the rows of one drawn eye, photographed several times with faults of known size."""
    recipe = parse_recipe(POPULATION)
    sitting = sit(recipe, places(recipe, seed=seed, count=number + 1)[number], seed=seed)
    fundus = draw_fundus(sitting.eye_seed, params=sitting.params, person=sitting.person_seed)
    rows = []
    for shot in range(SHOTS):
        faults = faults_of(rng_for(seed, "faults", number, shot))
        camera = replace(sitting.params.camera, **faults)
        phantom = photograph_fundus(fundus, camera, size_px=PHOTOGRAPH_PX, params=sitting.params,
                                    shot=shot)  # fmt: skip
        scores = quality_of(phantom.shot, phantom.frame, fundus.layout).scores
        told = {name: scores[name] for name in TOLD}
        photo, fov = on_footing(phantom.photograph)
        rows.append(
            Sample(f"eye {number}, shot {shot}", PHANTOMS, f"{PHANTOMS}:{number}",
                   judged(told).label, told, vectors_of(photo.pixels, fov))
        )  # fmt: skip
    return rows


def on_footing(photo: Photograph) -> tuple[Photograph, Fov]:
    """Return a photograph as the grade will meet it: cut round its field, black outside."""
    square = normalise(photo, find_fov(photo), size_px=PHOTOGRAPH_PX)
    return square.photograph, square.fov


def faults_of(rng: np.random.Generator) -> dict[str, float]:
    """Draw none, one or two faults of a camera, each from harmless to far beyond a reject."""
    kinds = ("blur_um", "haze", "underexposure", "overexposure", "noise", "jpeg_loss", "crescent")
    chosen = rng.choice(len(kinds), int(rng.choice(3, p=(0.2, 0.5, 0.3))), replace=False)
    faults: dict[str, Any] = {}
    for i in sorted(chosen):
        severity = float(rng.uniform(0.1, 2.6))
        faults |= _setting(kinds[i], severity)
    return faults


def _setting(kind: str, severity: float) -> dict[str, Any]:
    """Return the camera's setting of a severity: 1 at the first threshold, 2 at the second."""
    if kind == "crescent":
        return {"crescent": -min(1.0, severity / 2.6)}
    value = float(
        np.interp(
            severity,
            (0, 1, 2, 3),
            (0, USABLE_FROM[kind], REJECT_FROM[kind], 2 * REJECT_FROM[kind] - USABLE_FROM[kind]),
        )
    )
    limits: dict[str, dict[str, Any]] = {
        "blur_um": {"defocus_um": min(value, 200.0), "motion_um": 0.0},
        "haze": {"haze": min(value, 0.9)},
        "underexposure": {"exposure": max(0.2, float(np.exp(-value)))},
        "overexposure": {"exposure": min(3.0, float(np.exp(value)))},
        "noise": {"noise": min(value, 40.0)},
        "jpeg_loss": {"jpeg_quality": max(2, round(100 - value))},
    }
    return limits[kind]


def counts_of(samples: Sequence[Sample]) -> dict[str, dict[str, int]]:
    """Return how many images each group has of each grade."""
    groups = sorted({s.group for s in samples})
    return {
        g: {k: sum(s.group == g and s.label == k for s in samples) for k in QUALITY_LABELS}
        for g in groups
    }


def drawn(numbers: range, *, seed: int) -> Iterator[Sample]:
    """Return the rows of several drawn eyes."""
    for number in numbers:
        yield from phantom_samples(number, seed=seed)

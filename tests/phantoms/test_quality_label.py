"""The quality label is a rule: tested at its thresholds and on settings that must trip each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retinaforge.core import rng_for
from retinaforge.phantoms.camera import Shot, retaken, set_up
from retinaforge.phantoms.frame import Frame, frame_of
from retinaforge.phantoms.fundus import Layout
from retinaforge.phantoms.layout import lay_out
from retinaforge.phantoms.params import AnatomyParams, CameraParams, DiseaseParams, VesselParams
from retinaforge.phantoms.quality import REJECT_FROM, USABLE_FROM, judged, quality_of

CLEAN = CameraParams(
    model="like_canon_cr5", fov_deg=45, aim="between", vignette=0.2, uneven=0.0, crescent=0.0,
    rim_haze=0.0, lashes=0.0, defocus_um=12.0, motion_um=0.0, haze=0.0, dust=0, spots=0, noise=1.0,
    jpeg_quality=95,
)  # fmt: skip


@pytest.fixture(scope="module")
def layout() -> Layout:
    return lay_out(AnatomyParams(), VesselParams(), DiseaseParams(), rng=rng_for(1, "layout"))


@pytest.fixture(scope="module")
def shot(layout: Layout) -> Shot:
    return set_up(CLEAN, layout, rng=rng_for(1, "camera"), tint=rng_for(1, "tint"))


def framed(shot: Shot, size_px: int = 128) -> Frame:
    return frame_of(size_px=size_px, centre_um=shot.centre_um, fov_deg=shot.fov_deg)


def test_a_clean_photograph_is_good_and_has_no_reasons(shot: Shot, layout: Layout) -> None:
    quality = quality_of(shot, framed(shot), layout)
    assert quality.label == "good"
    assert quality.reasons == ()
    assert set(quality.scores) == set(USABLE_FROM) == set(REJECT_FROM)


@pytest.mark.parametrize("name", sorted(USABLE_FROM))
def test_the_label_turns_exactly_at_each_threshold(name: str) -> None:
    zeros = dict.fromkeys(USABLE_FROM, 0.0)
    first, second = USABLE_FROM[name], REJECT_FROM[name]
    assert judged(zeros | {name: np.nextafter(first, 0)}).label == "good"
    assert judged(zeros | {name: first}).label == "usable"
    assert judged(zeros | {name: np.nextafter(second, 0)}).label == "usable"
    assert judged(zeros | {name: second}).label == "reject"
    assert judged(zeros | {name: second}).reasons == (name,)


def test_reasons_come_worst_first() -> None:
    zeros = dict.fromkeys(USABLE_FROM, 0.0)
    assert judged(zeros | {"haze": 0.3, "blur_um": 200.0}).reasons == ("blur_um", "haze")


@pytest.mark.parametrize(
    ("changes", "reason", "label"),
    [
        ({"defocus_um": 40.0}, "blur_um", "usable"),
        ({"defocus_um": 90.0}, "blur_um", "reject"),
        ({"motion_um": 300.0}, "blur_um", "reject"),
        ({"haze": 0.3}, "haze", "usable"),
        ({"haze": 0.7}, "haze", "reject"),
        ({"uneven": 1.0, "vignette": 0.6}, "dark_share", "usable"),
        ({"crescent": -1.0, "uneven": 0.6, "vignette": 0.4}, "dark_share", "usable"),
        ({"crescent": 1.0}, "dark_share", "usable"),
        ({"exposure": 0.5}, "underexposure", "usable"),
        ({"exposure": 0.25}, "underexposure", "reject"),
        ({"exposure": 2.0}, "overexposure", "usable"),
        ({"noise": 10.0}, "noise", "usable"),
        ({"jpeg_quality": 30}, "jpeg_loss", "usable"),
        ({"jpeg_quality": 5}, "jpeg_loss", "reject"),
        ({"dust": 20}, "specks", "usable"),
        ({"lashes": 0.5}, "specks", "usable"),
    ],
)
def test_each_spoilt_setting_names_itself(
    shot: Shot, layout: Layout, changes: dict[str, float], reason: str, label: str
) -> None:
    spoilt = retaken(shot, **changes)
    quality = quality_of(spoilt, framed(spoilt), layout)
    assert reason in quality.reasons
    assert quality.label == label


def test_blur_adds_defocus_and_the_standard_deviation_of_a_stroke(
    shot: Shot, layout: Layout
) -> None:
    blurred = retaken(shot, defocus_um=30.0, motion_um=40.0 * np.sqrt(12))
    assert quality_of(blurred, framed(shot), layout).scores["blur_um"] == pytest.approx(50.0)


def test_the_macula_out_of_the_picture_is_rejected(shot: Shot, layout: Layout) -> None:
    aside = replace(shot, centre_um=(9000.0, 0.0))
    quality = quality_of(aside, framed(aside), layout)
    assert quality.label == "reject"
    assert quality.scores["macula_lost"] == pytest.approx(1.0)
    assert quality.reasons[0] == "macula_lost"


def test_half_a_disc_out_of_the_picture_counts_as_half(shot: Shot, layout: Layout) -> None:
    radius = framed(shot).fov_radius_um
    centre = (layout.disc_um[0] - radius, layout.disc_um[1])
    aside = replace(retaken(shot, tab="none", aperture="circle"), centre_um=centre)
    lost = quality_of(aside, framed(aside), layout).scores["disc_lost"]
    assert lost == pytest.approx(0.53, abs=0.05)


def test_the_label_does_not_depend_on_the_size(shot: Shot, layout: Layout) -> None:
    spoilt = retaken(shot, crescent=-0.9, uneven=0.4)
    small, large = (quality_of(spoilt, framed(spoilt, size), layout) for size in (64, 300))
    assert small == large


def test_everyday_photographs_are_mostly_good_or_usable(layout: Layout) -> None:
    labels = []
    for seed in range(60):
        shot = set_up(
            CameraParams(model="like_kowa_vx10"),
            layout,
            rng=rng_for(seed, "camera"),
            tint=rng_for(seed, "tint"),
        )
        labels.append(quality_of(shot, framed(shot, 64), layout).label)
    assert labels.count("good") > 25
    assert labels.count("usable") > 2
    assert labels.count("reject") < 12

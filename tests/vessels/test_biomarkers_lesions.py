"""Lesion columns: closed forms, phantoms' truth, reasons."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from retinaforge.anatomy import LESION_TYPES
from retinaforge.core import Fov, Landmarks, Refusal
from retinaforge.phantoms import draw
from retinaforge.phantoms.lesions import lesion_masks
from retinaforge.phantoms.params import DiseaseParams, PhantomParams
from retinaforge.phantoms.truth import lesion_area_um2
from retinaforge.tasks.lesion_samples import DRAWN_AS, lesions_of
from retinaforge.vessels.biomarkers.lesions import (
    LESION_KINDS,
    LESIONS,
    NO_LESION,
    NO_VIEW,
    NOT_LOOKED,
)
from retinaforge.vessels.vasculature import read_vasculature

SIDE = 400
FOV = Fov(np.ones((SIDE, SIDE), bool), (199.5, 199.5), 200.0, "full frame")
MARKS = Landmarks(
    disc_centre_px=(320.0, 200.0),
    disc_axes_px=(20.0, 25.0),
    fovea_px=(150.0, 200.0),
    um_per_px=20.0,
)


def measured(lesions, marks=MARKS, fov=FOV):
    v = read_vasculature(np.zeros(fov.mask.shape, bool), fov, marks, lesions=lesions)
    return {b.card.column: b.measure(v) for b in LESIONS}


def blots(*places, half=2):
    mask = np.zeros((SIDE, SIDE), bool)
    for x, y in places:
        mask[y - half : y + half + 1, x - half : x + half + 1] = True
    return mask


def test_kinds_are_the_models():
    assert LESION_KINDS == LESION_TYPES


def test_closed_forms():
    corner = blots((170, 200), (300, 60))
    corner[203, 173] = True  # touches the first piece at a corner: no piece of its own
    found = measured({"hard_exudate": corner})
    values = {name: q.value for name, q in found.items() if name.startswith("hard_exudate")}
    assert values["hard_exudate_count"] == 2
    assert values["hard_exudate_count_within_1dd"] == 1
    assert values["hard_exudate_area_density"] == 51 / SIDE**2
    assert values["hard_exudate_area_da"] == pytest.approx(51 / (math.pi * 20 * 25))
    assert values["hard_exudate_area_mm2"] == pytest.approx(51 * 0.02**2)
    assert values["hard_exudate_to_fovea_dd"] == pytest.approx(17.5 / 50)
    assert values["hard_exudate_to_fovea_um"] == pytest.approx(17.5 * 20)
    seen = math.pi * 150**2
    assert values["hard_exudate_area_density_macula"] == pytest.approx(26 / seen)


def test_a_lesion_on_the_fovea_is_at_no_distance_and_what_is_outside_the_field_does_not_count():
    assert measured({"haemorrhage": blots((150, 200))})["haemorrhage_to_fovea_um"].value == 0
    mask = np.zeros_like(FOV.mask)
    mask[:, :200] = True
    found = measured({"haemorrhage": blots((100, 50), (300, 50))}, fov=replace(FOV, mask=mask))
    assert found["haemorrhage_count"].value == 1


def test_what_is_not_known_has_its_reason():
    found = measured({"haemorrhage": blots((100, 50)), "soft_exudate": blots()})
    assert found["microaneurysm_count"].reason == NOT_LOOKED
    assert found["soft_exudate_count"].value == 0
    assert found["soft_exudate_area_mm2"].value == 0
    assert found["soft_exudate_to_fovea_dd"].reason == NO_LESION
    bare = measured({"haemorrhage": blots((100, 50))}, Landmarks())
    known = {name for name, q in bare.items() if not math.isnan(q.value)}
    assert known == {"haemorrhage_count", "haemorrhage_area_density"}
    assert all(q.reason for name, q in bare.items() if name not in known)
    assert all(q.reason == NOT_LOOKED for q in measured(None).values())
    edge = replace(MARKS, fovea_px=(-30.0, 200.0))
    near = measured({"haemorrhage": blots((100, 50))}, edge)
    assert near["haemorrhage_count_within_1dd"].reason == NO_VIEW
    assert near["haemorrhage_area_density_macula"].reason == NO_VIEW


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(Refusal, match="masks"):
        measured({"haemorrhage": np.zeros((10, 10), bool)})


@pytest.fixture(scope="module")
def phantom():
    return draw(5, size_px=768, params=PhantomParams(disease=DiseaseParams(diabetic_grade=3)))


@pytest.mark.parametrize("kind", LESION_KINDS)
def test_a_phantoms_lesions_are_measured_as_they_were_drawn(phantom, kind):
    """Truth: the lesions' outlines in micrometres. Lesions that touch are one in a mask."""
    frame, px_um = phantom.frame, phantom.frame.px_um
    axes = phantom.fundus.layout.disc_axes_um
    fovea = frame.to_px(np.zeros((1, 2)))[0].tolist()
    if phantom.photograph.eye == "OS":
        fovea[0] = phantom.fov.mask.shape[1] - 1 - fovea[0]
    marks = Landmarks(
        fovea_px=tuple(fovea), disc_axes_px=tuple(a / px_um for a in axes), um_per_px=px_um,
        disc_centre_px=(0.0, 0.0),
    )  # fmt: skip
    found = measured(lesions_of(phantom), marks, phantom.fov)
    own, pieces = [], 0
    for lesion in phantom.fundus.lesions:
        if DRAWN_AS.get(lesion.kind) == kind:
            mask = lesion_masks(frame, (lesion,))[lesion.kind]
            mask = mask[:, ::-1] if phantom.photograph.eye == "OS" else mask
            parts = ndimage.label(mask & phantom.fov.mask, np.ones((3, 3)))[1]
            own += [lesion] if parts else []
            pieces += parts
    count = found[f"{kind}_count"].value
    assert own
    area, seen = sum(lesion_area_um2(s) for s in own) / 1e6, found[f"{kind}_area_mm2"].value
    if kind == "hard_exudate":  # they lie in rings and overlap: outlines count twice, pixels once
        assert 0 < count < 0.5 * len(own)
        assert 0.5 * area < seen < area
    else:
        assert 0.9 * pieces <= count <= pieces
        assert seen == pytest.approx(area, rel=0.1)
    nearest = min(float(np.hypot(*s.outline_um.T).min()) for s in own)
    assert found[f"{kind}_to_fovea_um"].value == pytest.approx(nearest, abs=1.5 * px_um)

"""Painted lesions: changed pixels lie at the mask, contrasts have their sign, sizes agree."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from retinaforge.core import rng_for
from retinaforge.phantoms import AnatomyParams, DiseaseParams, VesselParams
from retinaforge.phantoms.frame import frame_of
from retinaforge.phantoms.fundus import LESION_KINDS, Lesion
from retinaforge.phantoms.layout import lay_out
from retinaforge.phantoms.lesion_paint import OVER, UNDER, own_vessels
from retinaforge.phantoms.lesion_shapes import blob
from retinaforge.phantoms.lesions import lesion_masks, paint_over, paint_under, place_lesions

PAINTED = (*UNDER, *OVER)
VIEW = frame_of(size_px=128, centre_um=(0.0, 0.0), fov_deg=12.0)
"""About 28 um a pixel."""


def scene(size=128):
    return np.full((size, size, 3), (180.0, 90.0, 40.0), dtype=np.float32)


def spot(kind, place=(100.0, -150.0)):
    if kind in ("irma", "neovascularisation"):
        line = np.array([[-400.0, -150.0], [500.0, -150.0]])
        return Lesion(kind, place, np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]), seed=3,
                      points_um=(line,), radii_um=(np.full(2, 40.0),))  # fmt: skip
    shape = blob(600.0, rng=np.random.default_rng(0), rough=0.1) + np.array(place)
    return Lesion(kind, place, shape, seed=3)


def painted(found, view=VIEW):
    return paint_over(paint_under(scene(view.size_px), view, found), view, found)


def test_every_kind_is_painted_but_beads_which_are_in_the_vessels():
    assert set(PAINTED) == set(LESION_KINDS) - {"venous_beading"}
    assert not set(UNDER) & set(OVER)


@pytest.mark.parametrize("kind", PAINTED)
def test_paint_lies_where_the_mask_is(kind):
    found = (spot(kind),)
    mask = lesion_masks(VIEW, found)[kind]
    change = painted(found)[..., 1] - scene()[..., 1]
    sign = np.sign({**UNDER, **OVER}[kind].contrast[1])
    assert sign * change[mask].mean() > 3
    reach = 2 + int(np.ceil({**UNDER, **OVER}[kind].feather * 24))
    assert not change[~binary_dilation(mask, iterations=reach)].any()
    assert mask.sum() > 50


def test_sharp_edges_are_antialiased_and_areas_exact():
    """The painted cover of a lesion with a sharp edge sums to its area in pixels."""
    line = np.array([[-700.0, 33.0], [650.0, 290.0]])
    found = Lesion("irma", (0.0, 0.0), line, points_um=(line,), radii_um=(np.full(2, 60.0),))
    box, depth = own_vessels(found, VIEW)
    cover = np.clip(depth + 0.5, 0, 1).sum() * VIEW.px_um**2
    length = float(np.linalg.norm(line[1] - line[0]))
    assert cover == pytest.approx(length * 120 + np.pi * 60**2, rel=0.01)
    assert depth.max() == pytest.approx(60 / VIEW.px_um, abs=0.5)
    assert (box[0].stop - box[0].start, box[1].stop - box[1].start) == depth.shape


def test_nothing_outside_the_picture_is_painted():
    far = spot("hard_exudate", place=(50_000.0, 0.0))
    assert np.array_equal(painted((far,)), scene())
    half = spot("hard_exudate", place=(VIEW.fov_radius_um * 1.03, 0.0))
    assert (painted((half,)) != scene()).any()


def test_the_scene_is_not_changed_in_place():
    before = scene()
    paint_under(before, VIEW, (spot("drusen"),))
    paint_over(before, VIEW, (spot("cotton_wool_spot"),))
    assert np.array_equal(before, scene())


def test_blood_before_the_retina_hides_vessels():
    behind = scene()
    behind[:, 63:65] *= 0.4
    found = (spot("preretinal_haemorrhage", place=(0.0, 0.0)),)
    after, without = (paint_over(s, VIEW, found)[60:68, 63:65, 1] for s in (behind, scene()))
    assert 0.9 < after.mean() / without.mean() < 1


def test_the_same_eye_at_two_sizes_looks_the_same():
    layout = lay_out(AnatomyParams(), VesselParams(), DiseaseParams(), rng=rng_for(3, "layout"))
    disease = DiseaseParams(diabetic_grade=4, amd=3, laser=True)
    found = place_lesions(layout, (), disease, seed=3)
    small, large = (frame_of(size_px=s, centre_um=(2000.0, 0.0), fov_deg=45.0) for s in (128, 512))
    reduced = painted(found, large).reshape(128, 4, 128, 4, 3).mean((1, 3))
    difference = np.abs(painted(found, small) - reduced)
    assert difference.mean() < 0.6
    lesions_show = np.abs(reduced - scene()).mean()
    assert lesions_show > 2 * difference.mean()


def test_same_lesions_same_bytes():
    found = (spot("cotton_wool_spot"), spot("laser_scar"), spot("haemorrhage_flame"))
    assert painted(found).tobytes() == painted(found).tobytes()

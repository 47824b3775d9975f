"""The camera: apertures, light and optics against closed forms; the same photograph at any size."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from retinaforge.core import Refusal, rng_for
from retinaforge.phantoms.camera import (
    Shot,
    aperture_mask,
    expose,
    fov_of,
    retaken,
    set_up,
)
from retinaforge.phantoms.cameras import NEUTRAL, PROFILES
from retinaforge.phantoms.frame import MARGIN, Frame, frame_of
from retinaforge.phantoms.fundus import Layout
from retinaforge.phantoms.layout import lay_out
from retinaforge.phantoms.look import Look, draw_look
from retinaforge.phantoms.optics import dusted, focused, light_of
from retinaforge.phantoms.params import (
    UM_PER_DEG,
    AnatomyParams,
    CameraParams,
    DiseaseParams,
    VesselParams,
)
from retinaforge.phantoms.sensor import as_jpeg, developed, grain, hazed

BARE = CameraParams(
    model="like_canon_cr5", fov_deg=45, aperture="circle", tab="none", aim="between", exposure=1.0,
    vignette=0.0, uneven=0.0, crescent=0.0, rim_haze=0.0, lashes=0.0, defocus_um=0.0,
    motion_um=0.0, haze=0.0, dust=0, spots=0, sharpen=0.0, noise=0.0, jpeg_quality=0,
)  # fmt: skip
LOOK: Look = draw_look(AnatomyParams(), rng=rng_for(0, "look"))


@pytest.fixture(scope="module")
def layout() -> Layout:
    return lay_out(AnatomyParams(), VesselParams(), DiseaseParams(), rng=rng_for(1, "layout"))


@pytest.fixture(scope="module")
def bare(layout: Layout) -> Shot:
    return replace(
        set_up(BARE, layout, rng=rng_for(1, "camera"), tint=rng_for(1, "tint")),
        gain=(1.0, 1.0, 1.0),
    )


def framed(shot: Shot, size_px: int = 128) -> Frame:
    return frame_of(size_px=size_px, centre_um=shot.centre_um, fov_deg=shot.fov_deg)


def flat(size_px: int) -> np.ndarray:
    return np.full((size_px, size_px, 3), NEUTRAL, np.float32)


def taken(shot: Shot, scene: np.ndarray, seed: int = 0) -> np.ndarray:
    frame = framed(shot, len(scene))
    return expose(scene.copy(), frame, shot, LOOK, rng=rng_for(seed, "sensor"))


# The field


def test_a_circle_has_the_area_of_a_circle(bare: Shot) -> None:
    frame = framed(bare, 256)
    assert aperture_mask(frame, bare).sum() == pytest.approx(
        math.pi * frame.fov_radius_px**2, rel=2e-3
    )
    assert fov_of(frame, bare).kind == "circle"


@pytest.mark.parametrize("cut", [0.7, 0.85])
def test_a_cut_takes_two_segments_of_the_circle(bare: Shot, cut: float) -> None:
    shot = retaken(bare, aperture="cut", cut=cut)
    frame = framed(shot, 256)
    segment = math.acos(cut) - cut * math.sqrt(1 - cut**2)
    expected = (math.pi - 2 * segment) * frame.fov_radius_px**2
    assert aperture_mask(frame, shot).sum() == pytest.approx(expected, rel=0.01)
    assert fov_of(frame, shot).kind == "cut circle"
    sides = retaken(bare, aperture="cut sides", cut=0.85)
    mask = aperture_mask(frame, sides)
    assert np.array_equal(mask, mask.T)


@pytest.mark.parametrize(
    ("tab", "area"), [("round", math.pi / 2 * 0.045**2), ("square", 0.09 * 0.055),
                      ("triangle", 0.045 * 0.055)],
)  # fmt: skip
def test_a_tab_stands_out_where_it_was_put(bare: Shot, tab: str, area: float) -> None:
    shot = replace(retaken(bare, tab=tab), tab_rad=-math.pi / 4)
    frame = framed(shot, 512)
    extra = aperture_mask(frame, shot) & ~aperture_mask(frame, bare)
    assert extra.sum() == pytest.approx(area * frame.fov_radius_px**2, rel=0.2)
    rows, columns = np.nonzero(extra)
    assert columns.min() > frame.middle_px > rows.max()


def test_a_full_frame_shows_retina_everywhere_and_is_narrow(layout: Layout) -> None:
    shot = set_up(
        replace(BARE, aperture="full", fov_deg=36),
        layout,
        rng=rng_for(1, "camera"),
        tint=rng_for(1, "tint"),
    )
    frame = framed(shot)
    assert aperture_mask(frame, shot).all()
    assert fov_of(frame, shot).kind == "full frame"
    with pytest.raises(Refusal, match=r"a full frame of at most 40 degrees; got 45 degrees"):
        set_up(
            replace(BARE, aperture="full"),
            layout,
            rng=rng_for(1, "camera"),
            tint=rng_for(1, "tint"),
        )


def test_what_is_outside_is_the_camera_s_black(bare: Shot) -> None:
    pixels = taken(bare, flat(128))
    corner = pixels[:12, :12].reshape(-1, 3).mean(0)
    assert corner == pytest.approx(PROFILES["like_canon_cr5"].black, abs=0.3)


# Settings


def test_an_unknown_camera_is_refused(layout: Layout) -> None:
    with pytest.raises(Refusal, match=r"expected a camera's name, one of .*canon_cr1.*; got x"):
        set_up(CameraParams(model="x"), layout, rng=rng_for(1, "camera"), tint=rng_for(1, "tint"))


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_nothing_is_left_open_and_what_was_given_stays(name: str, layout: Layout) -> None:
    shot = set_up(
        CameraParams(model=name, haze=0.3),
        layout,
        rng=rng_for(1, "camera"),
        tint=rng_for(1, "tint"),
    )
    assert None not in vars(shot.params).values()
    assert shot.params.haze == 0.3
    assert shot.params.model == name
    assert shot.profile is PROFILES[name]


def test_giving_one_setting_changes_no_other(layout: Layout) -> None:
    drawn = set_up(CameraParams(), layout, rng=rng_for(4, "camera"), tint=rng_for(4, "tint"))
    given = set_up(
        CameraParams(defocus_um=50.0), layout, rng=rng_for(4, "camera"), tint=rng_for(4, "tint")
    )
    assert given == retaken(drawn, defocus_um=50.0)


@pytest.mark.parametrize("fov_deg", [30, 45, 60])
def test_the_disc_is_inside_the_field(layout: Layout, fov_deg: float) -> None:
    for seed in range(30):
        shot = set_up(CameraParams(fov_deg=fov_deg, aperture="circle"), layout,
                      rng=rng_for(seed, "camera"), tint=rng_for(seed, "tint"))  # fmt: skip
        away = np.hypot(*np.subtract(shot.centre_um, layout.disc_um))
        assert away < fov_deg / 2 * UM_PER_DEG


# Colour


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_neutral_fundus_takes_the_camera_s_colour(name: str, bare: Shot) -> None:
    shot = retaken(bare, model=name)
    pixels = taken(shot, flat(64))
    assert np.allclose(pixels[32, 32], PROFILES[name].rgb, atol=1)


def test_cameras_differ_in_colour(bare: Shot) -> None:
    colours = [taken(retaken(bare, model=name), flat(64))[32, 32] for name in PROFILES]
    assert len({tuple(c) for c in colours}) == len(PROFILES) >= 5


def test_part_of_a_darker_fundus_s_darkness_stays(bare: Shot) -> None:
    normal, dark = taken(bare, flat(64))[32, 32], taken(bare, 0.5 * flat(64))[32, 32]
    share = np.log(dark / normal) / np.log(0.5)
    assert np.all((share > 0.3) & (share < 0.6))


def test_development_keeps_order_and_bends_to_white() -> None:
    ramp = np.repeat(np.linspace(1, 255, 64, dtype=np.float32)[:, None], 64, axis=1)
    image = np.stack([ramp] * 3, axis=-1)
    mid = np.full(3, 80.0)
    out = developed(image, typical=mid, target=mid, contrast=(1.0, 1.2, 0.9),
                    light=np.ones((64, 64), np.float32))  # fmt: skip
    assert np.all(np.diff(out[:, 0], axis=0) > 0)
    assert np.interp(80.0, ramp[:, 0], out[:, 0, 0]) == pytest.approx(80, abs=0.5)
    assert out.max() < 275


# Optics


def point_seen(size_px: int, params: CameraParams, *, px_um: float) -> np.ndarray:
    """Return the green image of a bright point, its even ground taken away."""
    scene = np.full((size_px, size_px, 3), 1e3, np.float32)
    scene[size_px // 2, size_px // 2] += 1e4
    green = focused(scene, params, px_um=px_um)[..., 1].astype(np.float64) - 1e3
    # What float32 leaves far from the point would weigh heavily in a second moment.
    return np.where(np.abs(green) > 0.05, green, 0)


def test_defocus_spreads_a_point_by_its_standard_deviation_at_any_size(bare: Shot) -> None:
    params = replace(bare.params, defocus_um=300.0 / 2)
    found = []
    for size in (101, 203):
        frame = framed(bare, size)
        green = point_seen(size, params, px_um=frame.px_um)
        x = (np.arange(size) - size // 2) * frame.px_um
        assert green.sum() == pytest.approx(1e4, rel=0.01)
        found.append(np.sqrt((green.sum(0) * x**2).sum() / green.sum()))
    assert found == pytest.approx([150.0, 150.0], rel=0.02)


@pytest.mark.parametrize(("angle", "axis"), [(0.0, 0), (90.0, 1)])
def test_motion_spreads_a_point_into_a_stroke(bare: Shot, angle: float, axis: int) -> None:
    frame = framed(bare, 129)
    params = replace(bare.params, motion_um=1000.0, motion_deg=angle, defocus_um=60.0)
    green = point_seen(129, params, px_um=frame.px_um)
    along, across = green.sum(axis), green.sum(1 - axis)
    x = (np.arange(129) - 64) * frame.px_um
    spread = [np.sqrt((p * x**2).sum() / p.sum()) for p in (along, across)]
    assert spread[0] == pytest.approx(math.hypot(1000 / math.sqrt(12), 60), rel=0.05)
    assert spread[1] == pytest.approx(60, rel=0.15)


def test_optics_leave_an_even_scene_alone(bare: Shot) -> None:
    params = replace(bare.params, motion_um=200.0, defocus_um=40.0, sharpen=1.0)
    out = focused(flat(96), params, px_um=50.0)
    assert np.allclose(out, flat(96), rtol=1e-4)


def test_sharpening_makes_a_halo(bare: Shot) -> None:
    scene = flat(128)
    scene[:, 64:] *= 0.5
    params = replace(bare.params, defocus_um=10.0, sharpen=1.5)
    out = focused(scene, params, px_um=10.0)[64, 32:96, 1]
    assert out.max() > 1.05 * scene[0, 0, 1]
    assert out.min() < 0.95 * scene[0, 127, 1]


# Light


def test_vignette_darkens_the_border_by_its_share(bare: Shot) -> None:
    shot = retaken(bare, vignette=0.4)
    frame = framed(shot, 256)
    light, veil = light_of(shot, frame)
    row = light[128]
    rim = round(frame.middle_px + frame.fov_radius_px * 0.995)
    assert row[rim] / row[128] == pytest.approx(0.6, abs=0.02)
    assert np.all(np.diff(row[128:240]) <= 1e-4)
    assert not veil.any()


def test_uneven_light_is_darker_on_the_dark_side(bare: Shot) -> None:
    shot = replace(retaken(bare, uneven=0.4), dark_rad=0.0)
    light, _ = light_of(shot, framed(shot))
    assert light[64, 110] < 0.8 * light[64, 18]


def test_a_crescent_darkens_or_brightens_one_side_only(bare: Shot) -> None:
    dark = replace(retaken(bare, crescent=-0.8), crescent_rad=0.0)
    light, _ = light_of(dark, framed(dark))
    assert light[64, 122] < 0.5
    assert light[64, 6:64] == pytest.approx(1, abs=0.01)
    bright = replace(retaken(bare, crescent=0.8), crescent_rad=0.0)
    _, veil = light_of(bright, framed(bright))
    assert veil[64, 122].min() > 30 > 1 > veil[64, 6:64].max()


def test_rim_haze_lies_at_the_rim(bare: Shot) -> None:
    shot = replace(retaken(bare, rim_haze=0.5), haze_rad=math.pi)
    _, veil = light_of(shot, framed(shot))
    assert veil[64, 5, 1] > 4 * veil[64, 122, 1] > 0
    assert veil[64, 64].max() < 0.5


def test_lashes_shade_the_lower_part(bare: Shot) -> None:
    shot = retaken(bare, lashes=1.0)
    light, _ = light_of(shot, framed(shot))
    assert light[90:].min() < 0.5
    assert light[:50] == pytest.approx(1, abs=0.01)


def test_haze_takes_its_share_of_the_contrast() -> None:
    image = flat(8)
    image[0] *= 0.5
    out = hazed(image, haze=0.4, target=np.array(NEUTRAL))
    assert np.ptp(out[..., 1]) == pytest.approx(0.6 * np.ptp(image[..., 1]), rel=1e-4)
    assert out.mean() > image.mean()


def test_dust_touches_few_pixels_and_no_dust_none(bare: Shot) -> None:
    frame = framed(bare, 256)
    clean = dusted(flat(256), frame, bare)
    assert np.array_equal(clean, flat(256))
    dirty = dusted(flat(256), frame, retaken(bare, dust=30))
    changed = np.abs(dirty - flat(256)).max(2) > 1
    assert 30 < changed.sum() < 0.03 * changed.size


# Sensor


def test_noise_has_its_standard_deviation_at_medium_grey_and_grows_with_the_signal() -> None:
    def spread(level: float) -> float:
        image = np.full((256, 256, 3), level, np.float32)
        return float(grain(image, noise=4.0, rng=rng_for(1, "n"))[..., 1].std())

    assert spread(128) == pytest.approx(4.0, rel=0.1)
    assert spread(250) > 1.2 * spread(128) > 1.4 * spread(5)


def test_noise_is_alike_in_the_channels() -> None:
    noise = grain(np.full((128, 128, 3), 128, np.float32), noise=4.0, rng=rng_for(1, "n"))
    assert 0.6 < np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1] < 0.95


def test_jpeg_loses_more_at_lower_quality_and_none_at_zero() -> None:
    rng = rng_for(1, "jpeg")
    pixels = rng.integers(60, 190, (64, 64, 3)).astype(np.uint8)
    loss = [np.abs(as_jpeg(pixels, quality=q).astype(int) - pixels).mean() for q in (95, 60, 10)]
    assert loss[0] < loss[1] < loss[2]
    assert as_jpeg(pixels, quality=0) is pixels


# The whole


def everything(bare: Shot) -> Shot:
    return retaken(
        bare, vignette=0.3, uneven=0.2, crescent=-0.4, rim_haze=0.3, lashes=0.3, haze=0.1, dust=6,
        spots=1, defocus_um=20.0, motion_um=60.0, motion_deg=30.0, sharpen=0.5, noise=2.0,
        jpeg_quality=90, tab="round",
    )  # fmt: skip


def test_the_same_seed_gives_the_same_bytes_and_another_other_noise(bare: Shot) -> None:
    shot = everything(bare)
    one, two, other = (taken(shot, flat(96), seed) for seed in (3, 3, 4))
    assert one.dtype == np.uint8
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_a_larger_picture_is_the_same_photograph(bare: Shot) -> None:
    shot = retaken(everything(bare), noise=0.0, jpeg_quality=0)
    small, large = taken(shot, flat(128)), taken(shot, flat(256))
    shrunk = large.reshape(128, 2, 128, 2, 3).mean((1, 3))
    inner = framed(shot, 128).rim < 0.96
    assert np.abs(shrunk - small)[inner].mean() < 0.6


def test_the_camera_takes_no_longer_than_its_budget(bare: Shot) -> None:
    shot, scene = everything(bare), flat(512)
    frame = framed(shot, 512)
    spent = []
    for _ in range(3):
        start = time.process_time()
        expose(scene.copy(), frame, shot, LOOK, rng=rng_for(0, "sensor"))
        spent.append(time.process_time() - start)
    # 0.08 s on an idle core; four times that on a machine that is busy.
    assert min(spent) < 0.32


def test_the_field_is_the_frame_s(bare: Shot) -> None:
    fov = fov_of(framed(bare, 200), bare)
    assert fov.radius_px == pytest.approx(MARGIN * 100)
    assert fov.centre_px == (99.5, 99.5)


def test_a_steady_camera_shows_how_dark_the_fundus_is(bare: Shot, layout: Layout) -> None:
    """Half as bright a fundus is half as bright a picture; one that adapts hides more than half."""

    def green(shot: Shot, share: float) -> float:
        pixels = taken(shot, (share * flat(64)).astype(np.float32))
        return float(pixels[24:40, 24:40, 1].mean())

    steady, adapts = retaken(bare, steady=1.0), retaken(bare, steady=0.0)
    assert green(steady, 0.5) / green(steady, 1.0) == pytest.approx(0.5, abs=0.02)
    assert green(adapts, 0.5) / green(adapts, 1.0) > 0.7
    gains = {
        set_up(replace(BARE, steady=1.0), layout, rng=rng_for(1, "camera"), tint=rng_for(i)).gain
        for i in range(4)
    }
    assert gains == {(1.0, 1.0, 1.0)}, "its colour is the same for every person"

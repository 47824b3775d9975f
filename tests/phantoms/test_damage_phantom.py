"""Planted damage in phantoms: each level's stated size, measured by other means."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label

from retinaforge.core import Refusal, rng_for
from retinaforge.phantoms import CameraParams, PhantomParams, draw
from retinaforge.phantoms.damage import damage_phantom
from retinaforge.phantoms.damage_card import DAMAGES, LEVELS, damage_named

QUIET = PhantomParams(camera=CameraParams(
    fov_deg=45.0, aperture="circle", aim="between", jpeg_quality=0, noise=0.0, defocus_um=0.0,
    motion_um=0.0, dust=0, haze=0.0,
))  # fmt: skip
KINDS = [card for card in DAMAGES if "phantom" in card.subjects and not card.of_set]


@pytest.fixture(scope="module")
def eye():
    return draw(5, size_px=256, eye="OD", params=QUIET)


def planted(phantom, kind, level, seed=1):
    return damage_phantom(phantom, kind, level, rng=rng_for(seed, kind))


def length_um(vessel):
    return np.linalg.norm(np.diff(vessel.points_um, axis=0), axis=1).sum()


def total_um(phantom):
    return sum(length_um(vessel) for vessel in phantom.fundus.vessels)


@pytest.mark.parametrize("level", [1, 5])
def test_gaps_have_the_stated_number_and_length(level):
    phantom = draw(5, size_px=512, eye="OS", params=QUIET)
    size = damage_named("broken-vessels").size(level)
    result = planted(phantom, "broken-vessels", level)
    after, done = result.phantom, result.done
    frame = phantom.frame
    seen = 0.0
    for vessel in phantom.fundus.vessels:
        middle = (vessel.points_um[1:] + vessel.points_um[:-1]) / 2
        inside = np.linalg.norm(middle - frame.centre_um, axis=1) < frame.fov_radius_um
        seen += np.linalg.norm(np.diff(vessel.points_um, axis=0), axis=1)[inside].sum()
    assert done.count / (seen / 1e4) == pytest.approx(size["gaps_per_cm"], rel=0.06)
    # Each gap splits one vessel in two and takes its clear length and one radius on each side.
    assert len(after.fundus.vessels) == len(phantom.fundus.vessels) + done.count
    radii = [np.interp(0.5, (0, 1), (v.radii_um.min(), v.radii_um.max()))
             for v in (phantom.fundus.vessels[p.vessel] for p in done.places)]  # fmt: skip
    removed = total_um(phantom) - total_um(after)
    expected = sum(size["gap_um"] + 2 * radius for radius in radii)
    assert removed == pytest.approx(expected, rel=0.05)
    for place in done.places:
        row, column = round(place.y_px), round(place.x_px)
        # A vessel a pixel wide may lie in the next pixel.
        assert phantom.vessel[row - 1 : row + 2, column - 1 : column + 2].any()
        assert not after.vessel[row, column]


def test_breaking_keeps_every_branch_on_its_piece(eye):
    after = planted(eye, "broken-vessels", 4).phantom.fundus.vessels
    roots = [v for v in after if v.parent is None]
    before = [v for v in eye.fundus.vessels if v.parent is None]
    assert len(roots) == len(before) + len(after) - len(eye.fundus.vessels)
    for index, vessel in enumerate(after):
        if vessel.parent is not None:
            assert vessel.parent < index
            parent = after[vessel.parent]
            away = np.linalg.norm(parent.points_um - vessel.points_um[0], axis=1).min()
            assert away <= parent.radii_um.max() + 1


@pytest.mark.parametrize("kind", ["thick-vessels", "thin-vessels"])
def test_calibre_changes_by_the_stated_share(eye, kind):
    for level in LEVELS:
        share = damage_named(kind).size(level)["calibre_pct"] / 100
        after = planted(eye, kind, level).phantom
        for old, new in zip(eye.fundus.vessels, after.fundus.vessels, strict=True):
            np.testing.assert_allclose(new.radii_um / old.radii_um, 1 + share)


def test_pixels_of_the_mask_follow_the_calibre():
    phantom = draw(5, size_px=768, eye="OD", params=QUIET)
    wide = planted(phantom, "thick-vessels", 5).phantom
    # Veins overlap little: their area grows nearly as their calibre, floors of a pixel apart.
    assert wide.vein.sum() / phantom.vein.sum() == pytest.approx(1.75, rel=0.12)


@pytest.mark.parametrize("level", LEVELS)
def test_straightening_removes_the_stated_share_of_the_bow(eye, level):
    share = damage_named("straight-vessels").size(level)["removed_pct"] / 100
    after = planted(eye, "straight-vessels", level).phantom.fundus.vessels
    for old, new in zip(eye.fundus.vessels, after, strict=True):
        np.testing.assert_allclose(new.points_um[-1], old.points_um[-1])
    longest = max(range(len(after)), key=lambda i: length_um(eye.fundus.vessels[i]))
    old, new = eye.fundus.vessels[longest], after[longest]
    assert bow_um(new) == pytest.approx((1 - share) * bow_um(old), abs=0.05 * bow_um(old))


def bow_um(vessel):
    p = vessel.points_um
    chord = (p[-1] - p[0]) / np.linalg.norm(p[-1] - p[0])
    return np.abs((p - p[0]) @ np.array([-chord[1], chord[0]])).max()


@pytest.mark.parametrize("level", LEVELS)
def test_dropping_leaves_all_that_is_wide_and_nothing_narrow(eye, level):
    below = damage_named("dropped-vessels").size(level)["below_um"]
    after = planted(eye, "dropped-vessels", level).phantom
    assert min(2 * v.radii_um.min() for v in after.fundus.vessels) >= below - 1e-6
    wide = 0.0
    for vessel in eye.fundus.vessels:
        steps = np.linalg.norm(np.diff(vessel.points_um, axis=0), axis=1)
        t = (np.arange(400) + 0.5) / 400
        width = 2 * (vessel.radii_um[:-1, None] * (1 - t) + vessel.radii_um[1:, None] * t)
        wide += (steps * (width >= below).mean(axis=1)).sum()
    assert total_um(after) == pytest.approx(wide, rel=0.01)


def test_floating_vessels_touch_nothing():
    phantom = draw(5, size_px=512, eye="OD", params=QUIET)
    result = planted(phantom, "floating-vessels", 3)
    added = result.phantom.fundus.vessels[len(phantom.fundus.vessels) :]
    assert len(added) == result.done.count == 8
    for vessel in added:
        assert length_um(vessel) == pytest.approx(700)
        np.testing.assert_allclose(2 * vessel.radii_um, 60)
    eight = np.ones((3, 3))
    assert label(result.phantom.vessel, eight)[1] == label(phantom.vessel, eight)[1] + 8


@pytest.mark.parametrize("level", LEVELS)
def test_swapping_changes_the_stated_share_of_length(eye, level):
    share = damage_named("swapped-artery-vein").size(level)["length_pct"] / 100
    after = planted(eye, "swapped-artery-vein", level).phantom.fundus
    pairs = list(zip(eye.fundus.vessels, after.vessels, strict=True))
    changed = sum(length_um(a) for a, b in pairs if a.kind != b.kind)
    assert changed / total_um(eye) == pytest.approx(share, abs=0.02)
    for crossing in after.crossings:
        assert after.vessels[crossing.artery].kind == "artery"
        assert after.vessels[crossing.vein].kind == "vein"


def test_a_second_disc_has_the_stated_diameter(eye):
    for level in LEVELS:
        result = planted(eye, "extra-disc", level)
        new = result.phantom.disc & ~eye.disc
        ys, _ = np.nonzero(new)
        stated = result.done.size["diameter_um"] / eye.px_um
        assert abs((ys.max() - ys.min() + 1) - stated) <= 1.5
        assert label(result.phantom.disc)[1] == label(eye.disc)[1] + 1
        old, painted = (p.photograph.pixels[new].mean() for p in (eye, result.phantom))
        assert painted > 1.15 * old


def test_the_macula_moves_by_the_stated_disc_diameters(eye):
    for level in (1, 4):
        result = planted(eye, "misplaced-fovea", level)
        new, old = np.array(result.phantom.fovea_px), np.array(eye.fovea_px)
        moved = np.linalg.norm(new - old) / (2 * eye.disc_radius_px)
        assert moved == pytest.approx(level)
        x, y = round(old[0]), round(old[1])
        smooth = [gaussian_filter(p.photograph.pixels[..., 1].astype(float), 3)[y, x]
                  for p in (eye, result.phantom)]  # fmt: skip
        assert smooth[1] > 1.05 * smooth[0]


def test_pixel_damage_has_the_stated_size(eye):
    fov = eye.fov.mask
    grey = replace(eye, photograph=replace(
        eye.photograph, pixels=np.full_like(eye.photograph.pixels, 100)))  # fmt: skip
    for level in LEVELS:
        noisy = planted(grey, "noise", level)
        sd = noisy.done.size["sd_grey"]
        assert noisy.phantom.photograph.pixels[fov].std() == pytest.approx(sd, rel=0.03)
        cast = planted(grey, "colour-cast", level)
        gain = cast.done.size["gain_pct"] / 100
        r, g, b = cast.phantom.photograph.pixels[fov].mean(axis=0)
        assert (r / g, b / g) == pytest.approx((1 + gain, 1 - gain), abs=0.006)
    edge = np.full_like(eye.photograph.pixels, 50)
    edge[:, 128:] = 200
    step = replace(eye, photograph=replace(eye.photograph, pixels=edge))
    blurred = planted(step, "blur", 5)
    slope = np.diff(blurred.phantom.photograph.pixels[128, 108:148, 1].astype(float)) / 150
    where = np.arange(len(slope)) - len(slope) / 2 + 0.5
    spread = np.sqrt((slope * where**2).sum() - (slope * where).sum() ** 2)
    assert spread == pytest.approx(blurred.done.size["sigma_px"], rel=0.05)


@pytest.mark.parametrize("card", KINDS, ids=lambda card: card.name)
def test_damage_grows_with_its_level(eye, card):
    def harm(level):
        after = planted(eye, card.name, level).phantom.photograph.pixels
        return np.abs(after.astype(float) - eye.photograph.pixels).mean()

    few = (1, 3, 5) if card.name != "misplaced-fovea" else (1, 2)
    harms = [harm(level) for level in few]
    # Extra discs of two levels lie in different places, where contrast differs.
    assert all(a < b for a, b in pairwise(harms))


@pytest.mark.parametrize("card", KINDS, ids=lambda card: card.name)
def test_outside_the_field_no_byte_changes_and_the_same_seed_repeats(eye, card):
    one, two = (planted(eye, card.name, 2).phantom for _ in range(2))
    np.testing.assert_array_equal(one.photograph.pixels, two.photograph.pixels)
    if card.name != "jpeg":
        away = ~eye.fov.mask
        away[1:-1, 1:-1] &= away[:-2, 1:-1] & away[2:, 1:-1] & away[1:-1, :-2] & away[1:-1, 2:]
        np.testing.assert_array_equal(one.photograph.pixels[away], eye.photograph.pixels[away])
    assert one.photograph.synthetic
    assert one.photograph.history[-1] == f"damaged: {card.name}, level 2"


def test_gaps_change_no_pixel_far_from_the_vessels_they_break(eye):
    result = planted(eye, "broken-vessels", 2)
    broken = {place.vessel for place in result.done.places}
    near = np.zeros_like(eye.vessel)
    y, x = np.mgrid[:256, :256]
    for index in broken:
        for px, py in eye.tree.branches[index].points_px:
            near |= np.hypot(x - px, y - py) < 16
    after, before = (p.photograph.pixels.astype(int) for p in (result.phantom, eye))
    change = np.abs(after - before).max(axis=-1)
    assert change[near].max() > 5
    # The optics are one transform of the whole picture: rounding may turn over by one grey level.
    assert change[~near].max() <= 1


@pytest.mark.parametrize("card", DAMAGES, ids=lambda card: card.name)
def test_every_level_states_a_size_that_differs_from_the_last(card):
    assert len(card.levels) == 5
    assert card.version >= 1
    for lower, higher in pairwise(card.levels):
        assert lower.keys() == higher.keys()
        assert lower != higher
    with pytest.raises(Refusal, match="expected a level from 1 to 5; got 0"):
        card.size(0)
    with pytest.raises(Refusal, match="expected a level from 1 to 5; got 6"):
        card.size(6)


def test_refusals(eye):
    with pytest.raises(Refusal, match=r"expected a kind of damage .*; got 'rust'"):
        planted(eye, "rust", 1)
    with pytest.raises(Refusal, match="one image; got mode-collapse, which is done to a set"):
        planted(eye, "mode-collapse", 1)
    with pytest.raises(Refusal, match="for a phantom; got exchanged-halves"):
        planted(eye, "exchanged-halves", 1)

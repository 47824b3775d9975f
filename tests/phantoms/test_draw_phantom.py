"""Phantoms: truth and pixels agree, at every size, for both eyes, from one seed."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from retinaforge.core import Branch, Refusal
from retinaforge.phantoms import (
    AnatomyParams,
    CameraParams,
    PhantomParams,
    VesselParams,
    draw_phantom,
)
from retinaforge.phantoms.fundus import FIELD_RADIUS_UM
from retinaforge.phantoms.raster import render_vessels


@pytest.fixture(scope="module")
def phantom():
    return draw_phantom(7, size_px=512, eye="OD")


@pytest.fixture(scope="module")
def people():
    """Eight right eyes, small: enough for means."""
    return [draw_phantom(seed, size_px=256, eye="OD") for seed in range(8)]


def dense(branches):
    """Sample centrelines every fifth of a pixel: points (n, 2) and radii (n,)."""
    points, radii = [], []
    for b in branches:
        along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(b.points_px, axis=0), axis=1))]
        at = np.r_[np.arange(0, along[-1], 0.2), along[-1]]
        points.append(np.stack([np.interp(at, along, b.points_px[:, k]) for k in (0, 1)], axis=1))
        radii.append(np.interp(at, along, b.radii_px))
    return np.concatenate(points), np.concatenate(radii)


def test_vessel_mask_is_the_union_and_lies_in_the_field(phantom):
    assert np.array_equal(phantom.vessel, phantom.artery | phantom.vein)
    assert not (phantom.vessel & ~phantom.fov.mask).any()
    y, x = np.indices(phantom.vessel.shape)
    centre_x, centre_y = phantom.fov.centre_px
    beyond = np.hypot(x - centre_x, y - centre_y) > phantom.fov.radius_px + 1
    # Black but for a mark at the rim and for what JPEG leaves.
    assert np.median(phantom.photograph.pixels[beyond]) < 10
    assert (phantom.artery & phantom.vein).any()
    assert phantom.photograph.synthetic


@pytest.mark.parametrize("kind", ["artery", "vein"])
def test_mask_agrees_with_the_tree(phantom, kind):
    points, radii = dense(phantom.tree.of_kind(kind))
    mask = getattr(phantom, kind)
    y, x = np.nonzero(mask)
    pixels = np.stack([x, y], axis=1)
    near = cKDTree(points).query(pixels, k=400, distance_upper_bound=20)
    allowed = np.r_[np.maximum(radii, 0.5), 0.0][near[1]]
    assert ((near[0] - allowed).min(axis=1) < 0.05).all()
    # Drawn again by another rule (all pixels within the radius of any sample), it is the same mask.
    again = np.zeros_like(mask)
    row, column = np.mgrid[-12:13, -12:13]
    for (px, py), r in zip(points[::2], np.maximum(radii, 0.5)[::2], strict=True):
        u, v = round(px) + column, round(py) + row
        keep = (np.hypot(u - px, v - py) <= r) & (u >= 0) & (v >= 0) & (u < 512) & (v < 512)
        again[v[keep], u[keep]] = True
    again &= phantom.fov.mask
    assert (again & mask).sum() / (again | mask).sum() > 0.97


@pytest.mark.parametrize(("radius", "angle"), [(2.0, 0.0), (3.3, 0.4), (5.0, 1.1)])
def test_calibre_of_a_straight_vessel_is_twice_its_radius(radius, angle):
    step = np.array([np.cos(angle), np.sin(angle)])
    line = np.array([100.3, 99.8]) + np.array([-60.0, 0.0, 60.0])[:, None] * step
    branch = Branch(points_px=line, radii_px=np.full(3, radius))
    layer = render_vessels([branch], size_px=200)
    coverage = layer.coverage.sum()
    # Area of a stadium: a rectangle and two half discs.
    assert coverage == pytest.approx(120 * 2 * radius + np.pi * radius**2, rel=0.01)
    mask = layer.mask
    assert 2 * distance_transform_edt(mask).max() == pytest.approx(2 * radius, abs=1.5)


def test_landmarks_keep_the_anatomy(phantom, people):
    dx = phantom.disc_centre_px[0] - phantom.fovea_px[0]
    dy = phantom.disc_centre_px[1] - phantom.fovea_px[1]
    in_disc_diameters = np.hypot(dx, dy) / (2 * phantom.disc_radius_px)
    assert 2.2 < in_disc_diameters < 2.85
    assert dx > 0
    across = [(p.fovea_px[1] - p.disc_centre_px[1], p.disc_centre_px[0] - p.fovea_px[0])
              for p in people]  # fmt: skip
    assert 4 < np.degrees(np.mean(np.arctan2(*np.transpose(across)))) < 9
    y, x = np.nonzero(phantom.disc)
    assert (x.mean(), y.mean()) == pytest.approx(phantom.disc_centre_px, abs=0.5)


@pytest.mark.parametrize("fov_deg", [30.0, 60.0])
def test_disc_and_vessels_are_in_every_field_of_view(fov_deg):
    p = draw_phantom(3, size_px=128, params=PhantomParams(camera=CameraParams(fov_deg=fov_deg)))
    assert p.disc.sum() > 0.72 * np.pi * p.disc_radius_px**2
    assert 0.03 < p.vessel.sum() / p.fov.mask.sum() < 0.35


def test_vessels_reach_the_border_of_the_widest_field_and_stay_in_the_eye(phantom):
    disc = np.array(phantom.fundus.layout.disc_um)
    ends = np.concatenate([v.points_um for v in phantom.fundus.vessels])
    away = np.linalg.norm(ends - disc / 2, axis=1)
    # The smooth curve may leave the knots, which lie inside, by a few micrometres.
    assert 0.97 * FIELD_RADIUS_UM < away.max() < FIELD_RADIUS_UM + 10


def test_no_vessel_in_the_foveal_zone(phantom):
    points, _ = dense(phantom.tree.branches)
    away_um = np.linalg.norm(points - phantom.fovea_px, axis=1) * phantom.px_um
    assert away_um.min() > 0.95 * phantom.fundus.layout.faz_radius_um


def test_roots_start_in_the_disc_and_branches_where_their_parent_ends(phantom):
    branches = phantom.tree.branches
    roots = [b for b in branches if b.parent is None]
    assert sorted(b.kind for b in roots) == ["artery", "vein"]
    for number, branch in enumerate(branches):
        if branch.parent is None:
            away = np.linalg.norm(branch.points_px[0] - phantom.disc_centre_px)
            assert away < phantom.disc_radius_px / 2
        else:
            assert branch.parent < number
            parent = branches[branch.parent]
            assert parent.kind == branch.kind
            assert np.allclose(parent.points_px[-1], branch.points_px[0])


def test_veins_are_wider_by_the_ratio(people):
    roots = {
        kind: [p.tree.of_kind(kind)[0].radii_px[0] for p in people] for kind in ("artery", "vein")
    }
    ratio = np.mean(roots["artery"]) / np.mean(roots["vein"])
    assert ratio == pytest.approx(PhantomParams().vessels.artery_vein_ratio, abs=0.05)


def test_own_kind_rarely_meets(people):
    """Outside the disc few points lie inside an unrelated vessel of their own kind."""
    touching, total = 0, 0
    for phantom in people:
        branches = phantom.tree.branches
        for kind in ("artery", "vein"):
            own = [(i, b) for i, b in enumerate(branches) if b.kind == kind]
            owner = np.concatenate([np.full(len(b.points_px), i) for i, b in own])
            points = np.concatenate([b.points_px for _, b in own])
            radii = np.concatenate([b.radii_px for _, b in own])
            parent = np.array([-1 if b.parent is None else b.parent for b in branches])
            away, which = cKDTree(points).query(points, k=25)
            i, j = owner[:, None], owner[which]
            kin = (i == j) | (parent[i] == j) | (parent[j] == i) | (parent[i] == parent[j])
            meets = (~kin & (away < radii[:, None] + radii[which])).any(axis=1)
            from_disc = np.linalg.norm(points - phantom.disc_centre_px, axis=1)
            free = from_disc > phantom.disc_radius_px
            touching, total = touching + (meets & free).sum(), total + free.sum()
    assert touching / total < 0.02


def test_left_eye_is_the_mirror_image(phantom):
    left = draw_phantom(7, size_px=512, eye="OS")
    assert (phantom.photograph.eye, left.photograph.eye) == ("OD", "OS")
    assert np.array_equal(left.photograph.pixels, phantom.photograph.pixels[:, ::-1])
    for name in ("vessel", "artery", "vein", "disc"):
        assert np.array_equal(getattr(left, name), getattr(phantom, name)[:, ::-1])
    assert left.fovea_px[0] == pytest.approx(511 - phantom.fovea_px[0])
    assert left.disc_centre_px[0] < left.fovea_px[0]
    one, other = left.tree.branches[5], phantom.tree.branches[5]
    assert np.allclose(one.points_px[:, 0], 511 - other.points_px[:, 0])


def test_same_seed_same_bytes_other_seed_another_eye(phantom):
    again = draw_phantom(7, size_px=512, eye="OD")
    assert again.photograph.pixels.tobytes() == phantom.photograph.pixels.tobytes()
    other = draw_phantom(8, size_px=512, eye="OD")
    assert not np.array_equal(other.vessel, phantom.vessel)


def test_tree_is_the_same_at_every_size(phantom):
    small = draw_phantom(7, size_px=256, eye="OD")
    assert len(small.tree.branches) == len(phantom.tree.branches)
    for a, b in zip(small.tree.branches, phantom.tree.branches, strict=True):
        # Pixel centres are whole numbers, so the edge of the frame lies at -0.5.
        assert np.allclose((a.points_px + 0.5) * 2, b.points_px + 0.5)
        assert np.allclose(a.radii_px * 2, b.radii_px)


def test_two_eyes_of_a_person_share_pigment_and_camera(people):
    def hue(p):
        mean = p.photograph.pixels[p.fov.mask].mean(0)
        return mean[1] / mean[0]

    same = np.std([hue(draw_phantom(seed, size_px=64, person=1)) for seed in range(4)])
    assert same < 0.5 * np.std([hue(p) for p in people])


def test_density_is_that_of_real_fundi():
    plain = PhantomParams(camera=CameraParams(fov_deg=45.0, aperture="circle", aim="between"))
    eyes = [draw_phantom(seed, params=plain) for seed in range(3)]
    assert 0.08 < np.mean([p.vessel.sum() / p.fov.mask.sum() for p in eyes]) < 0.13


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size_px": 32}, "expected a size of at least 64 px; got 32 px"),
        ({"rng": -1}, "expected a seed of 0 or more; got -1"),
    ],
)
def test_refuses(wrong, message):
    with pytest.raises(Refusal, match=message):
        draw_phantom(**{"rng": 0, "size_px": 64} | wrong)


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        (VesselParams, "artery_um", -90.0),
        (VesselParams, "asymmetry", 0.0),
        (VesselParams, "tortuosity", float("nan")),
        (CameraParams, "fov_deg", 200.0),
        (AnatomyParams, "faz_radius_um", 2000.0),
    ],
)
def test_refuses_impossible_parameters(group, name, value):
    with pytest.raises(Refusal, match=f"expected {name} between .* got {value}"):
        group(**{name: value})

"""The truth in closed form: straight vessels, arcs, one branching, circles; exact graphs."""

import json
import math
from xml.etree import ElementTree

import numpy as np
import pytest

from retinaforge.phantoms import CameraParams, PhantomParams, Vessel, draw_phantom
from retinaforge.phantoms.fundus import Crossing, Fundus, Layout, Lesion
from retinaforge.phantoms.graph import graph_as_dict, graph_as_geojson, graph_as_graphml
from retinaforge.phantoms.murray import branching_angles, child_radii
from retinaforge.phantoms.truth import (
    biomarkers_in,
    branching_table,
    lesion_biomarkers,
    true_biomarkers,
    vessel_table,
    weighted_median,
)
from retinaforge.phantoms.truth_field import Field, field_of
from retinaforge.phantoms.truth_vessels import branchings, junction_exponent, vessel_row
from retinaforge.phantoms.truth_zones import (
    arcade_angle_deg,
    equivalent,
    hubbard,
    knudtson,
    zone_calibres,
)

EVERYWHERE = Field((0.0, 0.0), 1e6)
LAYOUT = Layout(
    disc_um=(4000.0, 0.0),
    disc_axes_um=(800.0, 1000.0),
    cup_um=(4000.0, 0.0),
    cup_axes_um=(400.0, 600.0),
    notch=0.2,
    notch_rad=0.5,
    atrophy=0.0,
    faz_radius_um=300.0,
    arcade_um=(3000.0, 3200.0),
)


def vessel(points, radius=10.0, kind="artery", parent=None, generation=0):
    points = np.asarray(points, dtype=float)
    return Vessel(points, np.broadcast_to(radius, len(points)).copy(), kind, parent, generation)


def ray(angle_deg, *, kind="artery", radius=50.0, reach=(0.0, 4000.0), parent=None):
    """A straight vessel from the disc's centre, angle from the temporal side, upwards."""
    turn = math.radians(angle_deg)
    along = np.linspace(*reach, 81)[:, None] * [-math.cos(turn), -math.sin(turn)]
    return vessel(np.array(LAYOUT.disc_um) + along, radius, kind, parent)


def fundus(vessels, crossings=(), lesions=()):
    return Fundus("OD", LAYOUT, tuple(vessels), tuple(crossings), tuple(lesions), 0, 0)


def test_a_straight_vessel():
    row = vessel_row(0, vessel([(0, 0), (300, 400), (600, 800)], [10, 20, 40]), EVERYWHERE)
    assert (row.length_um, row.chord_um, row.tortuosity) == pytest.approx((1000, 1000, 1))
    # Two cut cones of 500 um: mean calibre (30 + 60) / 2.
    assert row.calibre_um == pytest.approx(45)
    assert row.area_in_field_um2 == pytest.approx(45 * 1000)
    assert (row.start_calibre_um, row.end_calibre_um) == (20, 80)
    assert row.squared_curvature_per_mm == pytest.approx(0, abs=1e-12)
    assert row.inflections == 0


@pytest.mark.parametrize("turn", [0.5, math.pi, 1.7 * math.pi])
def test_an_arc(turn):
    angle, radius = np.linspace(0, turn, 2001), 750.0
    row = vessel_row(0, vessel(radius * np.stack([np.cos(angle), np.sin(angle)], 1)), EVERYWHERE)
    assert row.length_um == pytest.approx(radius * turn, rel=1e-5)
    assert row.tortuosity == pytest.approx(turn / (2 * math.sin(turn / 2)), rel=1e-5)
    # Curvature is 1/r throughout: its squared integral is turn / r.
    assert row.squared_curvature_per_mm == pytest.approx(1000 * turn / radius, rel=1e-3)
    assert row.inflections == 0


def test_a_wave_bends_to_and_fro():
    x = np.linspace(0, 3, 6001)  # three periods, off the zeros by half a step
    points = 1000 * np.stack([x, 0.05 * np.sin(2 * np.pi * (x + 0.1))], 1)
    assert vessel_row(0, vessel(points), EVERYWHERE).inflections == 6


def test_only_what_the_field_shows_counts():
    line = vessel(np.stack([np.linspace(-3000, 3000, 7), np.zeros(7)], 1))
    circle = Field((0.0, 600.0), 1000.0)
    assert vessel_row(0, line, circle).length_in_field_um == pytest.approx(2 * 800)
    assert circle.area_um2 == pytest.approx(math.pi * 1e6, rel=1e-5)
    cut = Field((0.0, 600.0), 1000.0, half_width_um=300.0)
    assert vessel_row(0, line, cut).length_in_field_um == pytest.approx(600)
    low = Field((0.0, 600.0), 1000.0, half_height_um=500.0)
    assert vessel_row(0, line, low).length_in_field_um == 0
    # Circular strip: 2 (h sqrt(r^2 - h^2) + r^2 asin(h / r)).
    strip = 2 * (500 * math.sqrt(750000) + 1e6 * math.asin(0.5))
    assert low.area_um2 == pytest.approx(strip, rel=1e-4)
    assert vessel_row(0, line, Field((0.0, 5000.0), 1000.0)).length_in_field_um == 0
    assert low.holds(np.array([[0, 600], [0, 1101], [0, 1099], [990, 600.0]])).tolist() == [
        True, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("aperture", ["circle", "cut", "cut sides", "full"])
def test_the_field_is_that_of_the_picture(aperture):
    params = PhantomParams(camera=CameraParams(aperture=aperture, fov_deg=40.0))
    phantom = draw_phantom(4, size_px=256, params=params, eye="OD")
    field = field_of(phantom)
    shown = phantom.fov.mask.sum() * phantom.px_um**2
    assert field.area_um2 == pytest.approx(shown, rel=0.01)
    inside = field.holds(np.stack([phantom.frame.x_um, phantom.frame.y_um], -1).reshape(-1, 2))
    assert (inside.reshape(phantom.fov.mask.shape) != phantom.fov.mask).mean() < 0.01


@pytest.mark.parametrize("k", [2.0, 2.7, 3.0, 5.0])
@pytest.mark.parametrize("ratio", [0.3, 1.0])
def test_one_branching(k, ratio):
    r1, r2 = child_radii(40.0, ratio, exponent=k)
    t1, t2 = branching_angles(40.0, r1, r2)
    tree = [
        vessel([(-500, 0), (0, 0)], 40.0),
        vessel([(0, 0), (300 * math.cos(t1), 300 * math.sin(t1))], r1, parent=0, generation=1),
        vessel([(0, 0), (300 * math.cos(t2), -300 * math.sin(t2))], r2, parent=0, generation=1),
    ]
    (part,) = branchings(tree, EVERYWHERE)
    assert part.point_um == (0.0, 0.0)
    assert part.angle_deg == pytest.approx(math.degrees(t1 + t2))
    assert part.area_ratio == pytest.approx((1 + ratio**2) / (1 + ratio**k) ** (2 / k))
    assert part.diameter_ratio == pytest.approx(ratio)
    assert part.junction_exponent == pytest.approx(k, rel=1e-9)
    found = biomarkers_in(fundus(tree), Field((1000.0, 0.0), 1500.0))
    assert (found["artery_roots"], found["artery_branchings"], found["artery_ends"]) == (1, 1, 2)
    assert found["artery_junction_exponent"] == pytest.approx(k)
    assert found["artery_length_mm"] == pytest.approx(1.1)
    assert found["artery_generation_1_calibre_um"] == pytest.approx(r1 + r2)
    assert math.isnan(found["vein_mean_calibre_um"])
    away = biomarkers_in(fundus(tree), Field((1000.0, 0.0), 900.0))
    assert (away["artery_roots"], away["artery_branchings"]) == (0, 0)
    assert away["artery_length_mm"] < found["artery_length_mm"]


def test_no_exponent_where_a_branch_is_as_wide_as_its_parent():
    assert math.isnan(junction_exponent(10.0, 10.0, 3.0))
    assert junction_exponent(10.0, 5.0, 5.0) == pytest.approx(1.0)


def test_knudtson_of_six_equal_vessels():
    # Three joins: 6 -> 3 -> 2 -> 1; of three the middle one waits for the last join.
    c = 0.88
    pair = c * math.sqrt(2) * 100
    last = c * math.hypot(pair, c * math.hypot(pair, pair))
    assert knudtson([100.0] * 6, "artery") == pytest.approx(last)
    assert knudtson([100.0] * 6 + [30.0] * 5, "artery") == pytest.approx(last)
    assert knudtson([1000.0] * 6, "vein") == pytest.approx(10 * knudtson([100.0] * 6, "vein"))
    assert math.isnan(knudtson([100.0] * 5, "vein"))


def test_equivalents_join_widest_with_narrowest():
    joined = []

    def note(a, b):
        joined.append((a, b))
        return a + b

    assert equivalent([3.0, 1.0, 2.0, 10.0, 5.0], note) == 21
    assert joined == [(1, 10), (2, 5), (3, 11), (7, 14)]
    assert math.isnan(equivalent([], note))


def test_hubbard_in_closed_form():
    assert hubbard([100.0, 80.0, 20.0], "artery") == pytest.approx(
        math.sqrt(0.87 * 6400 + 1.01 * 10000 - 0.22 * 8000 - 10.76)
    )
    assert hubbard([100.0, 120.0], "vein") == pytest.approx(
        math.sqrt(0.72 * 10000 + 0.91 * 14400 + 450.05)
    )
    assert hubbard([64.0], "vein") == 64


def test_zone_b():
    rays = [ray(a, radius=r) for a, r in zip(range(0, 360, 60), range(40, 52, 2), strict=True)]
    rays += [ray(a + 30, radius=60.0, kind="vein") for a in range(0, 360, 60)]
    found = zone_calibres(rays, LAYOUT, EVERYWHERE)
    assert [v.calibre_um for v in found if v.kind == "artery"] == pytest.approx(
        [80, 84, 88, 92, 96, 100]
    )
    both = biomarkers_in(fundus(rays), EVERYWHERE)
    assert both["crae_knudtson_um"] == pytest.approx(knudtson([80, 84, 88, 92, 96, 100], "artery"))
    assert both["avr_knudtson"] == pytest.approx(
        both["crae_knudtson_um"] / knudtson([120] * 6, "vein")
    )
    assert both["vein_zone_b_vessels"] == 6
    # The zone is the ring of 1800-2700 um round the disc's centre: a vessel that narrows
    # linearly has its middle calibre there, and one that stays within 2000 um does not count.
    narrowing = ray(10)
    narrowing.radii_um[:] = np.linspace(80, 40, 81)
    (one,) = zone_calibres([narrowing, ray(100, reach=(0.0, 2000.0))], LAYOUT, EVERYWHERE)
    assert one.calibre_um == pytest.approx(2 * (80 - 40 * 2250 / 4000))
    # What the camera does not show does not count.
    assert zone_calibres([ray(10)], LAYOUT, Field((9000.0, 0.0), 3000.0)) == ()


def test_arcade_angle():
    rays = [ray(70, radius=60.0), ray(20, radius=20.0), ray(-55, radius=60.0), ray(150)]
    assert arcade_angle_deg(rays, LAYOUT, "artery") == pytest.approx(125)
    assert math.isnan(arcade_angle_deg(rays, LAYOUT, "vein"))
    assert math.isnan(arcade_angle_deg(rays[:2], LAYOUT, "artery"))


def test_landmarks_and_density():
    line = vessel([(-500, 0), (500, 0)], 25.0, "vein")
    found = biomarkers_in(fundus([line]), Field((0.0, 0.0), 1000.0))
    assert found["vein_length_times_calibre_density"] == pytest.approx(
        1000 * 50 / (math.pi * 1e6), rel=1e-5
    )
    assert found["vein_mean_calibre_um"] == found["vein_median_calibre_um"] == 50
    assert found["vertical_cup_to_disc"] == pytest.approx(0.6)
    assert found["horizontal_cup_to_disc"] == pytest.approx(0.5)
    assert found["rim_area_mm2"] == pytest.approx(math.pi * (0.8 - 0.24))
    assert (found["disc_fovea_um"], found["disc_fovea_dd"]) == (4000, 2)
    assert found["disc_fovea_deg"] == 0
    assert found["vein_pooled_tortuosity"] == pytest.approx(1)


def test_weighted_median():
    assert weighted_median(np.array([5.0, 1.0, 9.0]), np.array([1.0, 1.0, 1.0])) == 5
    assert weighted_median(np.array([5.0, 1.0, 9.0]), np.array([1.0, 1.0, 5.0])) == 9


def test_crossings_in_view():
    marks = [Crossing((x, 0.0), 0, 1, "artery", 60.0) for x in (0.0, 500.0, 1500.0)]
    field = Field((0.0, 0.0), 1000.0)
    assert biomarkers_in(fundus([vessel([(0, 0), (9, 9)])], marks), field)["crossings"] == 2


def test_lesions():
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    spots = [
        Lesion("hard_exudate", (x, 0.0), 100 * circle + [x, 0.0]) for x in (300.0, -800.0, 9000.0)
    ]
    tuft = Lesion(
        "neovascularisation", (0.0, 400.0), 300 * circle,
        points_um=(np.array([[0.0, 0.0], [300.0, 0.0]]),), radii_um=(np.array([5.0, 15.0]),),
    )  # fmt: skip
    found = lesion_biomarkers([*spots, tuft], LAYOUT, Field((0.0, 0.0), 5000.0))
    assert found["hard_exudate_count"] == 2
    assert found["hard_exudate_area_mm2"] == pytest.approx(2 * math.pi * 0.01, rel=1e-3)
    assert found["hard_exudate_to_fovea_um"] == 300
    assert found["hard_exudate_to_disc_um"] == 3700
    assert found["neovascularisation_area_mm2"] == pytest.approx(300 * 20 / 1e6)
    assert found["drusen_count"] == 0
    assert math.isnan(found["drusen_to_fovea_um"])


@pytest.fixture(scope="module")
def pair():
    return [draw_phantom(7, size_px=size, eye="OS") for size in (128, 512)]


def test_truth_is_the_same_at_every_size(pair):
    small, large = (true_biomarkers(p) for p in pair)
    assert small.keys() == large.keys()
    assert list(small.values()) == pytest.approx(list(large.values()), nan_ok=True)
    assert 40 < large["artery_branching_angle_deg"] < 100
    assert large["artery_junction_exponent"] == pytest.approx(3.0, abs=1e-6)
    assert len(vessel_table(pair[0])) == len(pair[0].fundus.vessels)
    assert len(branching_table(pair[0])) > 100


def test_truth_agrees_with_the_masks(pair):
    phantom, true = pair[1], true_biomarkers(pair[1])
    for kind in ("artery", "vein"):
        drawn = getattr(phantom, kind).sum() / phantom.fov.mask.sum()
        # At 512 px many vessels are a pixel or two wide and their masks at least one.
        assert drawn == pytest.approx(true[f"{kind}_length_times_calibre_density"], rel=0.15)
    disc = phantom.disc.sum() * phantom.px_um**2 / 1e6
    assert disc == pytest.approx(true["disc_area_mm2"], rel=0.02)


def test_graph_is_the_same_at_every_size(pair):
    small, large = (graph_as_dict(p) for p in pair)
    assert json.loads(json.dumps(small)) == small
    same = ("points_um", "radii_um", "kind", "parent", "source", "target", "generation")
    for a, b in zip(small["segments"], large["segments"], strict=True):
        assert all(a[name] == b[name] for name in same)
        one, other = np.array(a["points_px"]), np.array(b["points_px"])
        assert np.allclose((one + 0.5) * 4, other + 0.5, atol=0.01)
    for a, b in zip(small["nodes"], large["nodes"], strict=True):
        assert (a["type"], a["x_um"], a["y_um"]) == (b["type"], b["x_um"], b["y_um"])


def test_graph_nodes_are_where_segments_start_and_end(pair):
    graph = graph_as_dict(pair[1])
    nodes = graph["nodes"]
    assert [n["id"] for n in nodes] == list(range(len(nodes)))
    for segment in graph["segments"]:
        for node, point in ((segment["source"], 0), (segment["target"], -1)):
            for unit, atol in (("px", 0.0011), ("um", 0.011)):
                place = [nodes[node][f"x_{unit}"], nodes[node][f"y_{unit}"]]
                assert np.allclose(place, segment[f"points_{unit}"][point], atol=atol)
    kinds = [n["type"] for n in nodes]
    assert kinds.count("root") == 2
    assert kinds.count("crossing") == len(pair[1].fundus.crossings) > 40
    # Two trees: each branching adds two segments, so ends = branchings + roots.
    assert kinds.count("end") == kinds.count("bifurcation") + kinds.count("root")


def test_graph_as_graphml_and_geojson(pair):
    graph = graph_as_dict(pair[0])
    space = {"g": "http://graphml.graphdrawing.org/xmlns"}
    root = ElementTree.fromstring(graph_as_graphml(graph))
    assert len(root.findall(".//g:node", space)) == len(graph["nodes"])
    edges = root.findall(".//g:edge", space)
    assert [(e.get("source"), e.get("target")) for e in edges] == [
        (f"n{s['source']}", f"n{s['target']}") for s in graph["segments"]
    ]
    names = {k.get("id"): k.get("attr.name") for k in root.findall("g:key", space)}
    data = {names[d.get("key")]: d.text for d in edges[5].findall("g:data", space)}
    radii = np.array(data["radii_um"].split(), dtype=float)
    assert radii == pytest.approx(graph["segments"][5]["radii_um"])
    features = graph_as_geojson(graph)["features"]
    assert len(features) == len(graph["nodes"]) + len(graph["segments"])
    line = features[len(graph["nodes"]) + 5]
    assert line["geometry"]["coordinates"] == graph["segments"][5]["points_px"]
    assert line["properties"]["kind"] == graph["segments"][5]["kind"]

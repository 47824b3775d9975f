"""A folder measured: files, tables, resuming, failures."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import networkx
import numpy as np
import pandas as pd
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from drawn_eyes import (
    ARTERY,
    VEIN,
    automorph_folder,
    colours,
    draw,
    photograph,
    save,
    vascx_folder,
    vessel_mask,
)

from retinaforge.core import Landmarks, Refusal
from retinaforge.core.artefacts import DiskFull
from retinaforge.reports.vessels_page import write_vessels_page
from retinaforge.tasks import measure_vessels as door
from retinaforge.tasks import vessel_finders, vessel_work
from retinaforge.tasks.lesion_samples import DRAWN_AS
from retinaforge.tasks.measure_vessels import Measured, measure_vessels
from retinaforge.tasks.vessel_jobs import list_jobs
from retinaforge.tasks.vessel_lesions import COUNTED_AS, with_lesion_masks
from retinaforge.tasks.vessel_work import Settings, measure_job
from retinaforge.vessels import Judge, load_judge
from retinaforge.vessels.biomarkers import BIOMARKERS

COLUMNS = [biomarker.card.column for biomarker in BIOMARKERS]
CLASSICAL = Settings(judges=("classical",))


def run(source: Path, out: Path, *, masks_are=None, settings=CLASSICAL, **further) -> Measured:
    jobs, _ = list_jobs(source, masks_are=masks_are)
    return measure_vessels(jobs, out, settings=settings, **further)


def table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "biomarkers.csv").set_index("file_name")


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    folder = tmp_path / "masks"
    save(folder / "kinds.png", colours())
    save(folder / "turned.png", np.ascontiguousarray(np.rot90(colours())))
    return folder


def test_a_photograph_gives_every_file(tmp_path: Path) -> None:
    save(tmp_path / "eyes" / "1.png", photograph())
    out = tmp_path / "out"
    measured = run(tmp_path / "eyes", out)
    assert measured.summary["states"] == {"ok": 1, "flagged": 0, "failed": 0}
    mask = np.asarray(Image.open(out / "masks" / "1.png"))
    p = np.asarray(Image.open(out / "probabilities" / "1.png"))
    assert mask.shape == p.shape == (200, 200)
    assert set(np.unique(mask)) == {0, 255}
    assert p[mask > 0].min() >= 127
    assert p[mask == 0].max() <= 128
    assert (mask > 0).sum() == pytest.approx(vessel_mask().sum(), rel=0.4)
    assert np.asarray(Image.open(out / "overlays" / "1.jpg")).shape == (200, 200, 3)
    assert not (out / "artery_vein").exists()
    assert json.loads((out / "environment.json").read_text())["judge"]["name"] == "classical"


def test_masks_are_measured_as_they_are(masks: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(masks, out, masks_are="artery-vein")
    found = table(out)
    assert found.loc["kinds.png", "area_density"] == vessel_mask().mean()
    assert found.loc["kinds.png", "artery_area_density"] == draw(ARTERY).mean()
    assert found.loc["kinds.png", "vein_area_density"] == draw(VEIN).mean()
    assert (np.asarray(Image.open(out / "artery_vein" / "kinds.png")) == colours()).all()
    assert not (out / "probabilities").exists()


def test_tables_agree_and_every_gap_has_its_reason(masks: Path, tmp_path: Path) -> None:
    (masks / "broken.png").write_bytes(b"no image")
    out = tmp_path / "out"
    run(masks, out, masks_are="artery-vein")
    written, packed = (
        pd.read_csv(out / "biomarkers.csv"),
        pd.read_parquet(out / "biomarkers.parquet"),
    )
    assert list(packed.columns) == ["file_name", "status", "reason", *COLUMNS]
    assert list(packed["status"]) == ["failed", "ok", "ok"]
    pd.testing.assert_frame_equal(written[COLUMNS], packed[COLUMNS])
    assert "expected a whole image file" in packed["reason"][0]
    assert packed.loc[0, COLUMNS].isna().all()
    why = pd.read_csv(out / "reasons.csv")
    gaps = {(name, c) for name in ("kinds.png", "turned.png") for c in COLUMNS
            if np.isnan(packed.set_index("file_name").loc[name, c])}  # fmt: skip
    assert set(zip(why["file_name"], why["biomarker"], strict=True)) == gaps
    assert why["reason"].str.len().min() > 5
    assert len(pd.read_parquet(out / "reasons.parquet")) == len(why)


def test_both_graph_formats_hold_the_same_trees(masks: Path, tmp_path: Path) -> None:
    for form in ("geojson", "graphml"):
        settings = replace(CLASSICAL, graphs=form)
        run(masks, tmp_path / form, masks_are="artery-vein", settings=settings)
    content = json.loads((tmp_path / "geojson" / "graphs" / "kinds.geojson").read_text())
    lines = [f for f in content["features"] if f["geometry"]["type"] == "LineString"]
    graph = networkx.read_graphml(tmp_path / "graphml" / "graphs" / "kinds.graphml")
    edges = {data["branch"]: data for _, _, data in graph.edges(data=True)}
    assert len(lines) == len(edges) >= 3
    assert networkx.is_forest(graph)
    for line in lines:
        said, edge = line["properties"], edges[line["properties"]["id"]]
        points = [tuple(map(float, pair.split(","))) for pair in edge["points_px"].split()]
        assert np.allclose(line["geometry"]["coordinates"], points, atol=0.011)
        assert (said["kind"], said["length_px"]) == (edge["kind"], edge["length_px"])
        assert said["parent"] == edge.get("parent")
        assert len(said["radii_px"]) == len(points) == len(edge["radii_px"].split())
    assert {line["properties"]["kind"] for line in lines} == {"artery", "vein"}
    ends = np.array([line["geometry"]["coordinates"][-1] for line in lines])
    assert np.hypot(*(ends - (180, 70)).T).min() < 6


def test_a_second_call_measures_what_is_new_only(
    masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen = tmp_path / "out", []
    whole = measure_job

    def counted(job, **further):
        seen.append(job.name)
        return whole(job, **further)

    monkeypatch.setattr(vessel_work, "measure_job", counted)
    call = partial(run, masks, out, masks_are="artery-vein")
    assert call().resumed == 0
    first = (out / "biomarkers.csv").read_bytes()
    seen.clear()
    assert (call().resumed, seen) == (2, [])
    assert (out / "biomarkers.csv").read_bytes() == first
    (out / "masks" / "turned.png").unlink()
    save(masks / "new.png", colours())
    assert call().resumed == 1
    assert sorted(seen) == ["new.png", "turned.png"]
    seen.clear()
    save(masks / "kinds.png", np.ascontiguousarray(colours()[::-1]))
    call()
    assert seen == ["kinds.png"]
    seen.clear()
    assert call(landmarks={"new.png": Landmarks(um_per_px=20.0)}).resumed == 2
    assert seen == ["new.png"]
    assert list(table(out)["vessel_length_mm"].notna()) == [False, True, False]


def test_a_failure_is_tried_again(masks: Path, tmp_path: Path) -> None:
    (masks / "later.png").write_bytes(b"")
    call = partial(run, masks, tmp_path / "out", masks_are="artery-vein")
    (failure,) = call().failed
    assert failure[0] == "later.png"
    assert "got an empty file" in failure[1]
    save(masks / "later.png", colours())
    assert call().failed == ()
    assert list(table(tmp_path / "out")["status"]) == ["ok"] * 3


def test_a_killed_run_loses_only_what_was_in_hand(masks: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(masks, out, masks_are="artery-vein")
    whole = (out / "biomarkers.csv").read_bytes()
    lines = (out / "rows.jsonl").read_bytes().splitlines(keepends=True)
    (out / "rows.jsonl").write_bytes(lines[0] + lines[1][:100])
    (out / "masks" / ".turned.png.x.tmp").write_bytes(b"half")
    assert run(masks, out, masks_are="artery-vein").resumed == 1
    assert (out / "biomarkers.csv").read_bytes() == whole
    assert not list(out.rglob("*.tmp"))


def test_a_fault_of_ours_costs_one_row(
    masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(pixels, *others, **further):
        if pixels.sum(axis=0).argmax() == 0:
            raise AssertionError
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(vessel_work, "read_vasculature", faulty)
    measured = run(masks, tmp_path / "out", masks_are="artery-vein")
    assert [reason for _, reason in measured.failed] == [
        "fault in RetinaForge: ZeroDivisionError: by zero"
    ] * 2


def test_a_job_that_kills_its_process_is_a_row(
    masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "work_through", lambda jobs, work, workers: ((j, None) for j in jobs))
    measured = run(masks, tmp_path / "out", masks_are="artery-vein")
    assert [reason for _, reason in measured.failed] == [door.KILLED] * 2
    assert list(table(tmp_path / "out")["status"]) == ["failed"] * 2


def test_a_full_disk_stops_the_run(
    masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path, content):
        raise DiskFull(f"could not write {path}")

    monkeypatch.setattr(vessel_work, "write_bytes", full)
    with pytest.raises(DiskFull, match="could not write"):
        run(masks, tmp_path / "out", masks_are="artery-vein")


def test_nothing_found_is_flagged(tmp_path: Path) -> None:
    save(tmp_path / "masks" / "none.png", np.zeros((80, 80), bool))
    run(tmp_path / "masks", tmp_path / "out", masks_are="vessel")
    row = table(tmp_path / "out").loc["none.png"]
    assert (row["status"], row["reason"]) == ("flagged", "no vessel was found")


def test_a_mask_given_as_photograph_is_a_failed_row(masks: Path, tmp_path: Path) -> None:
    measured = run(masks, tmp_path / "out")
    assert len(measured.failed) == 2
    assert "expected a photograph; got an image of nothing but black" in measured.failed[0][1]


def test_tables_only(masks: Path, tmp_path: Path) -> None:
    settings = replace(CLASSICAL, pictures=False, graphs="none")
    run(masks, tmp_path / "out", masks_are="artery-vein", settings=settings)
    assert not [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert table(tmp_path / "out")["area_density"].notna().all()


def test_photograph_and_mask_of_one_shape_but_two_sizes(tmp_path: Path) -> None:
    photo = save(tmp_path / "photographs" / "1.png", photograph(400))
    save(tmp_path / "masks" / "1.png", vessel_mask())
    jobs, _ = list_jobs(tmp_path / "masks", masks_are="vessel", photographs=photo.parent)
    measure_vessels(jobs, tmp_path / "out", settings=CLASSICAL)
    density = table(tmp_path / "out").loc["1.png", "area_density"]
    inside = np.pi * 0.47**2
    assert density == pytest.approx(vessel_mask().mean() / inside, rel=0.1)
    save(photo, photograph(400)[:300])
    measured = measure_vessels(jobs, tmp_path / "out", settings=CLASSICAL)
    assert "expected a photograph of the shape of its mask, 200x200 px" in measured.failed[0][1]


@pytest.mark.parametrize("make", [vascx_folder, automorph_folder])
def test_what_peers_wrote_is_measured_with_their_landmarks(tmp_path: Path, make) -> None:
    out = tmp_path / "out"
    assert run(make(tmp_path / "peer"), out).failed == ()
    row = table(out).loc["eye.png"]
    artery, vein = colours()[..., 0] > 0, colours()[..., 2] > 0
    shares = row["artery_area_density"] / row["area_density"]
    assert shares == pytest.approx(artery.sum() / vessel_mask().sum(), rel=0.02)
    assert row["vein_area_density"] / row["area_density"] == pytest.approx(
        vein.sum() / vessel_mask().sum(), rel=0.02
    )
    assert np.isfinite(row["vessel_length_dd"])
    assert np.isfinite(row["vessel_length_mm"]) == (make is automorph_folder)
    assert json.loads((out / "rows.jsonl").read_text())["sources"]["vessels"] == "masks"


def test_two_runs_do_not_share_a_folder(masks: Path, tmp_path: Path) -> None:
    save(tmp_path / "eyes" / "1.png", photograph(64))
    run(tmp_path / "eyes", tmp_path / "out")
    with pytest.raises(Refusal, match=r"begun with the same judge; got .* others"):
        run(masks, tmp_path / "out", masks_are="artery-vein")
    with pytest.raises(Refusal, match=r"was begun by this command; got .* other files"):
        run(masks, tmp_path / "eyes", masks_are="artery-vein")
    with pytest.raises(Refusal, match="expected a folder to write; got a file"):
        run(masks, tmp_path / "eyes" / "1.png", masks_are="artery-vein")
    with pytest.raises(Refusal, match="expected workers of 1 or more; got 0"):
        run(masks, tmp_path / "out2", masks_are="artery-vein", workers=0)


class Stripes(Judge):
    """Finds the picture's own vessels, or rows that have nothing to do with them."""

    def __init__(self, name: str, *, wrong: bool) -> None:
        self.card = replace(load_judge("classical").card, name=name)
        self.threshold, self.wrong = 0.5, wrong

    def probability(self, photo, fov):
        found = photo.pixels[..., 1] < 0.48 * photo.pixels[..., 0]
        if self.wrong and photo.pixels[100, 100].sum() < 30:
            found = np.zeros_like(found)
            found[::10] = True
        return (found & fov.mask).astype(np.float32)


@pytest.fixture
def two_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two judges who agree about all but photographs that are dark in the middle."""
    judges = {name: Stripes(name, wrong=name == "b") for name in "ab"}
    monkeypatch.setattr(vessel_finders.vessel_room, "load_judge", judges.__getitem__)
    vessel_finders.judge_named.cache_clear()
    yield
    vessel_finders.judge_named.cache_clear()


def test_several_judges_flag_what_they_disagree_about(two_judges: None, tmp_path: Path) -> None:
    eyes, out = tmp_path / "eyes", tmp_path / "out"
    save(eyes / "clear.png", photograph())
    odd = photograph()
    odd[95:106, 95:106] = 0
    save(eyes / "odd.png", odd)
    settings = Settings(judges=("a", "b"), flag_level=0.4)
    measured = run(eyes, out, settings=settings)
    assert measured.summary["states"] == {"ok": 1, "flagged": 1, "failed": 0}
    ((name, reason),) = measured.flagged
    assert name == "odd.png"
    assert reason.startswith("judges disagree: 0.")
    assert reason.endswith("flagged from 0.40")
    found = pd.read_parquet(out / "biomarkers.parquet")
    assert list(found.columns[:5]) == [
        "file_name", "status", "reason", "judges_disagreement_1", "flagged",
    ]  # fmt: skip
    assert list(found["flagged"]) == [False, True]
    assert found["judges_disagreement_1"][0] == 0
    assert found["judges_disagreement_1"][1] > 0.4
    assert list(table(out)["flagged"]) == [False, True]
    u = np.asarray(Image.open(out / "uncertainty" / "odd.png"))
    assert u.shape == (200, 200)
    assert set(np.unique(u)) == {0, 255}
    assert np.asarray(Image.open(out / "uncertainty" / "clear.png")).max() == 0
    assert (out / "uncertainty_overlays" / "odd.jpg").is_file()
    shown = measured.summary["shown"]
    assert [eye["file_name"] for eye in shown] == ["odd.png", "clear.png"]
    assert shown[0]["uncertainty"] == "uncertainty_overlays/odd.jpg"
    assert shown[1]["uncertainty"] is None
    said = json.loads((out / "environment.json").read_text())["judge"]
    assert (said["name"], said["flag_level"]) == ("a+b", 0.4)
    assert [judge["name"] for judge in said["judges"]] == ["a", "b"]
    page = write_vessels_page(out).read_text()
    assert page.index("Disagreement of judges") < page.index("odd.png: where judges disagree")
    written = (out / "biomarkers.csv").read_bytes()
    assert run(eyes, out, settings=settings).resumed == 2
    assert (out / "biomarkers.csv").read_bytes() == written


def test_judges_without_a_level_say_so_and_masks_are_not_judged(
    two_judges: None, masks: Path, tmp_path: Path
) -> None:
    save(tmp_path / "eyes" / "1.png", photograph())
    run(tmp_path / "eyes", tmp_path / "out", settings=Settings(judges=("a", "b")))
    row = pd.read_parquet(tmp_path / "out" / "biomarkers.parquet").iloc[0]
    assert (row["status"], row["judges_disagreement_1"], row["flagged"]) == ("ok", 0, pd.NA)
    why = pd.read_csv(tmp_path / "out" / "reasons.csv").set_index("biomarker")["reason"]
    assert why["flagged"].startswith("no level of disagreement is known for these judges")
    assert "no level is known" in write_vessels_page(tmp_path / "out").read_text()
    out = tmp_path / "drawn"
    run(masks, out, masks_are="artery-vein", settings=Settings(judges=("a", "b")))
    assert table(out)["judges_disagreement_1"].isna().all()
    why = pd.read_csv(out / "reasons.csv")
    assert set(why["reason"][why["biomarker"] == "judges_disagreement_1"]) == {
        "its vessels were given as a mask, no judge was asked"
    }


def lesion_folder(root: Path) -> Path:
    spot = np.zeros((200, 200), bool)
    spot[100:104, 60:66] = True
    save(root / "haemorrhage_dot" / "1.png", spot)
    save(root / "haemorrhage_flame" / "1.png", np.roll(spot, 30, axis=1))
    (root / "hard_exudate").mkdir()
    return root


def test_lesion_masks_are_measured_and_drawn(tmp_path: Path) -> None:
    save(tmp_path / "masks" / "1.png", vessel_mask())
    save(tmp_path / "masks" / "2.png", vessel_mask())
    jobs, _ = list_jobs(tmp_path / "masks", masks_are="vessel")
    out = tmp_path / "out"
    measure_vessels(
        with_lesion_masks(jobs, lesion_folder(tmp_path / "lesions")), out, settings=CLASSICAL
    )
    found = table(out)
    assert list(found["haemorrhage_count"]) == [2, 0]
    assert list(found["hard_exudate_count"]) == [0, 0]
    assert found["microaneurysm_count"].isna().all()
    assert found["haemorrhage_area_density"].iloc[0] == 48 / 200**2
    written = np.asarray(Image.open(out / "lesions" / "haemorrhage" / "1.png"))
    assert (written > 0).sum() == 48
    page = np.asarray(Image.open(out / "overlays" / "1.jpg")).astype(int)
    assert abs(page[98, 62] - (255, 150, 0)).max() < 120
    assert (out / "lesions" / "hard_exudate" / "2.png").is_file()
    assert "Outlined" in write_vessels_page(out).read_text()
    again = with_lesion_masks(jobs, tmp_path / "lesions")
    assert measure_vessels(again, out, settings=CLASSICAL).resumed == 2
    save(tmp_path / "lesions" / "hard_exudate" / "2.png", vessel_mask())
    again = with_lesion_masks(jobs, tmp_path / "lesions")
    assert measure_vessels(again, out, settings=CLASSICAL).resumed == 1
    assert table(out)["hard_exudate_count"].iloc[1] == 1


def test_lesion_masks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "masks" / "other.png", vessel_mask())
    jobs, _ = list_jobs(tmp_path / "masks", masks_are="vessel")
    with pytest.raises(Refusal, match=r"a folder for each kind of lesion .*; got no folder at"):
        with_lesion_masks(jobs, tmp_path / "nowhere")
    with pytest.raises(Refusal, match=r"lesion masks named like the photographs.*; got none in"):
        with_lesion_masks(jobs, lesion_folder(tmp_path / "lesions"))
    save(tmp_path / "lesions" / "hard_exudate" / "other.png", vessel_mask()[:100])
    measured = measure_vessels(
        with_lesion_masks(jobs, tmp_path / "lesions"), tmp_path / "out", settings=CLASSICAL
    )
    assert "expected a lesion mask of the shape of its frame, 200x200" in measured.failed[0][1]


def test_folders_of_lesions_are_counted_as_the_network_learns_them() -> None:
    assert {k: COUNTED_AS[k] for k in DRAWN_AS} == DRAWN_AS


def test_the_lesion_network_is_asked_if_named(tmp_path: Path) -> None:
    save(tmp_path / "eyes" / "1.png", photograph())
    out = tmp_path / "out"
    run(tmp_path / "eyes", out, settings=replace(CLASSICAL, lesions="ours"))
    assert table(out)[["microaneurysm_count", "soft_exudate_count"]].notna().all(axis=None)
    assert json.loads((out / "environment.json").read_text())["lesions"]["name"] == "ours"
    assert json.loads((out / "rows.jsonl").read_text())["sources"]["lesions"] == "ours"


def test_a_level_needs_several_judges(masks: Path, tmp_path: Path) -> None:
    save(tmp_path / "eyes" / "1.png", photograph(64))
    with pytest.raises(Refusal, match="--flag-level with two judges or more; got classical alone"):
        run(tmp_path / "eyes", tmp_path / "out", settings=replace(CLASSICAL, flag_level=0.3))


@pytest.mark.slow
def test_workers_do_not_change_a_byte(masks: Path, tmp_path: Path) -> None:
    save(masks / "third.png", colours())
    for workers in (1, 2):
        run(masks, tmp_path / f"out{workers}", masks_are="artery-vein", workers=workers)
    one, two = tmp_path / "out1", tmp_path / "out2"
    own = {"environment.json", "rows.jsonl"}
    files = [p.relative_to(one) for p in sorted(one.rglob("*")) if p.is_file()]
    assert len(files) > 12
    assert [f for f in files if f.name not in own
            and (one / f).read_bytes() != (two / f).read_bytes()] == []  # fmt: skip

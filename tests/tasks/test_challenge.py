"""Scorers of REFUGE, REFUGE2 and GAMMA on discs drawn by formula, in the challenges' own files."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import distance
from sklearn.metrics import cohen_kappa_score, f1_score, roc_auc_score
from typer.testing import CliRunner

from retinaforge.anatomy.disc_cup import (
    DISC_DICE_CARD,
    compare_disc_cup,
    compare_fovea,
    overlap,
    vertical_cup_to_disc,
)
from retinaforge.cli import app
from retinaforge.core import Refusal
from retinaforge.metrics.roc_points import published_sensitivity, reference_sensitivity
from retinaforge.reports.challenge_page import text_table, write_challenge_page
from retinaforge.tasks.challenge import partly, score_challenge
from retinaforge.tasks.challenge_export import export_challenge
from retinaforge.tasks.challenge_layout import layout_named
from retinaforge.tasks.challenge_masks import drawn, read_labels
from retinaforge.tasks.challenge_tables import read_table

SIDE = 200
YES = np.ones((1, 1))


def ellipse(x: float, y: float, across: float, down: float, side: int = SIDE) -> np.ndarray:
    v, u = np.mgrid[:side, :side]
    return ((u - x) / across) ** 2 + ((v - y) / down) ** 2 <= 1


def mask(x: float = 100, down: float = 60, cup: float = 30, side: int = SIDE) -> np.ndarray:
    return drawn(ellipse(x, 100, 50, down, side), ellipse(x, 100, 25, cup, side))


def labels(grey: np.ndarray) -> np.ndarray:
    return np.select([grey == 0, grey == 128], [2, 1], 0).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def table(path: Path, *rows: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


@pytest.fixture
def refuge(tmp_path: Path) -> tuple[Path, Path]:
    """Return truth and answers of six eyes: two devices, two qualities, foveas off by (3, 4)."""
    truth, answers = tmp_path / "truth", tmp_path / "team"
    names = [f"v{k}" for k in range(6)]
    for k, name in enumerate(names):
        save(truth / f"Disc_Cup_Masks/{name}.bmp", mask(cup=24 + 6 * k))
        save(answers / f"segmentation/{name}.bmp", mask(x=100 + 10 * (k % 2), cup=24 + 6 * k))
    ill = [0, 0, 0, 1, 1, 1]
    table(
        truth / "Fovea_locations.csv",
        ["ID", "ImgName", "Glaucoma Label", "Fovea_X", "Fovea_Y"],
        *([k, f"{n}.jpg", i, 20, 100] for k, (n, i) in enumerate(zip(names, ill, strict=True))),
    )
    table(truth / "groups.csv", ["name", "device", "quality", "patient"],
          *([n, f"cam{k % 2}", ["good", "usable"][k > 2], f"p{k // 2}"]
            for k, n in enumerate(names)))  # fmt: skip
    table(
        answers / "classification_results.csv",
        ["FileName", "Glaucoma Risk"],
        *([f"{n}.jpg", r] for n, r in zip(names, [0.1, 0.2, 0.7, 0.4, 0.8, 0.9], strict=True)),
    )
    table(answers / "fovea_location_results.csv", ["ImageName", "Fovea_X", "Fovea_Y"],
          *([f"{n.upper()}.jpg", 23, 104] for n in names))  # fmt: skip
    return truth, answers


def value(told: dict, name: str, member: str = "all") -> float | None:
    (found,) = [s for s in told["scores"] if (s["name"], s["member"]) == (name, member)]
    return found["value"]


def test_dice_of_shifted_discs_follows_the_formula_of_two_circles():
    r, d = 80.0, 40.0
    one, other = ellipse(150, 200, r, r, 400), ellipse(150 + d, 200, r, r, 400)
    lens = 2 * r**2 * math.acos(d / (2 * r)) - d / 2 * math.sqrt(4 * r**2 - d**2)
    found = overlap(DISC_DICE_CARD, one, other).value
    assert found == pytest.approx(lens / (math.pi * r**2), abs=0.003)
    assert found == pytest.approx(1 - distance.dice(one.ravel(), other.ravel()), abs=1e-12)
    assert found == pytest.approx(f1_score(one.ravel(), other.ravel()), abs=1e-12)


@pytest.mark.parametrize(("down", "cup"), [(60, 30), (60, 45), (50, 12.5)])
def test_the_ratio_of_ellipses_is_that_of_their_vertical_axes(down: float, cup: float):
    found = vertical_cup_to_disc(labels(mask(down=down, cup=cup)))
    assert found == pytest.approx((2 * int(cup) + 1) / (2 * int(down) + 1), abs=1e-12)


def test_empty_cups_and_discs_are_told_apart():
    whole, no_cup, nothing = (
        labels(drawn(ellipse(100, 100, 50, 60), ellipse(100, 100, r, r))) for r in (30, -1, -1)
    )
    no_cup[no_cup == 2] = 1
    nothing[:] = 0
    missed = compare_disc_cup(whole, no_cup)
    assert missed["cup_dice"].value == 0
    assert missed["vcdr_error"].value == pytest.approx(61 / 121)
    both = compare_disc_cup(no_cup, no_cup)
    assert math.isnan(both["cup_dice"].value)
    assert "neither the truth nor the answer" in both["cup_dice"].reason
    assert both["vcdr_error"].value == 0
    assert compare_disc_cup(whole, nothing)["vcdr_error"].value == pytest.approx(61 / 121)
    assert "the truth has no disc" in compare_disc_cup(nothing, whole)["vcdr_error"].reason


def test_foveas_are_measured_in_pixels_and_in_discs():
    found = compare_fovea((20, 100), (23, 104), 50)
    assert [q.value for q in found.values()] == [5.0, 0.1]
    assert "no disc" in compare_fovea((0, 0), (3, 4), 0)["fovea_distance_dd"].reason


def test_reference_sensitivity_lies_on_the_line_between_two_points():
    positive = np.array([1, 1, 0, 1, 0, 0, 0])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    # The curve rises from (0, 2/3) over (0.25, 2/3) to (0.25, 1).
    for specificity, expected in ((0.85, 2 / 3), (0.75, 1.0), (1.0, 2 / 3)):
        found = reference_sensitivity(positive, scores, np.ones((1, 7)), specificity=specificity)
        assert found[0] == pytest.approx(expected)
    # At 0.85 the published code joins (0.75, 1) with (1, 0), the curve (0.75, 2/3) with (1, 2/3).
    assert published_sensitivity(positive, scores) == pytest.approx(1 - 0.1 / 0.25)
    tied = reference_sensitivity(np.array([1, 0, 1, 0]), np.zeros(4), np.ones((1, 4)))
    assert tied[0] == pytest.approx(0.15)
    assert math.isnan(reference_sensitivity(np.ones(3, int), np.ones(3), np.ones((1, 3)))[0])


def test_refuge_scores_are_those_computed_by_hand(refuge, tmp_path: Path):
    told = score_challenge("refuge", *refuge, tmp_path / "out")
    ill, risk = [0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.7, 0.4, 0.8, 0.9]
    assert value(told, "auroc") == pytest.approx(roc_auc_score(ill, risk))
    assert value(told, "vcdr_error") == 0
    assert value(told, "fovea_distance_px") == 5
    assert value(told, "fovea_distance_dd") == pytest.approx(5 / 121)
    shifted = overlap(DISC_DICE_CARD, ellipse(100, 100, 50, 60), ellipse(110, 100, 50, 60)).value
    assert value(told, "disc_dice", "cam0") == 1
    assert value(told, "disc_dice", "cam1") == pytest.approx(shifted)
    assert value(told, "auroc", "good") is None
    assert told["counts"]["images"] == 6
    assert not partly(told)


def test_means_of_devices_and_of_qualities_add_up_to_the_mean_of_all(refuge, tmp_path: Path):
    told = score_challenge("refuge", *refuge, tmp_path / "out")
    for name in ("disc_dice", "cup_dice", "vcdr_error", "fovea_distance_px"):
        for group in ("device", "quality"):
            own = [s for s in told["scores"] if (s["name"], s["group"]) == (name, group)]
            total = sum(s["value"] * s["n"] for s in own) / sum(s["n"] for s in own)
            assert total == pytest.approx(value(told, name), abs=1e-12)


def test_missing_answers_are_named_and_counted_and_change_no_other(refuge, tmp_path: Path):
    truth, answers = refuge
    (answers / "segmentation/v3.bmp").unlink()
    rows = read_table(answers / "classification_results.csv")
    table(answers / "classification_results.csv", *rows[:-1], ["else.jpg", 0.5])
    told = score_challenge("refuge", truth, answers, tmp_path / "out")
    assert partly(told)
    assert told["counts"]["missing"] == {"labels": 1, "masks": 1}
    assert told["counts"]["extra"] == {"labels": 1}
    assert {(f["part"], f["name"], f["kind"]) for f in told["faults"]} == {
        ("masks", "v3", "missing"), ("labels", "v5", "missing"), ("labels", "else", "extra"),
    }  # fmt: skip
    (row,) = [row for row in told["images"] if row["name"] == "v3"]
    assert row["disc_dice"] is None
    assert row["reasons"]["disc_dice"] == "no answer"
    assert row["fovea_distance_px"] == 5


@pytest.mark.parametrize(
    ("spoil", "told_in"),
    [
        (lambda p: save(p, np.where(mask() == 128, 127, mask()).astype(np.uint8)), "got 127 in "),
        (lambda p: save(p, mask(side=220)), "expected a mask of 200x200 px like the truth's"),
        (lambda p: p.write_bytes(p.read_bytes()[:500]), "expected a whole image file"),
        (lambda p: save(p, np.dstack([mask(), mask(), mask() // 2])), "whose channels are equal"),
    ],
)
def test_one_bad_mask_is_named_and_the_others_are_scored(refuge, tmp_path, spoil, told_in):
    truth, answers = refuge
    spoil(answers / "segmentation/v0.bmp")
    told = score_challenge("refuge", truth, answers, tmp_path / "out")
    (fault,) = told["faults"]
    assert (fault["name"], fault["kind"]) == ("v0", "refused")
    assert told_in in fault["reason"]
    assert next(s["n"] for s in told["scores"] if s["name"] == "disc_dice") == 5


def test_greys_in_between_count_as_rim_when_asked(tmp_path: Path):
    path = save(tmp_path / "m.bmp", np.where(mask() == 128, 64, mask()).astype(np.uint8))
    assert (read_labels(path, loose=True) == labels(mask())).all()
    with pytest.raises(Refusal, match=r"expected the values 0 \(cup\), 128 \(rim\) and 255"):
        read_labels(path)


def test_equal_channels_are_read_as_grey(tmp_path: Path):
    path = save(tmp_path / "m.bmp", np.dstack([mask()] * 3))
    assert (read_labels(path) == labels(mask())).all()


def test_rows_that_say_nothing_are_refused_by_name(refuge, tmp_path: Path):
    truth, answers = refuge
    rows = read_table(answers / "classification_results.csv")
    rows[1][1] = "high"
    table(answers / "classification_results.csv", *rows, rows[2])
    told = score_challenge("refuge", truth, answers, tmp_path / "out")
    said = {f["name"]: f["reason"] for f in told["faults"]}
    assert said["v0"] == "no numbers in the row 'v0.jpg,high'"
    assert said["v1"] == "stands in the table more than once"
    assert told["counts"]["refused"] == {"labels": 2}
    assert told["counts"]["missing"] == {}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t, a: table(a / "classification_results.csv", ["v0.jpg", 0.1], ["v1.jpg", 0.3]),
         "expected a first line that names the columns; got numbers in the first line"),
        (lambda t, a: [p.rename(p.with_suffix(".png")) for p in a.glob("segmentation/*")],
         "expected masks as BMP in"),
        (lambda t, a: save(t / "again/Disc_Cup_Masks/x.bmp", mask()), "expected one Disc_Cup"),
        (lambda t, a: table(t / "groups.csv", ["image", "device"], ["v0", "x"]),
         "expected a table with the columns name, device, quality, patient"),
    ],
)  # fmt: skip
def test_what_is_not_laid_out_as_the_challenge_is_refused(refuge, tmp_path, spoil, message):
    spoil(*refuge)
    with pytest.raises(Refusal, match=message):
        score_challenge("refuge", *refuge, tmp_path / "out")


def test_folders_without_truth_or_answers_are_refused(refuge, tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Refusal, match="expected a folder with the truth of REFUGE"):
        score_challenge("refuge", empty, refuge[1], tmp_path / "out")
    with pytest.raises(Refusal, match="expected answers to REFUGE: segmentation/"):
        score_challenge("refuge", refuge[0], empty, tmp_path / "out")
    with pytest.raises(Refusal, match="expected a challenge, one of refuge, refuge2, gamma"):
        layout_named("airogs")


def test_a_task_that_was_not_answered_is_undefined_and_no_fault(refuge, tmp_path: Path):
    truth, answers = refuge
    (answers / "fovea_location_results.csv").unlink()
    (answers / "classification_results.csv").unlink()
    told = score_challenge("refuge", truth, tmp_path / "team", tmp_path / "out")
    assert not partly(told)
    for name in ("fovea_distance_px", "auroc", "reference_sensitivity"):
        (score,) = [s for s in told["scores"] if (s["name"], s["group"]) == (name, "all")]
        assert score["value"] is None
        assert score["reason"].startswith("the answers have no ")


def test_training_folders_state_the_disease_and_sizes_the_camera(tmp_path: Path):
    truth, answers = tmp_path / "t", tmp_path / "a"
    for k, folder in enumerate(("Glaucoma", "Non-Glaucoma")):
        big = np.full((2056, 2124), 255, np.uint8)
        big[900:1000, 900:1000] = 128
        save(truth / f"Disc_Cup_Masks/{folder}/g{k}.bmp", big)
    table(answers / "classification_results.csv", ["File", "Risk"], ["g0.jpg", 0.9], ["g1.jpg", 0])
    told = score_challenge("refuge", truth, answers, tmp_path / "out")
    assert value(told, "auroc") == 1
    assert {row["device"] for row in told["images"]} == {"Zeiss Visucam 500"}


def test_refuge2_reads_its_own_truth(refuge, tmp_path: Path):
    old, answers = refuge
    truth = tmp_path / "Validation"
    for path in (old / "Disc_Cup_Masks").iterdir():
        save(truth / f"Disc_Masks/{path.stem}.png", np.asarray(Image.open(path)))
    table(truth / "task1.csv", *([f"v{k}.jpg", int(k > 2)] for k in range(6)))  # no header
    table(truth / "fovea.csv", ["ImageName", "Fovea_X", "Fovea_Y"],
          *([f"v{k}.jpg", 20, 100] for k in range(6)))  # fmt: skip
    told = score_challenge("refuge2", truth, answers, tmp_path / "out")
    assert value(told, "auroc") == pytest.approx(8 / 9)
    assert value(told, "fovea_distance_px") == 5
    assert not partly(told)


def phantoms(folder: Path, count: int = 9) -> Path:
    """Write what `retinaforge phantoms` would of eyes drawn by formula."""
    for k in range(count):
        name, cup = f"synthetic_{k:05d}_OD", 20 + 3 * k
        save(folder / f"images/{name}.png", np.full((SIDE, SIDE, 3), 90, np.uint8))
        save(folder / f"disc/{name}.png", ellipse(100, 100, 50, 60))
        save(folder / f"cup/{name}.png", ellipse(100, 100, 25, cup))
        facts = {
            "person": {"patient": f"p{k}", "split": "test" if k % 2 else "train"},
            "macula": {"fovea_px": [20.5, 90.25 + k], "in_view": k != 0},
            "labels": {"glaucoma": k % 3, "quality": "good"},
            "camera": {"model": f"cam{k % 2}"},
        }
        path = folder / f"facts/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(facts))
    return folder


@pytest.mark.parametrize("challenge", ["refuge", "refuge2", "gamma"])
def test_phantoms_go_out_in_each_layout_and_come_back_whole(challenge: str, tmp_path: Path):
    pytest.importorskip("openpyxl")
    drawn_eyes = phantoms(tmp_path / "phantoms")
    for side in ("truth", "answers"):
        export_challenge(drawn_eyes, challenge, tmp_path / side, side=side)
    told = score_challenge(challenge, tmp_path / "truth", tmp_path / "answers", tmp_path / "out")
    assert told["faults"] == []
    assert [value(told, n) for n in ("disc_dice", "cup_dice", "auroc")] == [1, 1, 1]
    assert value(told, "vcdr_error") == value(told, "fovea_distance_px") == 0
    (fovea,) = [
        s for s in told["scores"] if (s["name"], s["group"]) == ("fovea_distance_px", "all")
    ]
    assert fovea["n"] == 8  # one lies outside the picture
    assert {row["device"] for row in told["images"]} == {"cam0", "cam1"}
    ratios = [row["vcdr_truth"] for row in told["images"]]
    assert ratios == pytest.approx([(2 * (20 + 3 * k) + 1) / 121 for k in range(9)], abs=1e-5)
    page = write_challenge_page(tmp_path / "out").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "Disc Dice" in text_table(told)


def test_gamma_kappa_is_the_quadratic_one_and_ties_call_nothing(tmp_path: Path):
    pytest.importorskip("openpyxl")
    export_challenge(phantoms(tmp_path / "p"), "gamma", tmp_path / "t", pictures=False)
    said = [0, 1, 2, 1, 1, 2, 0, 0, 2]
    rows = [[k + 1, *(int(c == s) for c in range(3))] for k, s in enumerate(said)]
    rows[8] = [9, 0.5, 0.5, 0]
    answers = tmp_path / "a/Classification_Results.csv"
    table(answers, ["data", "non", "early", "mid_advanced"], *rows)
    told = score_challenge("gamma", tmp_path / "t", tmp_path / "a", tmp_path / "out")
    truth = [0, 1, 2, 0, 1, 2, 0, 1]
    kappa = cohen_kappa_score(truth, said[:8], weights="quadratic")
    assert value(told, "quadratic_kappa") == pytest.approx(kappa)
    (fault,) = told["faults"]
    assert (fault["name"], fault["kind"]) == ("0009", "refused")
    assert np.array(told["confusion"]).sum() == 8


def test_the_command_names_what_is_missing_and_exits_with_1(refuge, tmp_path: Path):
    truth, answers = refuge
    asked = ["challenge", "refuge", "--truth", str(truth), "--answers", str(answers)]
    whole = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "whole"), "--json"])
    assert whole.exit_code == 0
    assert json.loads(whole.stdout)["counts"]["missing"] == {}
    (answers / "segmentation/v3.bmp").unlink()
    partly_done = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "partly")])
    assert partly_done.exit_code == 1
    told = json.loads((tmp_path / "partly/challenge.json").read_text())
    assert told["counts"]["missing"] == {"masks": 1}
    assert "masks v3" in partly_done.stderr
    assert (tmp_path / "partly/challenge.html").exists()
    assert "v3" in (tmp_path / "partly/images.csv").read_text()

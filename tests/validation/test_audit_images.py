"""Audits that look at images: what is planted is found, what is clean is left in peace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retinaforge.audits.masking import VARIANTS, Parts
from retinaforge.core import Record, Refusal
from retinaforge.reports.audit_page import write_audit_page
from retinaforge.tasks.usefulness_set import Example
from retinaforge.validation.audit_attributes import audit_attributes
from retinaforge.validation.audit_attribution import audit_attribution
from retinaforge.validation.audit_degradation import audit_degradation
from retinaforge.validation.audit_eyes import Eyes
from retinaforge.validation.audit_masking import audit_masking
from retinaforge.validation.audit_sides import Side

SIDE = 64
Y, X = np.mgrid[:SIDE, :SIDE]
FOV = np.hypot(X - 31.5, Y - 31.5) <= 31
DISC = np.hypot(X - 45, Y - 30) <= 5
RIM = FOV & (np.hypot(X - 31.5, Y - 31.5) > 29)
VESSELS = (np.abs(Y - 20) < 1) & FOV


def see(pixels: np.ndarray) -> np.ndarray:
    """Return the mean of every 4 × 4 px, as an encoder of 256 × 3 numbers."""
    n, side = len(pixels), SIDE // 4
    blocks = pixels.reshape(n, side, 4, side, 4, 3).astype(np.float32)
    return blocks.mean(axis=(2, 4)).reshape(n, -1)


def eyes(
    count: int, *, seed: int, rim: float = 0.0, disc: float = 0.0, corner: float = 0.0,
    prefix: str = "p",
) -> Eyes:  # fmt: skip
    """Draw eyes; the ill have a brighter disc, and a brighter rim where a shortcut is planted."""
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % 2 == 1
    pixels = rng.normal([120, 80, 50], 8, (count, SIDE, SIDE, 3))
    pixels[:, DISC] += 40 + disc * truth[:, None, None]
    pixels[:, RIM] += rim * truth[:, None, None]
    pixels[:, 8:14, 28:34] += corner
    done = (np.clip(pixels, 0, 255) * FOV[..., None]).astype(np.uint8)
    records = tuple(
        Record(
            path=Path("x.png"), name=f"{prefix}{k}.png", dataset="d", patient=f"{prefix}{k // 2}"
        )
        for k in range(count)
    )
    return Eyes(records, truth, done, (Parts(FOV, DISC, VESSELS),) * count, (), {})


def auroc(told: dict, variant: str, taught: str = "taught masked") -> float:
    return next(
        row["auroc"]
        for row in told["results"]
        if (row["arm"], row["variant"], row["taught"]) == ("real", variant, taught)
    )


def test_masking_finds_the_planted_border_and_leaves_clean_eyes_in_peace(tmp_path):
    planted = audit_masking(see, eyes(160, seed=0, rim=25), tmp_path, lies="disc")
    failed = [one["text"] for one in planted["said"] if one["level"] == "failure"]
    assert any(text.startswith("border only, taught masked") for text in failed)
    assert any(text.startswith("without disc, taught whole") for text in failed)
    # Only what must be at chance is one family of tests.
    apart = {row["variant"] for row in planted["results"] if row["p_holm"] is None}
    assert apart >= {"only disc", "only disc, dilated", "only disc, box", "without vessels"}
    assert auroc(planted, "only disc") < 0.75 < 0.95 < auroc(planted, "border only")

    # One draw: of another (seed 1) the mean brightness alone told the ill, by chance once in 500.
    clean = audit_masking(see, eyes(160, seed=3, disc=40), tmp_path, lies="disc")
    assert not [one for one in clean["said"] if one["level"] == "failure"]
    assert auroc(clean, "whole", "taught whole") > 0.95 < auroc(clean, "only disc")
    assert auroc(clean, "without disc, dilated") < 0.7 > auroc(clean, "border only")
    page = write_audit_page(tmp_path).read_text()
    assert "Change from whole" in page
    assert page.count("data:image/webp") == 2


def test_masking_teaches_three_arms_and_names_what_it_cannot_judge(tmp_path):
    bare = eyes(80, seed=0, disc=40)
    parts = tuple(Parts(FOV, DISC if k > 9 else None) for k in range(80))
    real = Eyes(bare.records, bare.truth, bare.pixels, parts, (), {})
    told = audit_masking(see, real, tmp_path, synthetic=eyes(60, seed=2, rim=25, prefix="s"))
    assert {row["arm"] for row in told["results"]} == {"real", "real + synthetic", "synthetic"}
    assert any(row["name"] == "without vessels" for row in told["left_out"])
    judged = {row["variant"]: row["n"] for row in told["results"]}
    assert judged["only disc"] < judged["whole"]
    with pytest.raises(Refusal, match=r"expected a place of the finding \(disc, vessels\)"):
        audit_masking(see, real, tmp_path, lies="nose")


def test_degradation_curves_fall_and_consistency_is_one_at_no_damage(tmp_path):
    told = audit_degradation(see, eyes(80, seed=0, disc=25), tmp_path,
                             synthetic=eyes(40, seed=3, disc=25, prefix="s"))  # fmt: skip
    rows = {(r["arm"], r["kind"], r["level"]): r for r in told["results"]}
    assert len(rows) == 3 * 7 * 5
    assert rows["real", "jpeg", 1]["consistency"]["value"] > 0.9
    assert rows["real", "haze", 5]["loss"]["value"] <= 0.05
    assert told["said"][0]["text"].startswith("Taught on real: AUROC")
    low, high = rows["real", "defocus", 5]["auroc"]["interval"]
    assert low <= rows["real", "defocus", 5]["auroc"]["value"] <= high
    assert "Consistency" in write_audit_page(tmp_path).read_text()


def test_attribution_looks_at_the_planted_artefact(tmp_path):
    told = audit_attribution(
        see, eyes(60, seed=0), eyes(60, seed=1, corner=25, prefix="s"), tmp_path, most=6
    )
    assert told["results"][0]["auroc"] > 0.95
    assert told["results"][0]["infidelity"]["value"] < 0.8
    assert told["said"][0]["level"] == "failure"
    page = write_audit_page(tmp_path).read_text()
    assert page.count("data:image/webp") == 6

    same = audit_attribution(see, eyes(60, seed=0), eyes(60, seed=9, prefix="s"), tmp_path, most=4)
    assert [one["level"] for one in same["said"]] == ["pass", "open"]


def side(count: int, *, seed: int, sex: float, tie: float = 0.0, prefix: str = "p") -> Side:
    """Draw vectors in which sex shows by `sex`, and the finding goes with it by `tie`."""
    rng = np.random.default_rng(seed)
    woman = rng.random(count) < 0.5
    ill = rng.random(count) < 0.5 + tie * (woman - 0.5)
    vectors = rng.normal(size=(count, 12)).astype(np.float32)
    vectors[:, 0] += sex * woman
    records = [
        Record(path=Path("x.png"), name=f"{prefix}{k}", dataset="d", patient=f"{prefix}{k}",
               columns={"sex": "F" if woman[k] else "M", "shoe": "x"})
        for k in range(count)
    ]  # fmt: skip
    return Side(tuple(Example(r) for r in records), vectors, ill.astype(float), ())


@pytest.mark.parametrize(
    ("real", "synthetic", "fate"), [(2.5, 2.5, "kept"), (2.5, 0.0, "erased"), (0.0, 0.0, "untold")]
)
def test_attributes_that_are_planted(tmp_path, real, synthetic, fate):
    told = audit_attributes(
        side(240, seed=0, sex=real), side(240, seed=1, sex=synthetic, prefix="s"), (), tmp_path
    )
    assert [row["fate"] for row in told["results"]] == [fate]
    assert told["results"][0]["question"] == "sex = M"


def test_a_tie_that_the_generator_drew_is_a_failure(tmp_path):
    told = audit_attributes(
        side(240, seed=0, sex=2.5), side(240, seed=1, sex=2.5, tie=0.9, prefix="s"), ("sex",),
        tmp_path, label_name="referable",
    )  # fmt: skip
    assert told["said"][0]["level"] == "failure"
    assert "goes with referable more than in real images" in told["said"][0]["text"]
    with pytest.raises(Refusal, match="expected real images that tell height"):
        audit_attributes(side(30, seed=0, sex=1), side(30, seed=1, sex=1), ("height",), tmp_path)


@pytest.mark.slow
def test_phantoms_whose_rim_follows_the_grade(tmp_path):
    """Drawn eyes with their lesions: a rim that is brighter on the ill is found, none is not.

    Not the vignetting of recipe `shortcut`: it is a contrast between border and middle, and where
    pigment varies as freely as there the border alone does not tell it (AUROC 0.54, whole 0.71).
    """
    from retinaforge.phantoms import load_recipe, write_phantoms
    from retinaforge.validation.audit_eyes import read_eyes

    recipe = replace(load_recipe("shortcut"), dependence=())
    write_phantoms(tmp_path / "drawn", count=120, size_px=128, seed=1, recipe=recipe)
    clean = read_eyes(tmp_path / "drawn", "referable", size_px=SIDE, masks=True, find=False)
    assert clean.masks["disc"]["file"] > 100
    told = {
        "clean": audit_masking(see, clean, tmp_path, judge="halves"),
        "planted": audit_masking(see, with_bright_rim(clean), tmp_path, judge="halves"),
    }
    border = {name: [row["auroc"] for row in one["results"] if row["variant"] == "border only"]
              for name, one in told.items()}  # fmt: skip
    assert max(border["planted"]) > 0.75
    assert "failure" in {one["level"] for one in told["planted"]["said"]}
    assert "failure" not in {one["level"] for one in told["clean"]["said"]}


def with_bright_rim(own: Eyes) -> Eyes:
    """Return eyes whose border is 25 grey levels brighter where the finding is there."""
    border = np.stack([VARIANTS["border only"](parts) for parts in own.parts])
    light = 25 * (border & own.truth[:, None, None])[..., None]
    return replace(own, pixels=np.clip(own.pixels + light, 0, 255).astype(np.uint8))

"""The segmenter's recipe: loss in closed form, learning, resuming, whom it may learn from."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from retinaforge.core import Fov, Photograph, Record, Refusal, rng_for
from retinaforge.tasks import segmenter_run
from retinaforge.tasks.learner import learning_rate_at
from retinaforge.tasks.segmenter import SegmenterConfig, train_segmenter
from retinaforge.tasks.segmenter_data import learnable_records, part_validation
from retinaforge.tasks.segmenter_losses import vessel_ce_dice
from retinaforge.tasks.segmenter_phantoms import phantom_population
from retinaforge.tasks.segmenter_run import THRESHOLDS, dice_by_threshold, train_vessel_segmenter
from retinaforge.tasks.segmenter_samples import (
    PHANTOMS,
    Annotated,
    Crops,
    _choose_group,
    annotate,
    disguise,
    draw_crops,
)

SMALL = SegmenterConfig(steps=14, batch=2, side_px=64, widths=(8, 16), diameter_px=360.0)


def striped_eye(size_px: int = 160) -> tuple[Photograph, Fov, np.ndarray]:
    y, x = np.mgrid[:size_px, :size_px] - (size_px - 1) / 2
    inside = np.hypot(x, y) < 0.46 * size_px
    vessels = (np.abs((x + 0.3 * y) % 20 - 10) < 2.5) & inside
    pixels = np.zeros((size_px, size_px, 3), np.uint8)
    pixels[inside] = (170, 90, 40)
    pixels[vessels] = (110, 40, 25)
    middle = ((size_px - 1) / 2, (size_px - 1) / 2)
    return Photograph(pixels, "drawn"), Fov(inside, middle, 0.46 * size_px, "circle"), vessels


@pytest.fixture(scope="module")
def eyes() -> list[Annotated]:
    return [annotate(*striped_eye(), group="drawn")]


def crops_of(eyes: list[Annotated], seed: int) -> Crops:
    rng = rng_for(seed, "test")
    return draw_crops(eyes, rng, count=3, side_px=48, diameter_px=360, scales=(0.7, 1.4))


def test_loss_is_zero_for_certain_truth_and_ln2_plus_dice_for_ignorance() -> None:
    vessels = torch.zeros(1, 1, 8, 8)
    vessels[..., :4, :] = 1
    crops = Crops(torch.zeros(1, 3, 8, 8), vessels, torch.ones(1, 1, 8, 8))
    certain = vessel_ce_dice((vessels * 2 - 1) * 60, crops, 0.5)
    torch.testing.assert_close(certain, torch.tensor(0.0), atol=1e-5, rtol=0)
    blank = vessel_ce_dice(torch.zeros(1, 1, 8, 8), crops, 0.5)
    dice = (2 * 16 + 1) / (32 + 32 + 1)
    torch.testing.assert_close(blank, torch.tensor(0.5 * np.log(2) + 0.5 * (1 - dice)).float())


def test_loss_looks_inside_the_field_of_view_only() -> None:
    torch.manual_seed(0)
    fov = torch.zeros(1, 1, 8, 8)
    fov[..., 2:6, 2:6] = 1
    crops = Crops(torch.zeros(1, 3, 8, 8), torch.rand(1, 1, 8, 8) * fov, fov)
    logits = torch.randn(1, 1, 8, 8)
    other = torch.where(fov > 0, logits, -logits)
    assert vessel_ce_dice(logits, crops, 0.5) == vessel_ce_dice(other, crops, 0.5)


def test_learning_rate_runs_through_two_cycles_the_second_of_half_the_peak() -> None:
    config = SegmenterConfig(steps=300)
    rates = np.array([learning_rate_at(step, config) for step in range(300)])
    assert rates[:200].max() == pytest.approx(config.learning_rate)
    assert rates[200:].max() == pytest.approx(config.learning_rate / 2)
    assert rates[:200].argmax() in (9, 10)
    assert rates[[199, 299]].max() < 0.001 * config.learning_rate


def test_crops_depend_on_the_generator_only_and_keep_masks_in_step(eyes: list[Annotated]) -> None:
    first, again, other = crops_of(eyes, 1), crops_of(eyes, 1), crops_of(eyes, 2)
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    assert first.images.abs().max() <= 1
    assert (first.images[(first.fov == 0).expand(-1, 3, -1, -1)] == -1).all()
    inside, vessel = first.fov > 0, first.vessels > 0.9
    green = first.images[:, 1:2]
    assert green[vessel & inside].mean() < green[(first.vessels < 0.1) & inside].mean()


def test_disguise_stays_in_range_and_changes_the_picture(eyes: list[Annotated]) -> None:
    colour = torch.rand(3, 32, 32)
    disguised = [disguise(colour, rng_for(0, "disguise", i)) for i in range(20)]
    assert all(each.min() >= 0 and each.max() <= 1 for each in disguised)
    assert sum(not torch.equal(each, colour) for each in disguised) >= 15


def test_a_few_steps_reduce_the_loss(eyes: list[Annotated], tmp_path: Path) -> None:
    losses: list[float] = []
    config = replace(SMALL, steps=40, learning_rate=1e-2)
    train_segmenter(eyes, config, tmp_path, on_step=lambda _, loss: losses.append(loss))
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:4])


def test_a_killed_run_resumes_to_the_very_same_weights(
    eyes: list[Annotated], tmp_path: Path
) -> None:
    def stop(step: int, _: float) -> None:
        if step == 9:
            raise KeyboardInterrupt

    whole = train_segmenter(eyes, SMALL, tmp_path / "whole", checkpoint_every=4)
    with pytest.raises(KeyboardInterrupt):
        train_segmenter(eyes, SMALL, tmp_path / "killed", checkpoint_every=4, on_step=stop)
    steps: list[int] = []
    resumed = train_segmenter(
        eyes, SMALL, tmp_path / "killed", checkpoint_every=4, on_step=lambda k, _: steps.append(k)
    )
    assert steps[0] == 9
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_another_recipe_does_not_go_on_with_a_checkpoint(
    eyes: list[Annotated], tmp_path: Path
) -> None:
    train_segmenter(eyes, replace(SMALL, steps=1), tmp_path)
    with pytest.raises(Refusal, match="the recipe that the checkpoint was begun with"):
        train_segmenter(eyes, SMALL, tmp_path)


def data_folder(root: Path) -> Path:
    """Six eyes of three patients, of which one is test and one of a closed licence."""
    photo, _, vessels = striped_eye()
    folder = root / "drawn"
    folder.mkdir(parents=True)
    rows = [
        ("a", "CC BY 4.0", "train"), ("b", "CC BY 4.0", "train"), ("c", "CC BY 4.0", "train"),
        ("d", "CC BY 4.0", "test"), ("e", "research only", "train"),
    ]  # fmt: skip
    with (root / "splits.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["dataset", "image", "patient", "camera", "licence", "split"])
        writer.writerows(["drawn", f"{p}.png", p, "", licence, split] for p, licence, split in rows)
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "vessel_mask"])
        writer.writerows([f"{p}.png", f"{p}_vessel.png"] for p, *_ in rows)
    for patient, *_ in rows:
        Image.fromarray(photo.pixels).save(folder / f"{patient}.png")
        Image.fromarray(vessels).save(folder / f"{patient}_vessel.png")
    return root


def test_only_open_training_rows_with_vessels_are_learnt_from(tmp_path: Path) -> None:
    records = learnable_records(data_folder(tmp_path))
    assert [Path(record.name).stem for record in records] == ["a", "b", "c"]


def test_a_folder_without_open_training_rows_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "eye.png")
    with pytest.raises(Refusal, match=r"training rows with a vessel mask and licence CC BY 4\.0"):
        learnable_records(tmp_path)


def test_validation_takes_whole_patients_of_every_set_and_not_too_many() -> None:
    records = [
        Record(Path(f"{d}{p}{e}"), f"{d}/{p}{e}", d, f"{d}:{p}")
        for d in ("x", "y") for p in range(10) for e in "LR"
    ]  # fmt: skip
    learn, aside = part_validation(records)
    assert {r.patient for r in learn}.isdisjoint({r.patient for r in aside})
    assert [sum(r.dataset == d for r in aside) for d in ("x", "y")] == [4, 4]
    assert len(learn) + len(aside) == len(records)


def test_dice_by_threshold_is_dice() -> None:
    probability = np.array([[0.1, 0.3], [0.5, 0.9]], np.float32)
    vessels = np.array([[False, True], [False, True]])
    table = dict(zip(THRESHOLDS, dice_by_threshold(probability, vessels), strict=True))
    assert table[0.4] == pytest.approx(2 * 1 / (2 + 2))
    assert table[0.2] == pytest.approx(2 * 2 / (3 + 2))


def test_the_run_writes_weights_that_the_judge_loads_and_a_card(tmp_path: Path) -> None:
    from retinaforge.vessels import load_judge

    config = replace(SMALL, steps=2)
    data, out = data_folder(tmp_path / "data"), tmp_path / "out"
    card = train_vessel_segmenter(data, out, phantoms=1, config=config)
    assert card["training_data"] == ["drawn (2 training images)", "1 phantoms"]
    assert len(card["threshold_chosen_on"]) == 1
    assert not any("d.png" in name or "e.png" in name for name in card["learnt_from"])
    judge = load_judge(f"ours:{out / 'vessels.safetensors'}")
    assert judge.threshold == card["threshold"]
    photo, fov, _ = striped_eye()
    assert judge.probability(photo, fov).shape == photo.size_px


def test_phantoms_alone_are_learnt_from_without_any_photograph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmenter_run, "HELD_OUT", 2)
    card = train_vessel_segmenter(
        None, tmp_path, phantoms=1, config=replace(SMALL, steps=1, views_px=(360.0,))
    )
    assert card["training_data"] == ["1 phantoms"]
    assert card["learnt_from"] == []
    assert card["threshold_chosen_on"] == ["2 further phantoms"]
    assert card["licence"].endswith("trained on phantoms only")
    assert (tmp_path / "vessels.safetensors").exists()


def test_learning_from_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="photographs or phantoms to learn from; got neither"):
        train_vessel_segmenter(None, tmp_path)


def test_the_population_is_wide_and_each_phantom_its_own() -> None:
    drawn = list(phantom_population(6, seed=3, size_px=64))
    again = list(phantom_population(2, seed=3, first=2, size_px=64))
    assert len({p.shot.params.fov_deg for p in drawn}) >= 2
    assert len({round(p.fundus.layout.disc_um[0]) for p in drawn}) == 6
    for one, other in zip(drawn[2:4], again, strict=True):
        assert np.array_equal(one.photograph.pixels, other.photograph.pixels)


def test_phantoms_do_not_outvote_photographs():
    rng = np.random.default_rng(0)
    drawn = [_choose_group(["a", "b", PHANTOMS], rng, phantom_share=0.2) for _ in range(2000)]
    assert drawn.count(PHANTOMS) == pytest.approx(400, abs=60)
    assert drawn.count("a") == pytest.approx(800, abs=90)
    alone = [_choose_group([PHANTOMS], rng, phantom_share=0.0) for _ in range(5)]
    assert alone == [PHANTOMS] * 5

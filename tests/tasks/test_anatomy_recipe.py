"""The recipe of the landmark network: what a batch holds, what counts, that it resumes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from retinaforge.anatomy import load_anatomy
from retinaforge.cli import main, segmenter
from retinaforge.core import Refusal
from retinaforge.phantoms import draw
from retinaforge.tasks import anatomy_run, anatomy_train, learner
from retinaforge.tasks.anatomy_data import eye_of_phantom, records_with
from retinaforge.tasks.anatomy_samples import (
    Batch,
    EyeStacks,
    draw_batch,
    fovea_heat,
    impossible_fovea,
    stack_of,
    stacks_of,
)
from retinaforge.tasks.anatomy_train import AnatomyConfig, anatomy_loss, train_anatomy
from retinaforge.tasks.cut import Cut, cut_square

SMALL = AnatomyConfig(steps=4, batch=2, side_px=64, widths=(8, 16))


@pytest.fixture(scope="module")
def eyes() -> list[EyeStacks]:
    seen = eye_of_phantom(draw(3, size_px=200))
    real = replace(seen, cup=None, fovea_px=None, group="photographs")
    return [stacks_of(each, near_px=200) for each in (seen, real)]


def test_a_stack_carries_the_landmarks_with_it() -> None:
    phantom = draw(3, size_px=256)
    stack = stack_of(eye_of_phantom(phantom), fov_px=200)
    scale = 200 / (2 * phantom.fov.radius_px)
    assert stack.diameter_px == pytest.approx(2 * phantom.disc_radius_px * scale, rel=0.06)
    heat = stack.planes[5].numpy().astype(float)
    if heat.any():
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        away = np.hypot(column - stack.disc_px[0], row - stack.disc_px[1])
        true = np.hypot(*np.subtract(phantom.fovea_px, phantom.disc_centre_px)) * scale
        assert away == pytest.approx(true, abs=1.5)


def test_where_nobody_marked_a_fovea_only_the_impossible_is_taught() -> None:
    unknown = impossible_fovea((200, 300), (60.0, 100.0), diameter_px=30.0)
    assert unknown[100, 60] == 1  # on the disc
    assert unknown[108, 60 + 80] == 0  # where foveas are
    assert unknown[20, 60] == 1  # straight above
    assert unknown[100, 60 + 150] == 1  # too far


def test_heat_is_a_gaussian() -> None:
    heat = fovea_heat((40, 40), (20.0, 10.0), sigma_px=4.0)
    assert heat[10, 20] == 1
    assert heat[10, 24] == pytest.approx(np.exp(-0.5))


def test_a_cut_maps_pixels_exactly() -> None:
    planes = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 50, 60), np.uint8))
    cut = cut_square(planes, Cut((29.5, 19.5), 1.0), side_px=20)
    torch.testing.assert_close(cut, planes[:, 10:30, 20:40].float() / 255)
    mirrored = cut_square(planes, Cut((29.5, 19.5), 1.0, mirror=-1.0), side_px=20)
    torch.testing.assert_close(mirrored, cut.flip(2))


def test_batches_depend_on_their_number_only(eyes: list[EyeStacks]) -> None:
    def batch(seed: int) -> Batch:
        return draw_batch(
            eyes, np.random.default_rng(seed), count=4, side_px=64, near_share=0.5,
            phantom_share=0.5,
        )  # fmt: skip

    one, again, other = batch(1), batch(1), batch(2)
    torch.testing.assert_close(one.images, again.images)
    assert not torch.equal(one.images, other.images)
    assert one.images.shape == (4, 3, 64, 64)
    assert one.known.max() <= 1
    assert (one.known * (1 - one.fov)).max() == 0


def test_what_is_not_known_does_not_count() -> None:
    logits = torch.randn(1, 3, 16, 16)
    targets, fov = (torch.rand(1, 3, 16, 16) > 0.5).float(), torch.ones(1, 1, 16, 16)
    known = torch.ones(1, 3, 16, 16)
    known[..., :8] = 0
    changed = targets.clone()
    changed[..., :8] = 1 - changed[..., :8]
    losses = [
        anatomy_loss(logits, Batch(torch.zeros(1, 3, 16, 16), each, known, fov), fovea_weight=20.0)
        for each in (targets, changed)
    ]
    torch.testing.assert_close(losses[0], losses[1])


def test_a_killed_run_reaches_the_same_weights(
    eyes: list[EyeStacks], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stop(step: int, _: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    whole = train_anatomy(eyes, SMALL, tmp_path / "whole").state_dict()
    resumed = tmp_path / "resumed"
    monkeypatch.setattr(anatomy_train, "fit", partial(learner.fit, checkpoint_every=1))
    with pytest.raises(KeyboardInterrupt):
        train_anatomy(eyes, SMALL, resumed, on_step=stop)
    for key, value in train_anatomy(eyes, SMALL, resumed).state_dict().items():
        torch.testing.assert_close(value, whole[key])
    with pytest.raises(Refusal, match="the recipe that the checkpoint was begun with"):
        train_anatomy(eyes, replace(SMALL, seed=1), resumed)


def test_the_command_trains_on_phantoms_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(segmenter, "AnatomyConfig", lambda: SMALL)
    monkeypatch.setattr(anatomy_run, "HELD_OUT", 1)
    words = ["--phantoms", "1", "--steps", "1", "--out", str(tmp_path), "--json"]
    monkeypatch.setattr(sys, "argv", ["retinaforge", "train", "segmenter", "anatomy", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    card = json.loads(capsys.readouterr().out)
    assert card["training_data"] == ["1 phantoms"]
    assert card["validation_disc_dice"] is None
    model = load_anatomy(f"ours:{tmp_path / 'anatomy.safetensors'}")
    assert model.levels == card["levels"]


def test_no_phantoms_and_no_masks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="expected at least one phantom"):
        anatomy_run.train_anatomy_segmenter(None, tmp_path, phantoms=0)
    (tmp_path / "manifest.csv").write_text("image,split\na.png,train\n")
    with pytest.raises(Refusal, match=r"training rows with a disc mask and licence CC BY 4.0"):
        records_with(tmp_path, "disc")

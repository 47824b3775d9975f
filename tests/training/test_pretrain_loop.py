"""Pretraining: it learns, resumes bit-equal, watches itself; the teacher only follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pretrain_toys import CONFIG, dino, log_of, mae, ramps, tints

from retinaforge.core import Refusal
from retinaforge.training import Progress, TrainingStopped
from retinaforge.training.pretrain import pretrain, weight_groups

METHODS = {"mae": (mae, ramps), "dino": (dino, tints)}


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_falls_on_a_toy_set(name: str, tmp_path: Path) -> None:
    make, draw = METHODS[name]
    told: list[Progress] = []
    result = pretrain(make(), draw, CONFIG, tmp_path, on_progress=told.append)
    assert (result.state, result.steps, result.images) == ("trained", 24, 192)
    assert told[-1].total < 0.9 * told[0].total
    assert told[0].seconds_left > 0
    assert [progress.step for progress in told] == [4, 8, 12, 16, 20, 24]


@pytest.mark.parametrize("name", METHODS)
def test_a_killed_training_goes_on_bit_equal(name: str, tmp_path: Path) -> None:
    make, draw = METHODS[name]

    def dies(number: int):
        if number == 15:
            raise KeyboardInterrupt
        return draw(number)

    with pytest.raises(KeyboardInterrupt):
        pretrain(make(), dies, CONFIG, tmp_path / "killed")
    resumed, straight = make(), make()
    pretrain(resumed, draw, CONFIG, tmp_path / "killed")
    pretrain(straight, draw, CONFIG, tmp_path / "straight")
    assert log_of(tmp_path / "killed") == log_of(tmp_path / "straight")
    for key, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_done_is_found_with_its_weights_and_another_recipe_is_refused(tmp_path: Path) -> None:
    first, again = mae(), mae()
    pretrain(first, ramps, CONFIG, tmp_path)
    assert pretrain(again, ramps, CONFIG, tmp_path).state == "found done"
    for key, value in first.encoder_weights().items():
        assert torch.equal(value, again.encoder_weights()[key]), key
    with pytest.raises(Refusal, match=r"learning_rate = 0\.002, as the run in"):
        pretrain(mae(), ramps, replace(CONFIG, learning_rate=1e-4), tmp_path)
    with pytest.raises(Refusal, match="expected sheets = None"):
        pretrain(mae(), ramps, CONFIG, tmp_path, about={"sheets": "others"})


def test_batches_that_are_not_finite_are_skipped_then_stop_it(tmp_path: Path) -> None:
    def broken(number: int):
        batch = ramps(number)
        if number in (3, 4):
            batch["images"][0, 0, 0, 0] = torch.nan
        return batch

    result = pretrain(mae(), broken, CONFIG, tmp_path / "two")
    assert result.skipped == 2
    config = replace(CONFIG, skips_in_a_row=2)
    with pytest.raises(TrainingStopped, match="usable batches"):
        pretrain(mae(), broken, config, tmp_path / "many")


def test_matrices_decay_and_nothing_else() -> None:
    method = mae()
    decaying, spared = weight_groups(method, 0.05)
    assert (decaying["weight_decay"], spared["weight_decay"]) == (0.05, 0.0)
    names = {id(p): n for n, p in method.named_parameters()}
    in_decay = {names[id(p)] for p in decaying["params"]}
    assert "network.blocks.0.attn.qkv.weight" in in_decay
    rest = {names[id(p)] for p in spared["params"]}
    assert {"network.cls_token", "network.mask_token", "network.norm.weight"} <= rest
    assert not any("pos_embed" in name for name in in_decay | rest)  # fixed sines


def test_what_is_kept_of_masked_autoencoding_is_the_encoder() -> None:
    kept = set(mae().encoder_weights())
    assert not any(key.startswith(("decoder_", "mask_token")) for key in kept)
    assert {"cls_token", "pos_embed", "norm.weight", "blocks.1.mlp.fc2.bias"} <= kept


def test_the_teacher_gets_no_gradient_and_is_the_running_mean() -> None:
    method = dino(momentum=0.9)
    before = [p.clone() for p in method.teacher.parameters()]
    method(**tints(0))["loss"].backward()
    assert all(p.grad is None for p in method.teacher.parameters())
    assert all(p.grad is not None for p in method.student.parameters())
    with torch.no_grad():
        for p in method.student.parameters():
            p.add_(1.0)
        method.after_step(0, 100, lambda x, how: x)
    for old, new in zip(before, method.teacher.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.1)  # m = 0.9 at the first step
    at_end = [p.clone() for p in method.teacher.parameters()]
    with torch.no_grad():
        method.after_step(100, 100, lambda x, how: x)
    for old, new in zip(at_end, method.teacher.parameters(), strict=True):
        torch.testing.assert_close(new, old)  # m = 1 at the last


def test_the_centre_follows_the_teachers_mean_logits() -> None:
    method = dino()
    method(**tints(0))
    mean = method._mean_logits
    with torch.no_grad():
        method.after_step(0, 10, lambda x, how: 2 * x)  # as two processes might
    torch.testing.assert_close(method.centre, 0.1 * 2 * mean)


def test_prototypes_stand_still_at_first() -> None:
    method = dino(frozen=0.5)
    method(**tints(0))["loss"].backward()
    method.before_update(49, 100)
    assert method.student["head"].prototypes.grad is None
    method(**tints(0))["loss"].backward()
    method.before_update(50, 100)
    assert method.student["head"].prototypes.grad is not None


def test_collapse_stops_the_run_with_advice(tmp_path: Path) -> None:
    even = dino(patience=3)
    with torch.no_grad():  # every image meets every prototype alike
        even.teacher["head"].prototypes.fill_(1.0)
        even.student["head"].prototypes.fill_(1.0)
    with pytest.raises(TrainingStopped, match=r"even distribution; train into another folder"):
        pretrain(even, tints, replace(CONFIG, learning_rate=1e-9), tmp_path / "even")
    single = dino(patience=3, single=10.0)
    with pytest.raises(TrainingStopped, match="every image got the same answer"):
        pretrain(single, tints, CONFIG, tmp_path / "single")

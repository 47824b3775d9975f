"""The loop's parts by themselves: schedule, batches, averages, journal, watch."""

from __future__ import annotations

import math
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from retinaforge.core import Refusal, artefacts
from retinaforge.core.artefacts import DiskFull
from retinaforge.training import Batch, TrainConfig, TrainingStopped, journal
from retinaforge.training.average import averaged_model, start_average, update_average
from retinaforge.training.batch import draw_ahead
from retinaforge.training.loop import perplexity
from retinaforge.training.preflight import first_images, mean_colours
from retinaforge.training.progress import Progress, rich_progress
from retinaforge.training.watch import Watch, see_step

CONFIG = TrainConfig(steps=100, learning_rate=1.0, warmup_steps=9, patience_steps=3)


def test_the_rate_rises_to_its_peak_and_falls_as_half_a_cosine() -> None:
    rates = [CONFIG.rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    halfway = 9 + 91 / 2
    middle = (rates[math.floor(halfway)] + rates[math.ceil(halfway)]) / 2
    assert middle == pytest.approx((1 + 0.05) / 2, abs=1e-3)
    assert rates[100] == pytest.approx(0.05)
    assert rates[9:] == sorted(rates[9:], reverse=True)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("steps", 0, r"a whole number of at least 1 for steps; got 0; change steps"),
        ("learning_rate", -1.0, r"a number above 0 for learning_rate; got -1\.0"),
        ("ema_decay", 1.5, r"a number from 0 to 1 for ema_decay; got 1\.5"),
        ("precision", "fp8", r"auto, bf16 or fp32 for precision; got 'fp8'"),
    ],
)
def test_impossible_configurations_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        replace(CONFIG, **{field: value})


def test_norms_are_measured_often_at_first() -> None:
    config = replace(CONFIG, rematch_every=10)
    due = [step for step in range(35) if config.rematches_at(step)]
    assert due == [0, 1, 2, 4, 8, 10, 20, 30]


@given(st.integers(0, 20), st.integers(0, 5))
def test_batches_drawn_ahead_come_in_order(count: int, workers: int) -> None:
    indices = range(3, 3 + 2 * count, 2)
    assert list(draw_ahead(lambda i: i, indices, workers)) == list(indices)


def test_an_error_of_draw_surfaces_and_ends_the_threads() -> None:
    def draw(index: int):
        if index == 2:
            raise Refusal("a photograph", "an empty file", "remove 2.png")
        return index

    before = threading.active_count()
    with pytest.raises(Refusal, match=r"remove 2\.png"):
        list(draw_ahead(draw, range(50), 2))
    assert threading.active_count() == before


def test_the_average_is_the_recurrence_written_out() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(2.0)
    average, expected = start_average(model), 2.0
    for step, value in enumerate([3.0, 5.0, 4.0]):
        with torch.no_grad():
            model.weight.fill_(value)
        update_average(average, model, decay=0.15, step=step)
        d = min(0.15, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * value
    assert averaged_model(average, model).weight.item() == pytest.approx(expected)
    assert model.weight.item() == 4.0


def test_perplexity_counts_equally_used_codes() -> None:
    assert float(perplexity(torch.tensor([[0, 5], [9, 7]]))) == pytest.approx(4)
    assert float(perplexity(torch.zeros(3, 2, dtype=torch.int64))) == pytest.approx(1)
    assert math.isnan(perplexity(None))


def test_the_mean_colour_is_taken_inside_the_field_of_view() -> None:
    images = torch.zeros(1, 3, 2, 2)
    images[:, :, 0, 0], images[:, :, 1, 1] = 1.0, -1.0
    fov = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert torch.equal(mean_colours(Batch(images, fov)), torch.full_like(images, 0.5))


def test_the_preflight_takes_as_many_images_as_it_says() -> None:
    def draw(index: int) -> Batch:
        return Batch(torch.full((3, 3, 2, 2), float(index)), torch.ones(3, 1, 2, 2))

    batch = first_images(draw, 8)
    assert batch.images[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]


def test_a_journal_cut_by_a_kill_is_read_and_cut_back(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        journal.append(tmp_path / journal.LOG, {"step": step, "total": math.nan})
    with (tmp_path / journal.LOG).open("a") as stream:
        stream.write('{"step": 4, "to')
    journal.cut_back(tmp_path, 2)
    assert (tmp_path / journal.LOG).read_text().splitlines() == [
        '{"step": 1, "total": null}',
        '{"step": 2, "total": null}',
    ]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's full device")
def test_a_journal_on_a_full_disk_says_so() -> None:
    with pytest.raises(DiskFull, match=r"could not write /dev/full: No space left on device"):
        journal.append(Path("/dev/full"), {"step": 1})


def healthy(watch: Watch, **changed: float) -> None:
    see_step(watch, CONFIG, **({"pixel": 0.1, "contrast": 0.9, "perplexity": 100.0} | changed))


@pytest.mark.parametrize(
    ("sign", "message"),
    [
        ({"contrast": 0.01}, r"one colour for 3 steps: the decoder collapsed"),
        ({"perplexity": 1.2}, r"perplexity below 2 for 3 steps: the codebook collapsed.*kind fsq"),
    ],
)
def test_collapse_stops_only_when_it_lasts(sign: dict[str, float], message: str) -> None:
    watch = Watch()
    for _ in range(5):
        healthy(watch, **sign)
        healthy(watch, **sign)
        healthy(watch)
    healthy(watch, **sign)
    healthy(watch, **sign)
    with pytest.raises(TrainingStopped, match=message):
        healthy(watch, **sign)


def test_divergence_stops_when_the_pixel_loss_stays_high() -> None:
    watch = Watch()
    for _ in range(200):
        healthy(watch)
    healthy(watch, pixel=5.0)  # one wild batch is no divergence
    assert watch.rising == 0
    while watch.rising < CONFIG.patience_steps - 1:
        healthy(watch, pixel=2.0)
    with pytest.raises(TrainingStopped, match=r"the training diverged.*learning_rate below 1"):
        healthy(watch, pixel=2.0)


def test_without_a_codebook_nothing_is_said_about_it(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch()
    for _ in range(10):
        healthy(watch, perplexity=math.nan)
    progress = Progress(
        step=5, steps=10, images_per_s=20.0, seconds=5.0, seconds_left=65.0, total=0.25,
        terms={"l1": 0.2}, perplexity=math.nan, codebook_use=math.nan,
    )  # fmt: skip
    rich_progress("arm")(progress)
    captured = capsys.readouterr()
    assert captured.err.strip() == (
        "arm: step 5/10 · loss 0.2500 · l1 0.2000 · 20.0 images/s · 1:05 left"
    )
    assert captured.out == ""


def test_a_device_is_never_replaced_by_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(Refusal, match=r"expected a file to write; got .*pipe, which is a device"):
        artefacts.write_text(pipe, "words")
    assert pipe.is_fifo()


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    artefacts.write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"

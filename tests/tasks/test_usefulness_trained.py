"""Trained backbones: planted colour is learnt, dealt labels are not, a kill changes nothing."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from colour_eyes import SIDE, SMALL, SMALL_VIT, eyes, small, squares
from useful_eyes import backbone_of, toy

from retinaforge.core import Refusal, RetinaForgeError
from retinaforge.metrics.prediction import auroc
from retinaforge.tasks import (
    usefulness_backbone,
    usefulness_cost,
    usefulness_fit,
    usefulness_plan,
    usefulness_results,
    usefulness_scores,
)
from retinaforge.tasks.usefulness_arms import Arm, arms_of, only, pool_of
from retinaforge.tasks.usefulness_augment import STRONG, USUAL, altered
from retinaforge.tasks.usefulness_backbone import beside_each_other, borrowed, lent
from retinaforge.tasks.usefulness_choice import chosen
from retinaforge.tasks.usefulness_cost import cost_of
from retinaforge.tasks.usefulness_features import rows_of
from retinaforge.tasks.usefulness_fit import Job, fit_all
from retinaforge.tasks.usefulness_labels import together_rows
from retinaforge.tasks.usefulness_rounds import Material, rounds_of
from retinaforge.tasks.usefulness_start import Start, start_of
from retinaforge.tasks.usefulness_study import Done, Options, Plan, Prepared
from retinaforge.tasks.usefulness_tables import arm_rows
from retinaforge.tasks.usefulness_target import Labels, Question
from retinaforge.tasks.usefulness_teach import Course, masked_loss, probabilities, teach
from retinaforge.training.watch import TrainingStopped

REAL = Arm("real", "real")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def area(material: Material, places: np.ndarray, said: np.ndarray) -> float:
    truth = material.labels.values[places, 0].astype(int)
    return float(auroc(truth, said, np.ones((1, len(said))))[0])


@pytest.mark.parametrize("shape", [SMALL, SMALL_VIT], ids=["resnet", "vit"])
def test_a_planted_colour_is_learnt_and_dealt_labels_are_not(shape) -> None:
    found = {}
    for shuffled in (False, True):
        material, pixels = eyes(teach=60, judge=80, drawn=20, shuffled=shuffled)
        one = rounds_of(material, seeds=1)[0][0]
        backbone = small(material, pixels, start=Start("tiny", shape))
        pool = pool_of(REAL, one, material)
        said = backbone.fit(pool, one.judge, seed=0, settings=[(3e-3, 0.05)])[0]
        assert said.sum(axis=1) == pytest.approx(1, abs=1e-5)
        found[shuffled] = area(material, one.judge, said)
    assert found[False] > 0.95
    assert 0.3 < found[True] < 0.7


def test_synthetic_images_teach_what_the_strong_arm_and_the_photographs_show(tmp_path) -> None:
    material, pixels = eyes(teach=24, judge=60, drawn=48)
    rounds = rounds_of(material, seeds=1)[0]
    arms = only(arms_of(rounds, (1.0,)), ("augmented", "synthetic", "real+shuffled"))
    assert [arm.name for arm in arms] == ["real", "augmented", "real+shuffled 1", "synthetic"]
    backbone = small(material, pixels, steps=20)
    jobs = [Job(arm, rounds[0]) for arm in arms]
    told: list[tuple[int, int]] = []
    fits = list(fit_all(jobs, material, backbone, tmp_path, on_fit=lambda *c: told.append(c)))
    areas = {fit.job.arm.name: area(material, fit.places["judge"], fit.answers["judge"])
             for fit in fits}  # fmt: skip
    assert min(areas["real"], areas["augmented"], areas["synthetic"]) > 0.9
    assert told == [(k, 4) for k in range(5)]
    assert all(fit.setting in backbone.settings for fit in fits)
    assert sorted(fits[0].answers) == ["judge", "synthetic"]
    assert not list((tmp_path / "parts").iterdir())
    again = list(fit_all(jobs, material, backbone, tmp_path,
                         on_fit=lambda *c: told.append(c)))  # fmt: skip
    assert told[-1] == (4, 4)
    assert len(told) == 6
    assert [fit.setting for fit in again] == [fit.setting for fit in fits]


def test_a_killed_training_goes_on_to_the_same_answers(tmp_path: Path) -> None:
    material, pixels = eyes(teach=24, judge=20, drawn=4)
    one = rounds_of(material, seeds=1)[0][0]
    job, whole = Job(REAL, one), small(material, pixels, steps=8, every_s=0.0)
    expected = next(fit_all([job], material, whole, tmp_path / "whole", on_fit=_nothing))
    steps = []

    def stop() -> None:
        steps.append(1)
        if len(steps) in (13, 20):  # in the second of the two that choose, then in the last
            raise KeyboardInterrupt

    halting = replace(whole, on_step=stop)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            next(fit_all([job], material, halting, tmp_path / "cut", on_fit=_nothing))
    assert list((tmp_path / "cut/parts").rglob("checkpoint.pt"))
    found = next(fit_all([job], material, halting, tmp_path / "cut", on_fit=_nothing))
    # 8 + 8 + 8 steps; after each stop the one that was under way is taken again.
    assert 24 <= len(steps) <= 26
    assert found.setting == expected.setting
    for where in expected.answers:
        assert np.array_equal(found.answers[where], expected.answers[where])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["trained", "linear"])
def test_two_processes_give_the_numbers_of_one(kind: str, tmp_path: Path) -> None:
    if kind == "trained":
        material, pixels = eyes(teach=24, judge=20, drawn=24)
        backbone = small(material, pixels, steps=6)
    else:
        material, vectors = toy(teach=24, judge=20, drawn=24)
        backbone = backbone_of(material, vectors)
    rounds = rounds_of(material, seeds=2)[0]
    jobs = [Job(arm, one) for one in rounds for arm in arms_of(rounds, (1.0,))[:4]]
    one = list(fit_all(jobs, material, backbone, tmp_path / "1", on_fit=_nothing))
    two = list(fit_all(jobs, material, backbone, tmp_path / "2", on_fit=_nothing, workers=2))
    for fit, other in zip(one, two, strict=True):
        assert (fit.job.name, fit.setting) == (other.job.name, other.setting)
        assert all(np.array_equal(fit.answers[k], other.answers[k]) for k in fit.answers)
    assert not list((tmp_path / "2").glob(".lent-*"))


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "wait.py"
    script.write_text(
        "import os, pathlib, sys, time\n"
        "from retinaforge.tasks.crew import work_through\n"
        "def job(k):\n"
        "    pathlib.Path(sys.argv[1], str(os.getpid())).touch()\n"
        "    time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    list(work_through(range(2), job, workers=2))\n"
    )
    out = tmp_path / "out"
    out.mkdir()
    caller = subprocess.Popen([sys.executable, str(script), str(out)])
    try:
        assert _until(lambda: len(list(out.iterdir())) == 2)
        caller.kill()
        caller.wait()
        assert _until(lambda: not any(_alive(int(p.name)) for p in out.iterdir()))
    finally:
        for path in out.iterdir():
            if _alive(int(path.name)):
                os.kill(int(path.name), signal.SIGKILL)


def _until(holds) -> bool:
    end = time.monotonic() + 120
    while time.monotonic() < end and not holds():
        time.sleep(0.1)
    return holds()


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _nothing(*_: object) -> None:
    return None


def test_a_process_that_dies_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    material, pixels = eyes(teach=12, judge=8, drawn=4)
    one = rounds_of(material, seeds=1)[0][0]
    monkeypatch.setattr(usefulness_fit, "work_through", lambda todo, work, workers: [
        (task, None) for task in todo
    ])  # fmt: skip
    with pytest.raises(RetinaForgeError, match=r"1 trainings ended with their process, perhaps for "
                       r"want of memory: split-real-seed0; .* fewer at once"):  # fmt: skip
        list(fit_all([Job(REAL, one)], material, small(material, pixels), tmp_path,
                     on_fit=_nothing, workers=2))  # fmt: skip


def test_arrays_are_lent_as_files_and_swept_after_a_kill(tmp_path: Path) -> None:
    material, pixels = eyes(teach=12, judge=8, drawn=4)
    backbone = small(material, pixels, on_step=lambda: None)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / f".lent-{gone.pid}"
    left.mkdir()
    with lent(backbone, tmp_path, workers=2) as given:
        assert not left.exists()
        assert len(pickle.dumps(given)) < 4000
        back = borrowed(pickle.loads(pickle.dumps(given)))
        assert isinstance(back.pixels, np.memmap)
        assert np.array_equal(back.pixels, pixels)
        assert back.facts() == backbone.facts()
    assert not list(tmp_path.iterdir())


def test_trainings_beside_each_other_stay_within_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usefulness_backbone, "memory_at_hand", lambda: 5.0 * 2**30)
    count, said = beside_each_other(4, each=2**31, most=9)
    assert count == 2
    assert said == "4 trainings at once were asked for; memory is there for 2, at 2.0 GiB each"
    assert beside_each_other(3, each=1, most=2) == (2, "")
    assert beside_each_other(None, each=2**40, most=9) == (1, "")


def test_unknown_labels_teach_nothing() -> None:
    logits = torch.zeros(3, 4, requires_grad=True)
    nan = float("nan")
    values = torch.tensor([[1.0, nan], [0.0, 1.0], [nan, nan]])
    loss = masked_loss(logits, values, (2, 2))
    assert float(loss.detach()) == pytest.approx(np.log(2))
    (slope,) = torch.autograd.grad(loss, logits)
    assert slope[2].tolist() == [0, 0, 0, 0]
    assert slope[0].tolist() == pytest.approx([0.125, -0.125, 0, 0])
    assert slope[1].tolist() == pytest.approx([-0.125, 0.125, 0.25, -0.25])
    assert float(masked_loss(logits, torch.full((3, 2), nan), (2, 2)).detach()) == 0
    said = probabilities(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), (2, 2))
    assert said.tolist() == [[0.5, 0.5, 0.5, 0.5]]


def test_the_rate_rises_and_falls() -> None:
    course = Course(100, 1.0, 0.0)
    assert [course.rate_at(k) for k in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert course.rate_at(10) == 1.0
    assert course.rate_at(55) == pytest.approx(0.5)
    assert course.rate_at(99) < 0.001


def test_a_setting_that_diverges_is_not_chosen() -> None:
    material, pixels = eyes(teach=24, judge=12, drawn=4)
    one = rounds_of(material, seeds=1)[0][0]
    backbone = small(material, pixels, steps=14, settings=((1e30, 0.0), (3e-3, 0.05)))
    pool = pool_of(REAL, one, material)
    assert chosen(one, pool, material, backbone) == (3e-3, 0.05)
    with pytest.raises(TrainingStopped, match=r"expected finite losses and gradients; got 10 steps "
                       r"on end without, at rate 1e.30, decay 0; give a lower --rate"):  # fmt: skip
        backbone.fit(pool, one.judge, seed=0, settings=[(1e30, 0.0)])


def test_augmentation_depends_on_its_draw_alone_and_leaves_black_black() -> None:
    images = torch.from_numpy(squares(np.array([0.0, 1.0]))).permute(0, 3, 1, 2).float() / 255
    for ranges in (USUAL, STRONG):
        one, two = (altered(images, rng=np.random.default_rng(4), ranges=ranges) for _ in "ab")
        assert torch.equal(one, two)
        assert not torch.equal(one, altered(images, rng=np.random.default_rng(5), ranges=ranges))
        assert float(one[:, :, 0, 0].abs().max()) == 0
        assert float(one.min()) >= 0
        assert float(one.max()) <= 1
    plain = altered(images, rng=np.random.default_rng(4), ranges=USUAL)
    harder = altered(images, rng=np.random.default_rng(4), ranges=STRONG)
    assert (plain - images).abs().mean() < (harder - images).abs().mean()


def test_what_it_costs_is_timed_and_weighed() -> None:
    material, pixels = eyes(teach=12, judge=8, drawn=4)
    backbone = small(material, pixels)
    cost = cost_of(backbone)
    assert cost.trainings == 3
    assert cost_of(replace(backbone, settings=((1e-3, 0.0),))).trainings == 1
    assert cost.guess(100) == pytest.approx(300 * cost.step_s)
    assert 0 < cost.answer_s < cost.step_s
    bigger = cost_of(replace(backbone, batch=64))
    assert bigger.bytes > cost.bytes > 700 * 2**20


def test_a_slow_step_is_reckoned_from_a_few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    material, pixels = eyes(teach=12, judge=8, drawn=4)
    tried: list[int] = []
    monkeypatch.setattr(usefulness_cost, "_tried", lambda _, batch, steps: (
        tried.append(batch) or (3.0, 0.5, 1e6, 10)
    ))  # fmt: skip
    cost = cost_of(small(material, pixels, batch=16))
    assert tried == [4]
    assert (cost.step_s, cost.answer_s) == (12.0, 0.5)
    assert cost.bytes == 700 * 2**20 + 160 + 1.5 * 4e6


def test_the_first_plan_counts_the_arms_that_are_asked_for() -> None:
    assert usefulness_plan._arms(Options(ratios=(1.0, 2.0))) == 7
    asked = ("real+synthetic", "augmented", "real+shuffled 1")
    assert usefulness_plan._arms(Options(ratios=(1.0, 2.0), arms=asked)) == 5


def test_a_long_study_says_what_to_do() -> None:
    assert Plan(8, 5, (40, 0), (900, 0), 0, 3000.0).warning() == ""
    long = Plan(8, 5, (40, 0), (900, 0), 0, 9000.0, 2)
    assert "more than an hour on this machine (2 h 30 min): run some arms first" in long.warning()
    assert long.in_words().endswith("expected 2 h 30 min, 2 trainings at once")


def test_arms_are_refused_by_name() -> None:
    material, _ = eyes(teach=12, judge=8, drawn=30)
    rounds = rounds_of(material, seeds=1)[0]
    arms = arms_of(rounds, (0.5, 2.0))
    assert [a.name for a in only(arms, ("real+synthetic 2",))] == ["real", "real+synthetic 2"]
    assert [a.name for a in only(arms, ("real+synthetic",))] == [
        "real", "real+synthetic 0.5", "real+synthetic 2",
    ]  # fmt: skip
    with pytest.raises(Refusal, match=r"expected arms of this study \(real, augmented, .*\); got "
                       r"real\+synthetic 9; ratios come from --ratio"):  # fmt: skip
        only(arms, ("real+synthetic 9",))
    with pytest.raises(Refusal, match=r"expected arms \(real, augmented, .*\); got strong; name"):
        Options(arms=("strong",))


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"expected a backbone \(linear, resnet18, resnet50, vit-b16"):
        start_of("resnet152")
    with pytest.raises(Refusal, match=r"expected a weight file; got .*nowhere.pth, which is no"):
        start_of("resnet18", tmp_path / "nowhere.pth")


def test_some_rows_of_a_map_stay_mapped(tmp_path: Path) -> None:
    rows = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
    keep = np.array([True, False, True, True])
    some = rows_of(rows, keep, tmp_path)
    assert np.array_equal(some, rows[keep])
    assert rows_of(rows, keep | True, tmp_path).shape == rows.shape
    assert not list(tmp_path.iterdir())


def test_the_loop_takes_a_last_partial_batch_of_questions() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, 4))
    before = [p.detach().clone() for p in network.parameters()]
    images = torch.rand(2, 3, SIDE, SIDE)
    unknown = torch.full((2, 2), float("nan"))
    teach(network, lambda _: (images, unknown), Course(2, 1e-2, 0.0), (2, 2))
    after = list(network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_labels_together_leave_out_what_nobody_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usefulness_scores, "RESAMPLES", 100)
    material, pixels = eyes(teach=24, judge=24, drawn=8)
    values = np.repeat(material.labels.values, 3, axis=1)
    values[::3, 1] = np.nan
    judged = material.origin == "real"
    judged[:24] = False
    values[judged, 2] = 0.0
    asked = tuple(Question(n, "class", ("no", "yes")) for n in ("drusen", "cataract", "rare"))
    labels = Labels(asked, values, material.labels.reasons)
    material = replace(material, labels=labels)
    rounds, words = rounds_of(material, seeds=2)
    backbone = small(material, pixels, steps=20, settings=((3e-3, 0.05),))
    jobs = [Job(REAL, one) for one in rounds]
    fits = list(fit_all(jobs, material, backbone, tmp_path, on_fit=_nothing))
    plan, prepared = Plan(1, 2, (2, 0), (56, 0), 0, 1.0), Prepared(material, pixels, [], (), (), ())
    done = Done(prepared, rounds, words, [REAL], fits, plan, backbone.facts(), 1.0, Options())
    rows = {row["metric"]: row for row in together_rows(done)}
    assert list(rows) == ["auroc", "average_precision", "finding_f1"]
    for metric, row in rows.items():
        assert row["value"] > (0.5 if metric == "finding_f1" else 0.9)
        assert row["interval"][0] <= row["value"] <= row["interval"][1]
        assert row["labels"] == 2
        assert row["left_out"] == [{"label": "rare", "reason": "all images that judge are rare no"}]
    single = [r for r in arm_rows(done) if r["question"] == "rare" and r["where"] == "judge"]
    lone = {r["metric"]: (r["value"], r["reason"]) for r in single}
    for metric in ("auroc", "average_precision", "finding_f1", "macro_f1"):
        assert lone[metric] == (None, "all images that judge are rare no")


def test_a_network_that_calls_all_alike_is_told() -> None:
    row = {"arm": "real", "where": "judge", "level": "image", "metric": "balanced_accuracy",
           "class": "", "question": "referable", "value": 0.5, "per_seed": [0.5, 0.5]}  # fmt: skip
    told = {"questions": [{"name": "referable", "classes": ["no", "yes"]}], "results": [row]}
    assert "every image is called alike (referable)" in usefulness_results._all_alike(told)[0]
    for other in ({"value": 0.6}, {"arm": "synthetic"}, {"per_seed": [0.4, 0.6]}):
        assert usefulness_results._all_alike({**told, "results": [row | other]}) == []

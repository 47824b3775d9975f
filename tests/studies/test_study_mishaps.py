"""A killed arm and a full disk cost nothing but time: the same call goes on."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from retinaforge.core import artefacts
from retinaforge.core.artefacts import DiskFull
from retinaforge.phantoms import write_phantoms
from retinaforge.studies import load_study, run_study

STUDY = """
name = "mishap"
question = "q"
expected = "e"
[data]
sheet_px = 192
[model]
widths = [8, 8]
codes = 32
[train]
steps = 300
crop_px = 96
batch_size = 2
learning_rate = 0.004
precision = "fp32"
checkpoint_every = 20
seeds = [0]
seeds_gpu = [0]
[measure]
judges = ["classical"]
eyes = 1
[[arm]]
name = "l1"
loss = "l1"
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_phantoms(folder, count=12, size_px=192, seed=2)
    return folder


def _study_file(folder: Path, text: str = STUDY) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def _worker_of(out: Path) -> int | None:
    found = subprocess.run(
        ["pgrep", "-f", f"retinaforge.studies.worker {out} "], capture_output=True, text=True
    ).stdout.split()
    return int(found[0]) if found else None


@pytest.mark.slow
def test_a_killed_arm_is_named_and_resumes(data: Path, tmp_path: Path) -> None:
    study = load_study(_study_file(tmp_path))
    out = tmp_path / "out"
    killed: list[int] = []

    def kill_once(run, jobs) -> None:
        pid = _worker_of(out)
        if not killed and pid and (out / "arms/l1/seed-0/checkpoint.pt").is_file():
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    first = run_study(study, data, out, until="trained", on_tick=kill_once)
    assert killed
    assert first.failed == (("l1", 0, "killed by SIGKILL; run the same command to resume"),)
    before = (out / "arms/l1/seed-0/log.jsonl").read_text().splitlines()
    again = run_study(study, data, out, until="trained")
    assert again.failed == ()
    after = (out / "arms/l1/seed-0/log.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in after]
    assert steps == sorted(set(steps))  # no line twice
    kept = json.loads(before[0])["step"]
    assert steps[0] == kept  # what was logged before the last checkpoint stands
    assert json.loads((out / "arms/l1/seed-0/result.json").read_text())["steps"] == 300


def test_a_full_disk_at_the_end_loses_no_arm(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = load_study(_study_file(tmp_path, STUDY.replace("steps = 300", "steps = 40")))
    out = tmp_path / "out"
    real = os.replace

    def full(source: str, target: str) -> None:
        if Path(target).name == "scorecard.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(artefacts.os, "replace", full)
    with pytest.raises(DiskFull, match="No space left on device; free some space and run the same"):
        run_study(study, data, out)
    assert not (out / "scorecard.json").exists()
    assert not list(out.glob(".scorecard.json.*"))
    monkeypatch.undo()
    began = time.monotonic()
    model = out / "arms/l1/seed-0/model/diffusion_pytorch_model.safetensors"
    stamp = model.stat().st_mtime_ns
    outcome = run_study(study, data, out)
    assert outcome.report == out / "report.html"
    assert model.stat().st_mtime_ns == stamp, f"trained again in {time.monotonic() - began:.0f} s"


def test_a_full_disk_in_an_arm_is_its_reason(data: Path, tmp_path: Path) -> None:
    """The arm's folder cannot be written (a file stands where its checkpoint's folder would)."""
    study = load_study(_study_file(tmp_path, STUDY.replace("steps = 300", "steps = 20")))
    out = tmp_path / "out"
    (out / "arms/l1/seed-0").mkdir(parents=True)
    (out / "arms/l1/seed-0/model").write_text("in the way")
    outcome = run_study(study, data, out, until="trained")
    assert [arm for arm, _, _ in outcome.failed] == ["l1"]
    assert "model" in outcome.failed[0][2]

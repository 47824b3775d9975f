"""Real processes: killed at any moment, and several at once through torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_training_loop import CONFIG, fresh_adversary, go, log_of

WORKER = Path(__file__).parent / "training_worker.py"
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@pytest.mark.slow
def test_sigkill_loses_nothing_but_the_steps_since_the_last_checkpoint(tmp_path: Path) -> None:
    steps, killed = 60, tmp_path / "killed"
    command = [sys.executable, str(WORKER), str(killed), str(steps)]
    process = subprocess.Popen(command, env=ONE_THREAD)
    log = killed / "log.jsonl"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and len(log.read_bytes().splitlines()) >= 4:
            break
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (killed / "result.json").exists()
    config = replace(CONFIG, steps=steps, checkpoint_every=2)
    result = go(killed, config=config, adversary=fresh_adversary())
    assert result.state == "trained"
    go(tmp_path / "straight", config=config, adversary=fresh_adversary())
    assert log_of(killed) == log_of(tmp_path / "straight")


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    # A port of its own choice, so that two test runs on one machine do not meet.
    command = [*torchrun, "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    subprocess.run(
        [*command, str(WORKER), str(tmp_path), "8"], env=ONE_THREAD, check=True, timeout=240
    )
    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))
    assert first["asked"] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert second["asked"] == [1, 3, 5, 7, 9, 11, 13, 15]
    assert first["state"] == second["state"] == "trained"
    for name, weight in first["weights"].items():
        if name != "bottleneck.use.histogram":  # each process counts its own codes
            assert torch.equal(weight, second["weights"][name]), name
    log = log_of(tmp_path)
    assert [line["step"] for line in log] == [2, 4, 6, 8]
    assert {line["processes"] for line in log} == {2}
    assert log[-1]["terms"]["l1"] < log[0]["terms"]["l1"]
    assert log[-1]["adversary"]["weight"] > 0

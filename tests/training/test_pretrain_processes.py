"""Pretraining in two real processes through torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pretrain_toys import log_of

WORKER = Path(__file__).parent / "pretrain_worker.py"
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mae", "dino"])
def test_two_processes_pretrain_one_encoder(name: str, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command = [*torchrun, "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    subprocess.run(
        [*command, str(WORKER), str(tmp_path), name], env=ONE_THREAD, check=True, timeout=240
    )
    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))
    # The precision is asked for, so no batch is drawn for a probe.
    assert first["asked"] == list(range(0, 48, 2))
    assert second["asked"] == list(range(1, 48, 2))
    assert first["state"] == second["state"] == "trained"
    for key, weight in first["weights"].items():
        assert torch.equal(weight, second["weights"][key]), key
    log = log_of(tmp_path)
    assert {line["processes"] for line in log} == {2}
    assert log[-1]["loss"] < log[0]["loss"]

"""A generator's training in two real processes, whole weights or sharded, against one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from retinaforge.training import journal

WORKER = Path(__file__).parent / "generator_worker.py"
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TORCHRUN = [
    sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
    "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0",
]  # fmt: skip


def train(folder: Path, *words: str, two: bool, passes: int = 1, dies_at: int = -1) -> int:
    command = [*(TORCHRUN if two else [sys.executable]), str(WORKER), str(folder), "8", str(passes)]
    environment = ONE_THREAD | {"DIES_AT": str(dies_at)}
    done = subprocess.run(
        [*command, *words], env=environment, timeout=300, capture_output=True, text=True
    )
    assert done.returncode == 0 or dies_at >= 0, done.stderr[-3000:]
    return done.returncode


def losses(folder: Path) -> list[float]:
    lines = journal.read(folder / journal.LOG)
    assert [line["step"] for line in lines] == list(range(1, 9))
    return [line["loss"] for line in lines]


def averaged(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "averaged.pt")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    train(folder, two=False)
    return folder


def same(one: Path, other: Path, *, within: float) -> None:
    assert losses(one) == pytest.approx(losses(other), rel=within)
    kept, given = averaged(one), averaged(other)
    assert kept.keys() == given.keys()
    for name, weight in kept.items():
        assert torch.allclose(weight, given[name], atol=50 * within), name


@pytest.mark.slow
def test_passes_add_up_to_the_whole_batch(alone: Path, tmp_path: Path) -> None:
    train(tmp_path, two=False, passes=4)
    same(tmp_path, alone, within=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("sharded",)], ids=["DDP", "FSDP2"])
def test_two_processes_learn_what_one_learns(
    words: tuple[str, ...], alone: Path, tmp_path: Path
) -> None:
    train(tmp_path, *words, two=True, passes=2)
    same(tmp_path, alone, within=1e-5)


@pytest.mark.slow
def test_sharded_weights_go_on_after_a_kill(alone: Path, tmp_path: Path) -> None:
    assert train(tmp_path, "sharded", two=True, dies_at=6) != 0
    assert not (tmp_path / "result.json").exists()
    train(tmp_path, "sharded", two=True)
    same(tmp_path, alone, within=1e-5)

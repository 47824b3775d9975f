"""Many jobs over several processes: nothing lost, nothing piled up."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from retinaforge.tasks.crew import IN_HAND, work_through

DEADLY = 3


def square(job: int) -> int:
    """Return a square."""
    return job * job


def square_or_die(job: int) -> int:
    """Return a square, or end the process as the system does when memory runs out."""
    if job == DEADLY:
        os._exit(9)
    return job * job


def test_in_this_process() -> None:
    threads = torch.get_num_threads()
    assert list(work_through(range(4), square, workers=1)) == [(0, 0), (1, 1), (2, 4), (3, 9)]
    assert torch.get_num_threads() == threads


@pytest.mark.slow
def test_over_two_processes_with_few_jobs_in_hand() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for job in range(12):
            taken.append(job)
            yield job

    done = []
    for job, result in work_through(jobs(), square, workers=2):
        done.append((job, result))
        assert len(taken) - len(done) <= 2 * IN_HAND
    assert sorted(done) == [(job, job * job) for job in range(12)]


@pytest.mark.slow
def test_a_process_that_dies_costs_one_job() -> None:
    done = dict(work_through(range(7), square_or_die, workers=2))
    assert done == {job: None if job == DEADLY else job * job for job in range(7)}

"""A crew: many jobs over several processes, few in hand at a time, none lost with a process.

A process that dies (out of memory, a crash in a library) takes its pool with it. What was in hand
is then tried again one by one, each in a process of its own; what kills that one too is named.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

J = TypeVar("J")
R = TypeVar("R")
IN_HAND = 2
"""Jobs waiting for each process; more would only hold memory."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What PyTorch and the libraries of linear algebra read when they are loaded."""


def _settle() -> None:
    """Prepare a process: one thread, since processes beside each other do more than threads.

    PyTorch is not loaded for it: it takes more memory than measuring a mask does.
    """
    os.environ.update(dict.fromkeys(THREADS, "1"))
    _set_threads(1)
    # Ctrl-C reaches the whole group; the process that was called ends the others, without noise.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_leave_with_caller, daemon=True).start()


def _leave_with_caller() -> None:
    """End this process when the one that started it is gone, killed perhaps."""
    caller = parent_process()
    if caller is not None:
        caller.join()
        os._exit(1)


def _pool(workers: int) -> ProcessPoolExecutor:
    # "spawn", as forking a process that runs PyTorch threads may hang.
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_settle)


def work_through(
    jobs: Iterable[J], work: Callable[[J], R], *, workers: int
) -> Iterator[tuple[J, R | None]]:
    """Yield every job with its result as it comes; None where the job killed its process.

    Args:
        jobs: read as they are needed.
        work: can be pickled, as jobs and results can.
        workers: 1 works in this process, where a crash is the end of it.
    """
    if workers == 1:
        yield from _here(jobs, work)
        return
    waiting = iter(jobs)
    while True:
        in_hand: dict[Future[R], J] = {}
        try:
            yield from _until_broken(waiting, work, workers, in_hand)
            return
        except BrokenProcessPool:
            for job in in_hand.values():
                yield job, _alone(job, work)


def _here(jobs: Iterable[J], work: Callable[[J], R]) -> Iterator[tuple[J, R]]:
    """Work in this process, with one thread too: sums over several end in other last digits.

    Whoever brings networks has loaded PyTorch by now; who has none needs no threads.
    """
    torch = sys.modules.get("torch")
    threads = 1 if torch is None else torch.get_num_threads()
    _set_threads(1)
    try:
        for job in jobs:
            yield job, work(job)
    finally:
        _set_threads(threads)


def _set_threads(count: int) -> None:
    """Tell PyTorch how many threads to use, if it is there at all."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


def _until_broken(
    waiting: Iterator[J], work: Callable[[J], R], workers: int, in_hand: dict[Future[R], J]
) -> Iterator[tuple[J, R]]:
    with _pool(workers) as pool:
        try:
            while True:
                for job in islice(waiting, IN_HAND * workers - len(in_hand)):
                    in_hand[_submitted(pool, work, job, in_hand)] = job
                if not in_hand:
                    return
                done, _ = wait(in_hand, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    yield in_hand.pop(future), result
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _submitted(
    pool: ProcessPoolExecutor, work: Callable[[J], R], job: J, in_hand: dict[Future[R], J]
) -> Future[R]:
    """Hand over a job; one that a broken pool refuses is in hand all the same."""
    try:
        return pool.submit(work, job)
    except BrokenProcessPool:
        in_hand[Future()] = job
        raise


def _alone(job: J, work: Callable[[J], R]) -> R | None:
    with _pool(1) as pool:
        try:
            return pool.submit(work, job).result()
        except BrokenProcessPool:
            return None

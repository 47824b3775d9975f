"""Freed memory is kept where the system lets us ask, and nothing breaks where it does not."""

import resource
import sys

import numpy as np
import pytest

from retinaforge.core.allocator import keep_freed_memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the GNU C library alone listens")
def test_an_array_of_the_same_size_fetches_no_new_pages() -> None:
    if not keep_freed_memory():
        pytest.skip("no GNU C library")
    np.ones(2**21)  # 16 MiB; its pages stay
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(2**21)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 4096


def test_another_system_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_freed_memory.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
    keep_freed_memory.cache_clear()

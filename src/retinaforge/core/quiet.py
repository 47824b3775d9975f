"""Keeping other packages' bars out of our narration."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_bars(library: Any) -> Generator[None, None, None]:
    """Silence the bars of transformers or diffusers, and leave them as they were.

    Args:
        library: the package, imported by the caller; its switch holds for the whole process.
    """
    switch = library.utils.logging
    shown = switch.is_progress_bar_enabled()
    switch.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            switch.enable_progress_bar()

"""Work that several biomarkers share is done once for each vasculature."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

from retinaforge.vessels.vasculature import Vasculature

Result = TypeVar("Result")


def once(work: Callable[[Vasculature], Result]) -> Callable[[Vasculature], Result]:
    """Let a function run once for each vasculature; the result is kept with it, as a cached
    property's would be."""
    name = f"{work.__module__}.{work.__qualname__}"

    @wraps(work)
    def kept(vasculature: Vasculature) -> Result:
        if name not in vasculature.__dict__:
            vasculature.__dict__[name] = work(vasculature)
        return cast(Result, vasculature.__dict__[name])

    return kept

"""How well a biomarker repeats: what `benchmarks/biomarker_retest.py` measured, for the cards.

The numbers are a file of the package that the benchmark writes and nobody types. A column counts as
not measured where its definition has changed since (another version), or it is newer than the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

FILE = "retest.json"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Retest:
    """Agreement of two photographs of the same eyes by two cameras.

    Attributes:
        icc: ICC(A,1), or None where there is none.
        low: lower end of its 95 % interval.
        high: upper end.
        n: eyes that gave a value twice.
        reason: why there is none; empty otherwise.
    """

    icc: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str = ""

    def __str__(self) -> str:
        """Return it as tables show it, e.g. "0.87 (0.81 to 0.92)"."""
        if self.icc is None:
            return self.reason
        if self.low is None or self.high is None:
            return f"{self.icc:.2f}"
        return f"{self.icc:.2f} ({self.low:.2f} to {self.high:.2f})"


@lru_cache(maxsize=1)
def retest_file() -> dict[str, Any]:
    """Return the file's content: how it was made, and one entry a column."""
    file = resources.files("retinaforge.vessels.biomarkers") / FILE
    return json.loads(file.read_text(encoding="utf-8"))


def retest_of(column: str, version: int) -> Retest:
    """Return what was measured of one version of a column."""
    entry = retest_file()["columns"].get(column)
    if entry is None or entry["version"] != version:
        return Retest(None, reason=NOT_MEASURED)
    return Retest(entry["icc"], entry.get("low"), entry.get("high"), entry["n"],
                  entry.get("reason", ""))  # fmt: skip

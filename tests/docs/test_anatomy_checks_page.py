"""docs/reference/anatomy-checks.md says what the result file says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _tool():
    path = ROOT / "tools" / "anatomy_checks_page.py"
    spec = importlib.util.spec_from_file_location("anatomy_checks_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current() -> None:
    tool = _tool()
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), (
        "run: python tools/anatomy_checks_page.py"
    )


def test_a_share_states_its_interval_or_that_nothing_was_judged() -> None:
    tool = _tool()
    assert tool.share({"k": 1, "n": 4, "interval": [0.05, 0.7]}) == "1 of 4 (5–70 %)"
    assert tool.share({"k": 0, "n": 0, "interval": None}) == "not judged"

"""The reference page is what the cards say, and the how-to's example runs."""

from __future__ import annotations

import re
from pathlib import Path

from retinaforge.losses.reference import render

DOCS = Path(__file__).parents[2] / "docs"


def test_reference_page_is_up_to_date():
    page = (DOCS / "reference/losses.md").read_text(encoding="utf-8")
    assert page == render(), "run python -m retinaforge.losses.reference > docs/reference/losses.md"


def test_how_to_example_runs():
    text = (DOCS / "how-to/add-a-loss.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "add-a-loss.md", "exec"), {"__name__": "how_to"})

"""The reference pages that are made from code say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_tools import page_tool

from retinaforge.studies.plan import Study, TrainPlan

ROOT = Path(__file__).parents[2]


TOOL = page_tool("make_reference")


@pytest.mark.parametrize(("name", "page"), TOOL.PAGES, ids=[name for name, _ in TOOL.PAGES])
def test_the_page_is_current(name: str, page) -> None:
    kept = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert kept == page(), "run: python tools/make_reference.py"


def test_every_field_of_a_study_has_its_meaning_and_its_limits() -> None:
    page = TOOL.study_page()
    for cls in (Study, TrainPlan):
        assert [name for name in cls.model_fields if f"| `{name}` |" not in page] == []
    assert "| `crop_px` | whole number, at least 32 | `256` |" in page
    assert '| `kind` | one of `"vq"`, `"fsq"`, `"kl"` | `"vq"` |' in page
    assert "| `question` | text | must be given |" in page


def test_a_docstring_of_several_lines_becomes_one() -> None:
    assert TOOL.attribute_texts(Study)["encoders"].endswith("then under the working directory.")

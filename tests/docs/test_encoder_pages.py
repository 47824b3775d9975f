"""The pages on encoders are what their tools write from committed results."""

from __future__ import annotations

import json

from page_tools import page_tool


def test_the_page_on_what_encoders_see_is_the_results():
    tool = page_tool("encoder_sight_page")
    told = json.loads(tool.RESULT.read_text(encoding="utf-8"))
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(told)
    assert not told["images"].startswith("/")


def test_the_page_of_the_encoder_study_is_the_scorecard():
    tool = page_tool("encoder_study_page")
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page()
    study = json.loads((tool.RUN / "study.json").read_text(encoding="utf-8"))
    assert study["encoders"]["fundus"] == "fundus"

"""The page of a purification says what grew rarer."""

import json

from retinaforge.reports.generator_step import write_step_page


def page_of(folder, lost):
    told = {
        "step": "purify", "seconds": 1.0, "pairs": 4, "kept": 2,
        "dropped": {"a score below 0.5": 2}, "lost": lost,
    }  # fmt: skip
    (folder / "step.json").write_text(json.dumps(told))
    return write_step_page(folder).read_text()


def test_what_grew_rarer_is_said_and_nothing_where_nothing_did(tmp_path):
    line = "drusen: few falls from 5.7% to 4.2%"
    assert line in page_of(tmp_path, [line])
    assert "What grew rarer" not in page_of(tmp_path, [])

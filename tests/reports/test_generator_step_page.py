"""The page of a purification says what grew rarer."""

import json

from retinaforge.reports.generator_step import loss_curve, write_step_page


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


def test_both_axes_of_a_curve_say_what_they_count():
    log = [{"step": step, "loss": 1 / step} for step in range(1, 40)]
    drawn = str(loss_curve(log))
    assert ">loss: mean squared error of the velocity (no unit)</text>" in drawn
    assert ">optimiser step</text>" in drawn
    assert 'aria-label="Loss against training step"' in drawn
    assert loss_curve(log[:1]) is None

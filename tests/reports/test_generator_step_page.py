"""The page of a purification says what grew rarer."""

import json

from retinaforge.reports.generator_step import loss_curve, write_step_page


def page_of(folder, lost, **more):
    told = {
        "step": "purify", "seconds": 1.0, "pairs": 4, "kept": 2,
        "dropped": {"a score below 0.5": 2}, "lost": lost, **more,
    }  # fmt: skip
    (folder / "step.json").write_text(json.dumps(told))
    return write_step_page(folder).read_text()


def test_what_grew_rarer_is_said_and_nothing_where_nothing_did(tmp_path):
    line = "drusen: few falls from 5.7% to 4.2%"
    assert line in page_of(tmp_path, [line])
    assert "What grew rarer" not in page_of(tmp_path, [])


def word(fact, before, after):
    return {"fact": fact, "word": "yes", "before": 4, "after": 2, "share_before": before,
            "share_after": after}  # fmt: skip


def test_the_page_of_a_purification_says_by_what_whom_and_with_what_loss(tmp_path):
    page = page_of(
        tmp_path, [], warning="4 pairs: below 20 the figures mean little", image_text="own",
        text_text="facts", rule={"keep": 0.5, "least_side_px": 32, "characters": [10, 1024]},
        composition=[word("eye", 0.5, 0.5), word("hard_exudate", 0.3, 0.1)],
        left_out=[{"name": "a.png", "reason": "it is no image"}],
    )  # fmt: skip
    for said in ("below 20 the figures mean little", "32 px", "10 to 1024", "a.png: it is no image",
                 "1 image left out", "30.0 %", "10.0 %"):  # fmt: skip
        assert said in page
    assert page.index("hard exudate: yes") < page.index("eye: yes")
    assert "Every image on this page" not in page, "there is none"


def test_both_axes_of_a_curve_say_what_they_count():
    log = [{"step": step, "loss": 1 / step} for step in range(1, 40)]
    drawn = str(loss_curve(log))
    assert ">loss: mean squared error of the velocity (no unit)</text>" in drawn
    assert ">optimiser step</text>" in drawn
    assert 'aria-label="Loss against training step"' in drawn
    assert loss_curve(log[:1]) is None

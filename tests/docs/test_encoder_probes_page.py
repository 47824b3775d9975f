"""docs/reference/encoder-probes.md says what benchmarks/results/encoder_probes.json says."""

from __future__ import annotations

from types import ModuleType

import pytest
from page_tools import page_tool


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return page_tool("encoder_probes_page")


def test_the_page_is_current(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), (
        "run: python tools/encoder_probes_page.py"
    )


def test_every_question_stands_beside_what_needs_no_training(tool: ModuleType) -> None:
    for name, answers in tool.read()["answers"].items():
        shown = [encoder for _, encoder, _ in tool.who(answers)]
        assert shown[-2:] == ["colours", "constant"], name
        assert "untrained squeezenet" in shown


def test_better_is_said_only_of_intervals_on_the_better_side(tool: ModuleType) -> None:
    def run(interval: list[float], metric: str) -> dict:
        gap = {"encoder": "a", "probe": "linear", "against": "twin", "metric": metric,
               "value": sum(interval) / 2, "interval": interval}  # fmt: skip
        return {"a": {"target": {"metric": metric}, "differences": [gap]}}

    assert tool.better(run([0.1, 0.2], "auroc")).endswith("Not shown to be: none.")
    assert tool.better(run([-0.1, 0.2], "auroc")).endswith("Not shown to be: a.")
    assert tool.better(run([-3.0, -0.2], "mae")).endswith("Not shown to be: none.")
    assert tool.better(run([0.2, 3.0], "mae")).endswith("Not shown to be: a.")
    assert tool.spread({"value": None, "interval": None}) == "—"
    assert tool.spread({"value": -0.25, "interval": [-0.5, 12.345]}) == "−0.250 (−0.500 to 12.34)"

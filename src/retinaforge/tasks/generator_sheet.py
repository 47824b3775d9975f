"""A sheet of samples at the end of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from retinaforge.core import seed_for
from retinaforge.tasks.generator_prepare import Inputs, facts_of
from retinaforge.tasks.generator_recipe import TrainTable
from retinaforge.tasks.pairs import Pair
from retinaforge.tasks.sample_draw import SamplePlan, painting
from retinaforge.tasks.sample_grid import contact_sheet
from retinaforge.tasks.sample_painter import Painter
from retinaforge.tasks.sample_requests import Request, Wording

SHEET = "samples.png"


def draw_sheet(
    painter: Painter, inputs: Inputs, table: TrainTable, folder: Path
) -> list[dict[str, Any]]:
    """Draw a few captions that were not learnt from (else some that were), and write the sheet.

    The same captions and seeds stand on every sheet of a run.
    """
    plan = inputs.recipe.sample
    source = inputs.held_out or inputs.pairs
    asked = [_request(n, pair, painter, inputs) for n, pair in enumerate(source[: plan.images])]
    if not asked:
        return []
    how = SamplePlan(
        size=str(table.size_px), steps=plan.steps, method=plan.method, guidance=plan.guidance
    )
    drawn = painting(painter, how)(asked, None)
    images = [None if d.pixels is None else Image.fromarray(d.pixels) for d in drawn]
    texts = [one.wording.text for one in asked]
    contact_sheet(images, texts, folder / SHEET, columns=4)
    return [
        {"caption": d.request.wording.text, "seed": d.request.seed, "reason": d.reason}
        for d in drawn
    ]


def _request(number: int, pair: Pair, painter: Painter, inputs: Inputs) -> Request:
    seed = seed_for(inputs.recipe.seed, "sample", number)
    wording = Wording(pair.text, pair.name, pair.record)
    return Request(number, seed, wording, _classes(painter, pair))


def _classes(painter: Painter, pair: Pair) -> dict[str, Any]:
    facts = facts_of(pair)
    asked = {kind.name: facts.get(kind.name) for kind in painter.vocabulary.kinds}
    return {name: value for name, value in asked.items() if value is not None}

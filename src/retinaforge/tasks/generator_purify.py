"""The second step of a recipe: which pairs are good enough to be learnt from at high resolution.

Scores and rules are `tasks.purify`'s. Where the recipe names no image-text encoder, one is trained
on the training pairs themselves.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal, seed_for
from retinaforge.encoders import Encoder
from retinaforge.encoders import load as load_encoder
from retinaforge.tasks.contrast_data import ContrastPlan
from retinaforge.tasks.contrast_prepare import prepare
from retinaforge.tasks.contrast_train import MODEL, TextImagePlan, train_image_text
from retinaforge.tasks.generator_preflight import rule_of
from retinaforge.tasks.generator_prepare import Inputs, is_main
from retinaforge.tasks.generator_train import Telling, share
from retinaforge.tasks.pairs import Pair, read_rows
from retinaforge.tasks.purify import KEPT, RANDOM, purify, write_purified
from retinaforge.training.pretrain_config import PretrainConfig

SELECTIONS = {"kept": KEPT, "random": RANDOM}
"""Files of a purification: what it keeps, and as many at random."""


def run_purification(inputs: Inputs, folder: Path, telling: Telling) -> dict[str, Any]:
    """Score every training pair and keep the best; write scores, what is kept, and the controls.

    All processes train the image-text encoder; the main one scores.

    Returns:
        The summary of `write_purified`, with "dropped": pairs by the reason why they went.

    Raises:
        Refusal: if nothing is kept.
    """
    table, recipe = inputs.recipe.purify, inputs.recipe
    rule = rule_of(recipe)
    encoder = _encoder(inputs, folder, telling)
    if not is_main():
        return {}
    found = purify(
        inputs.pairs,
        encoder,
        rule,
        text_text=table.text_text,
        cache=inputs.cache / "image-text",
        on_progress=_counted(telling, "image-text scores"),
    )
    about = {"image_text": table.image_text, "text_text": table.text_text}
    told = write_purified(found, folder, rule, about, seed=recipe.seed)
    below = told["admitted"] - told["kept"]
    dropped = {**told["shut_out"], f"a score below {told['threshold']:.3f}": below}
    return {**told, "dropped": dropped}


def read_selection(folder: Path, pairs: Sequence[Pair], name: str) -> tuple[Pair, ...]:
    """Return the pairs that a purification chose, in the order of `pairs`.

    Args:
        folder: of the step.
        pairs: of the training split.
        name: of SELECTIONS.
    """
    names = {row["file_name"] for row in read_rows(folder / SELECTIONS[name])}
    chosen = tuple(pair for pair in pairs if pair.name in names)
    if not chosen:
        raise Refusal("pairs that purification kept", "none", "raise purify.keep")
    return chosen


def _encoder(inputs: Inputs, folder: Path, telling: Telling) -> Encoder:
    """Return the image-text encoder that is named, or train one."""
    table = inputs.recipe.purify
    if table.image_text != "own":
        return load_encoder(table.image_text)
    seed = seed_for(inputs.recipe.seed, "image-text") % 2**31
    plan = TextImagePlan(
        draws=ContrastPlan(batch=share(table.batch), seed=seed),
        config=PretrainConfig(
            steps=table.steps, warmup_steps=max(1, table.steps // 20), seed=seed,
            precision=table.precision,
        ),
        side_px=table.side_px,
        seed=seed,
    )  # fmt: skip
    # Each process has squares of its own, so that none waits for another.
    home, rank = folder / "image-text", os.environ.get("RANK", "0")
    squares = prepare(
        inputs.pairs, home / f"cache-{rank}", table.side_px, _counted(telling, "image-text squares")
    )
    train_image_text(squares, home, plan, on_progress=telling.on_progress)
    return load_encoder(f"retina-text:{home / MODEL}")


def _counted(telling: Telling, what: str) -> Any:
    if telling.on_count is None:
        return None
    tell = telling.on_count
    return lambda done, count: tell(what, done, count)

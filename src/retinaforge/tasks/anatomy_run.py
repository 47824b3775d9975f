"""From photographs and phantoms to the weights of disc, cup and fovea, with their card.

The level from which heat counts as a fovea is chosen on phantoms that were not learnt from, each
seen whole and once more with the half that holds the fovea hidden; the level of the disc's outline
on photographs put aside, where there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from retinaforge.anatomy import AnatomyModel, read_landmark_network, save_landmark_network
from retinaforge.core import Fov, Photograph, Refusal
from retinaforge.phantoms.phantom import Phantom
from retinaforge.tasks.anatomy_data import (
    anatomy_population,
    draw_population,
    eye_of_record,
    eyes_to_learn_from,
    records_with,
)
from retinaforge.tasks.anatomy_samples import Seen
from retinaforge.tasks.anatomy_train import AnatomyConfig, train_anatomy
from retinaforge.tasks.segmenter_card import begun_with, training_meta, write_card
from retinaforge.tasks.segmenter_data import part_validation

PHANTOM_COUNT, HELD_OUT = 200, 24
LEVELS = {"disc": 0.5, "cup": 0.5, "fovea": 0.2}
"""Before disc's and fovea's are chosen, the cup's always: the network learns probabilities."""

DISC_LEVELS = tuple(round(0.3 + 0.05 * i, 2) for i in range(14))
PLATEAU = 0.005
FOVEA_LEVELS = tuple(round(0.05 + 0.01 * i, 2) for i in range(46))


def hide_fovea(phantom: Phantom) -> tuple[Photograph, Fov]:
    """Return a phantom's photograph with all beyond 1.2 disc diameters towards the fovea black."""
    rows, columns = np.indices(phantom.fov.mask.shape)
    toward = np.subtract(phantom.fovea_px, phantom.disc_centre_px)
    toward = toward / np.linalg.norm(toward)
    along = (columns - phantom.disc_centre_px[0]) * toward[0]
    along += (rows - phantom.disc_centre_px[1]) * toward[1]
    mask = phantom.fov.mask & (along < 2.4 * phantom.disc_radius_px)
    pixels = np.where(mask[..., None], phantom.photograph.pixels, 0).astype(np.uint8)
    hidden = phantom.photograph.after(pixels, "fovea hidden")
    return hidden, replace(phantom.fov, mask=mask, kind="cut circle")


def shows_fovea(phantom: Phantom) -> bool:
    """Tell whether the fovea lies in the picture."""
    column, row = (round(at) for at in phantom.fovea_px)
    height, width = phantom.fov.mask.shape
    return 0 <= row < height and 0 <= column < width and bool(phantom.fov.mask[row, column])


def choose_fovea_level(model: AnatomyModel, phantoms: Iterable[Phantom]) -> tuple[float, float]:
    """Return the level with the fewest wrong answers, the middle one of several, and their share.

    Args:
        model: its own level is not used.
        phantoms: not learnt from.
    """
    shown, hidden = [], []
    for phantom in phantoms:
        if shows_fovea(phantom):
            shown.append(model.maps(phantom.photograph, phantom.fov).fovea.max())
        hidden.append(model.maps(*hide_fovea(phantom)).fovea.max())
    wrong = np.array([np.sum(np.less(shown, t)) + np.sum(np.greater_equal(hidden, t))
                      for t in FOVEA_LEVELS])  # fmt: skip
    best = np.flatnonzero(wrong == wrong.min())
    middle = int(best[len(best) // 2])
    return FOVEA_LEVELS[middle], float(wrong[middle] / (len(shown) + len(hidden)))


def disc_dice(model: AnatomyModel, eyes: Iterable[Seen]) -> Float[np.ndarray, "eyes levels"]:
    """Return 2 |P ∩ D| / (|P| + |D|) of each eye's disc at each of `DISC_LEVELS`."""
    rows = []
    for eye in eyes:
        p, d = model.maps(eye.photo, eye.fov).disc, eye.disc & eye.fov.mask
        marked, total = p[d], int(d.sum())
        rows.append([2.0 * int((marked >= t).sum()) / (int((p >= t).sum()) + total)
                     for t in DISC_LEVELS])  # fmt: skip
    return np.array(rows)


def train_anatomy_segmenter(
    data: Path | None,
    out: Path,
    *,
    phantoms: int = PHANTOM_COUNT,
    begin: Path | None = None,
    config: AnatomyConfig | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> dict[str, Any]:
    """Train on phantoms, with or without photographs; write anatomy.safetensors and card.json.

    Args:
        data: folder of data sets with splits.csv, of which the open training rows with a disc mask
            are learnt from; None learns from phantoms only.
        out: run folder; the same call resumes there.
        phantoms: how many phantoms are learnt from; about 3 MB of memory each.
        begin: weights to begin with, as this command writes them; None begins at random.
        config: the recipe.
        on_step: called with (steps done, loss).

    Returns:
        What card.json says: data, levels, disc Dice on what was held out, SHA-256.

    Raises:
        Refusal: expected at least one phantom, from which cup and fovea are learnt; or training
            rows with a disc mask and licence CC BY 4.0.
    """
    config = config or AnatomyConfig()
    if phantoms < 1:
        raise Refusal("at least one phantom", "none", "cup and fovea are learnt from phantoms only")
    learn, validate = part_validation(records_with(data, "disc")) if data else ([], [])
    if data:
        validate = [*validate, *records_with(data, "disc", split="val")]
    first, before = read_landmark_network(begin) if begin is not None else (None, None)
    eyes = eyes_to_learn_from(learn, phantoms, seed=config.seed)
    network = train_anatomy(eyes, config, out, begin=first, on_step=on_step)
    path = out / "anatomy.safetensors"
    meta = training_meta(
        learn, phantoms, config, levels=LEVELS, whole_px=config.whole_px, near_px=config.near_px
    ) | begun_with(before)
    save_landmark_network(network, path, meta=meta)
    further = draw_population(anatomy_population(), HELD_OUT, seed=config.seed, first=phantoms)
    level, wrong = choose_fovea_level(AnatomyModel(path), further)
    meta["levels"] = {**LEVELS, "fovea": level}
    best = None
    if validate:
        dice = disc_dice(AnatomyModel(path), map(eye_of_record, validate)).mean(axis=0)
        # The lowest of those about as good: the network is less sure of cameras it never saw.
        lowest = int(np.flatnonzero(dice >= dice.max() - PLATEAU)[0])
        meta["levels"]["disc"], best = DISC_LEVELS[lowest], float(dice[lowest])
    save_landmark_network(network, path, meta=meta)
    return write_card(
        out,
        meta,
        path,
        learnt_from=[record.name for record in learn],
        validated_on=[record.name for record in validate],
        validation_disc_dice=best,
        fovea_level_chosen_on=f"{HELD_OUT} further phantoms",
        fovea_level_wrong_share=wrong,
    )

"""From photographs and phantoms to the weights of the lesion network, with levels and card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retinaforge.anatomy import (
    LESION_TYPES,
    LesionModel,
    LesionType,
    read_lesion_network,
    save_lesion_network,
)
from retinaforge.anatomy.lesions import empty_network
from retinaforge.anatomy.weights import format_of
from retinaforge.core import Fov, Photograph, Refusal
from retinaforge.nets.unet import VesselNet
from retinaforge.tasks.anatomy_data import draw_population, lesion_population
from retinaforge.tasks.lesion_samples import (
    Masks,
    lesion_records,
    lesions_of,
    read_lesions,
    stacks_to_learn_from,
)
from retinaforge.tasks.lesion_train import LesionConfig, train_lesions
from retinaforge.tasks.segmenter_card import begun_with, training_meta, write_card
from retinaforge.tasks.segmenter_data import part_validation
from retinaforge.vessels import network as vessel_network

PHANTOM_COUNT, HELD_OUT, PHANTOM_PX = 40, 6, 1024
LEVELS = tuple(round(0.05 + 0.05 * i, 2) for i in range(19))
Seen = tuple[Photograph, Fov, Masks]


def choose_levels(
    model: LesionModel, seen: Iterable[Seen]
) -> dict[LesionType, tuple[float, float]]:
    """Return for each kind the level with the best Dice over all pixels together, and that Dice.

    A kind that none of the photographs shows keeps 0.5, and a Dice of 0.

    Args:
        model: its own levels are not used.
        seen: photographs with field of view and masks, of validation patients.
    """
    hit = {kind: np.zeros(len(LEVELS)) for kind in LESION_TYPES}
    marked = {kind: np.zeros(len(LEVELS)) for kind in LESION_TYPES}
    true = dict.fromkeys(LESION_TYPES, 0)
    for photo, fov, masks in seen:
        for kind, p in model.maps(photo, fov).items():
            mask = masks[kind] & fov.mask
            hit[kind] += [np.count_nonzero(p[mask] >= t) for t in LEVELS]
            marked[kind] += [np.count_nonzero(p >= t) for t in LEVELS]
            true[kind] += int(mask.sum())
    chosen: dict[LesionType, tuple[float, float]] = {}
    for kind in LESION_TYPES:
        dice = 2 * hit[kind] / np.maximum(1, marked[kind] + true[kind])
        best = int(dice.argmax())
        chosen[kind] = (LEVELS[best], float(dice[best])) if true[kind] else (0.5, 0.0)
    return chosen


def _phantoms_seen(*, seed: int, first: int) -> Iterator[Seen]:
    further = draw_population(
        lesion_population(), HELD_OUT, seed=seed, first=first, size_px=PHANTOM_PX
    )
    for phantom in further:
        yield phantom.photograph, phantom.fov, lesions_of(phantom)


def network_to_begin_with(path: Path, *, seed: int) -> tuple[VesselNet, dict[str, Any]]:
    """Return a lesion network, or a vessel network with its last layer drawn anew, and its header.

    Args:
        path: weights as `train segmenter lesions` or `train segmenter vessels` writes them.
        seed: decides the new last layer.

    Raises:
        Refusal: expected a lesion network as safetensors.
    """
    if format_of(path) != vessel_network.FORMAT:
        return read_lesion_network(path)
    trunk, header = vessel_network.read_network(path)
    torch.manual_seed(seed)
    network, last = empty_network(trunk.widths), f"head.{len(trunk.head) - 1}."
    learnt = {k: v for k, v in trunk.state_dict().items() if not k.startswith(last)}
    network.load_state_dict(learnt, strict=False)
    return network, header


def train_lesion_segmenter(
    data: Path | None,
    out: Path,
    *,
    phantoms: int = PHANTOM_COUNT,
    begin: Path | None = None,
    config: LesionConfig | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> dict[str, Any]:
    """Train on photographs, phantoms or both; write lesions.safetensors and card.json.

    Args:
        data: folder of data sets with splits.csv, of which the open training rows with lesion
            masks are learnt from; None learns from phantoms only.
        out: run folder; the same call resumes there.
        phantoms: how many phantoms are learnt from; about 20 MB of memory each.
        begin: weights to begin with, a lesion network's or a vessel network's; None begins at
            random.
        config: the recipe.
        on_step: called with (steps done, loss).

    Returns:
        What card.json says: data, levels, Dice on what was held out, SHA-256.

    Raises:
        Refusal: expected training rows with lesion masks and licence CC BY 4.0; or neither
            photographs nor phantoms.
    """
    config = config or LesionConfig()
    if data is None and phantoms < 1:
        raise Refusal(
            "photographs or phantoms to learn from", "neither", "name --data or --phantoms N"
        )
    found = lesion_records(data) if data is not None else []
    names = {r.name for r in part_validation([each.record for each in found])[1]}
    learn = [each for each in found if each.record.name not in names]
    judged = [each for each in found if each.record.name in names]
    drawn = draw_population(lesion_population(), phantoms, seed=config.seed, size_px=PHANTOM_PX)
    first, before = None, None
    if begin is not None:
        first, before = network_to_begin_with(begin, seed=config.seed)
    stacks = stacks_to_learn_from(learn, drawn)
    network = train_lesions(stacks, config, out, begin=first, on_step=on_step)
    path = out / "lesions.safetensors"
    meta = training_meta(
        [each.record for each in learn], phantoms, config,
        levels=dict.fromkeys(LESION_TYPES, 0.5), whole_px=config.whole_px,
    ) | begun_with(before)  # fmt: skip
    save_lesion_network(network, path, meta=meta)
    further = _phantoms_seen(seed=config.seed, first=phantoms)
    seen = (read_lesions(each) for each in judged) if judged else further
    chosen = choose_levels(LesionModel(path), seen)
    meta["levels"] = {kind: level for kind, (level, _) in chosen.items()}
    save_lesion_network(network, path, meta=meta)
    return write_card(
        out,
        meta,
        path,
        learnt_from=[each.record.name for each in learn],
        levels_chosen_on=[each.record.name for each in judged] or [f"{HELD_OUT} further phantoms"],
        validation_dice={kind: dice for kind, (_, dice) in chosen.items()},
    )

"""Which eyes the shipped anatomy networks may learn from: open training rows, and phantoms.

Only rows that are open to redistribution and meant for training: split "train", licence CC BY 4.0,
with the mask in question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from retinaforge.core import Record, Refusal
from retinaforge.images import find_fov, read_index_mask, read_photograph, read_records
from retinaforge.phantoms.people import phantom_of, places, sit
from retinaforge.phantoms.phantom import Phantom
from retinaforge.phantoms.recipe import parse_recipe
from retinaforge.tasks.anatomy_samples import EyeStacks, Seen, stacks_of
from retinaforge.tasks.segmenter_data import LICENCE
from retinaforge.tasks.segmenter_phantoms import POPULATION
from retinaforge.tasks.segmenter_samples import PHANTOMS

PHANTOM_PX, PHOTOGRAPH_NEAR_PX = 480, 720
"""FOV diameters of the near copies: as fine as the source is, and no finer than is needed."""


def records_with(folder: Path, mask: str, *, split: str = "train") -> list[Record]:
    """List a split's photographs that weights to be shipped may be trained or chosen on.

    Raises:
        Refusal: expected training rows with that mask and licence CC BY 4.0; other splits may be
            empty.
    """
    records = [
        record
        for record in read_records(folder)
        if record.split == split and record.licence == LICENCE and mask in record.masks
    ]
    if not records and split == "train":
        raise Refusal(
            f"training rows with a {mask} mask and licence {LICENCE}",
            f"none in {folder}",
            f"check splits.csv (columns split, licence) and the {mask}_mask column",
        )
    return records


def eye_of_record(record: Record) -> Seen:
    """Read one photograph with its disc, and its cup where there is one in a file of its own."""
    photo = read_photograph(record.path, eye=record.eye)
    disc = read_index_mask(record.masks["disc"], size_px=photo.size_px)
    return Seen(photo, find_fov(photo), disc, None, None, record.dataset)


def eye_of_phantom(phantom: Phantom) -> Seen:
    """Return a phantom as an eye to learn from."""
    return Seen(
        phantom.photograph, phantom.fov, phantom.disc, phantom.cup, phantom.fovea_px, PHANTOMS
    )


def anatomy_population() -> dict[str, Any]:
    """Return the recipe of a population as wide as the segmenter's, with cups of every size."""
    anatomy = {**POPULATION["anatomy"], "cup_to_disc": {"low": 0.1, "high": 0.9}}
    return {**POPULATION, "name": "anatomy", "anatomy": anatomy}


def lesion_population() -> dict[str, Any]:
    """Return the recipe of a population of which most have diabetic lesions, some macular ones."""
    disease = {
        "diabetic_grade": {"choices": [0, 1, 2, 3, 4], "weights": [0.08, 0.12, 0.4, 0.25, 0.15]},
        "amd": {"choices": [0, 1, 2, 3], "weights": [0.7, 0.1, 0.15, 0.05]},
        "glaucoma": {"choices": [0, 1, 2], "weights": [0.8, 0.1, 0.1]},
    }
    return {**POPULATION, "name": "lesions", "disease": disease}


def draw_population(
    population: dict[str, Any], count: int, *, seed: int, first: int = 0, size_px: int = PHANTOM_PX
) -> Iterator[Phantom]:
    """Draw phantoms number `first` to `first + count` of a population, one at a time."""
    recipe = parse_recipe(population)
    for place in places(recipe, seed=seed, count=first + count)[first:]:
        yield phantom_of(sit(recipe, place, seed=seed), size_px=size_px)


def eyes_to_learn_from(records: Iterable[Record], phantoms: int, *, seed: int) -> list[EyeStacks]:
    """Read photographs and draw phantoms; about 3 MB of memory each."""
    eyes = [stacks_of(eye_of_record(record), near_px=PHOTOGRAPH_NEAR_PX) for record in records]
    drawn = draw_population(anatomy_population(), phantoms, seed=seed)
    return eyes + [stacks_of(eye_of_phantom(each), near_px=PHANTOM_PX) for each in drawn]

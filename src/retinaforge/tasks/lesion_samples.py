"""What the lesion network learns from: crops about lesions, and some about none.

IDRiD's masks and phantoms' exact ones are brought to the same four kinds. What a phantom draws of
other kinds (drusen, laser scars, new vessels, atrophy) is background: it must not be mistaken.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from retinaforge.anatomy.frame import resize_pixels, working_frame
from retinaforge.anatomy.lesions import LESION_TYPES, LesionType
from retinaforge.core import Fov, Photograph, Record, Refusal
from retinaforge.images import find_fov, read_index_mask, read_photograph, read_records
from retinaforge.phantoms.fundus import LesionKind
from retinaforge.phantoms.phantom import Phantom
from retinaforge.tasks.cut import cut_square, draw_cut
from retinaforge.tasks.segmenter_data import LICENCE
from retinaforge.tasks.segmenter_samples import PHANTOMS, disguise

STACK_PX = 1536
"""FOV diameter of the copies that crops are cut from."""

TABLE = "lesions.csv"
COLUMNS: dict[LesionType, str] = {
    "microaneurysm": "microaneurysms", "haemorrhage": "haemorrhages",
    "hard_exudate": "hard_exudates", "soft_exudate": "soft_exudates",
}  # fmt: skip
DRAWN_AS: dict[LesionKind, LesionType] = {
    "microaneurysm": "microaneurysm", "haemorrhage_dot": "haemorrhage",
    "haemorrhage_flame": "haemorrhage", "preretinal_haemorrhage": "haemorrhage",
    "disc_haemorrhage": "haemorrhage", "hard_exudate": "hard_exudate",
    "cotton_wool_spot": "soft_exudate",
}  # fmt: skip
Masks = Mapping[LesionType, Bool[np.ndarray, "height width"]]


@dataclass(frozen=True)
class LesionRecord:
    """A photograph and its lesion masks by kind; a kind without a file has no lesion there."""

    record: Record
    masks: Mapping[LesionType, Path]


@dataclass(frozen=True)
class LesionStack:
    """One eye's planes with places to cut about.

    Attributes:
        group: its data set, or `PHANTOMS`.
        planes: R, G, B, the four kinds, field of view, in 0-255.
        sites: for each kind that is there, the (x, y) of its pixels.
        inside: (x, y) of pixels of the field.
    """

    group: str
    planes: UInt8[Tensor, "8 _ _"]
    sites: tuple[Int[np.ndarray, "n 2"], ...]
    inside: Int[np.ndarray, "n 2"]


@dataclass(frozen=True)
class LesionBatch:
    """Images in [-1, 1], the four kinds in [0, 1], field of view 0/1."""

    images: Float[Tensor, "batch 3 side side"]
    targets: Float[Tensor, "batch 4 side side"]
    fov: Float[Tensor, "batch 1 side side"]


def lesion_records(folder: Path, *, split: str = "train") -> list[LesionRecord]:
    """List a split's open photographs with lesion masks, as `lesions.csv` names them.

    Raises:
        Refusal: expected rows of that split with lesion masks and licence CC BY 4.0.
    """
    found: list[LesionRecord] = []
    tables: dict[Path, dict[str, dict[str, str]]] = {}
    for record in read_records(folder):
        if record.split != split or record.licence != LICENCE:
            continue
        home = next((up for up in record.path.parents if (up / TABLE).is_file()), None)
        if home is None:
            continue
        if home not in tables:
            with (home / TABLE).open(newline="", encoding="utf-8") as stream:
                tables[home] = {row["image"]: row for row in csv.DictReader(stream)}
        row = tables[home].get(record.path.relative_to(home).as_posix())
        if row is not None:
            named = {k: home / row[c] for k, c in COLUMNS.items() if row.get(c)}
            found.append(LesionRecord(record, named))
    if not found:
        raise Refusal(
            f"{split} rows with lesion masks and licence {LICENCE}",
            f"none in {folder}",
            f"check {TABLE} (columns image, {', '.join(COLUMNS.values())}) and splits.csv",
        )
    return found


def read_lesions(lesions: LesionRecord) -> tuple[Photograph, Fov, Masks]:
    """Read one photograph, its field and its four masks."""
    photo = read_photograph(lesions.record.path)
    nothing = np.zeros(photo.size_px, dtype=bool)
    masks = {
        kind: read_index_mask(lesions.masks[kind], size_px=photo.size_px)
        if kind in lesions.masks
        else nothing
        for kind in LESION_TYPES
    }
    return photo, find_fov(photo), masks


def lesions_of(phantom: Phantom) -> Masks:
    """Return a phantom's lesions as the four kinds."""
    masks = {kind: np.zeros(phantom.fov.mask.shape, dtype=bool) for kind in LESION_TYPES}
    for drawn, mask in phantom.lesions.items():
        if drawn in DRAWN_AS:
            masks[DRAWN_AS[drawn]] |= mask
    return masks


def stack_of(photo: Photograph, fov: Fov, masks: Masks, *, group: str) -> LesionStack:
    """Keep an eye ready for crops, its field `STACK_PX` wide."""
    frame = working_frame(fov, diameter_px=STACK_PX)
    shown = [masks[kind].astype(np.uint8) * 255 for kind in LESION_TYPES]
    resized = [resize_pixels(mask, frame) for mask in [*shown, fov.mask.astype(np.uint8) * 255]]
    planes = np.stack([*np.moveaxis(resize_pixels(photo.pixels, frame), 2, 0), *resized])
    places = [np.argwhere(mask > 127)[:, ::-1] for mask in resized]
    sites = tuple(each.astype(np.int32) for each in places[:-1] if len(each))
    return LesionStack(group, torch.from_numpy(planes), sites, places[-1][::61].astype(np.int32))


def stacks_to_learn_from(
    records: Iterable[LesionRecord], phantoms: Iterable[Phantom]
) -> list[LesionStack]:
    """Read photographs and take phantoms; about 20 MB of memory each."""
    stacks = [stack_of(*read_lesions(each), group=each.record.dataset) for each in records]
    return stacks + [
        stack_of(each.photograph, each.fov, lesions_of(each), group=PHANTOMS) for each in phantoms
    ]


def _place(stack: LesionStack, rng: np.random.Generator, *, lesion_share: float) -> tuple[int, int]:
    """Draw a pixel of a lesion, each kind with the same chance, or any pixel of the field."""
    about = bool(stack.sites) and rng.random() < lesion_share
    points = stack.sites[rng.integers(len(stack.sites))] if about else stack.inside
    x, y = points[rng.integers(len(points))].tolist()
    return x, y


def draw_lesion_batch(
    stacks: Sequence[LesionStack],
    rng: np.random.Generator,
    *,
    count: int,
    side_px: int,
    zooms: tuple[float, float],
    phantom_share: float,
    disguised_share: float = 1.0,
) -> LesionBatch:
    """Draw random crops, two thirds of them about a lesion.

    Args:
        stacks: what to draw from.
        rng: decides everything.
        count: crops in the batch.
        side_px: side of a crop, in pixels.
        zooms: least and most crop pixels per pixel of the stacks, drawn log-uniformly.
        phantom_share: share of the crops of phantoms, where there are photographs too.
        disguised_share: share of the crops that are disguised as another camera's; blur and
            darkness take the smallest lesions away.
    """
    drawn = [stack for stack in stacks if stack.group == PHANTOMS]
    real = [stack for stack in stacks if stack.group != PHANTOMS]
    crops = []
    for _ in range(count):
        members = drawn if drawn and (not real or rng.random() < phantom_share) else real
        stack = members[rng.integers(len(members))]
        x, y = _place(stack, rng, lesion_share=2 / 3)
        zoom = math.exp(rng.uniform(math.log(zooms[0]), math.log(zooms[1])))
        shift = rng.uniform(-0.35, 0.35, 2) * side_px / zoom
        cut = draw_cut(rng, (x + shift[0], y + shift[1]), zoom, turn_rad=math.pi)
        crop = cut_square(stack.planes, cut, side_px=side_px)
        inside = (crop[7:] > 0.5).float()
        colour = disguise(crop[:3], rng) if rng.random() < disguised_share else crop[:3]
        crops.append(torch.cat([colour * inside, crop[3:7], inside]))
    batch = torch.stack(crops)
    return LesionBatch(batch[:, :3] * 2 - 1, batch[:, 3:7], batch[:, 7:])

"""Who teaches and who judges a vessel segmenter, and the synthetic pairs beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from retinaforge.core import Record, Refusal, rng_for
from retinaforge.images import find_fov, read_mask, read_photograph, read_records, split_by_patient
from retinaforge.tasks.segmenter_data import part_validation
from retinaforge.tasks.segmenter_samples import PHANTOMS, Annotated, annotate

Masked = Callable[[Record], np.ndarray]
KEPT = 48
"""Images that are kept ready between runs: about 5 MB each, 20 MB for the shipped recipe."""


@dataclass(frozen=True)
class Eyes:
    """The photographs of a study, parted by patient.

    Attributes:
        teach: photographs that teach.
        choose: photographs on which the threshold is chosen; those that teach where there are few.
        judge: photographs of other patients, which judge.
        pairs: synthetic images with masks.
    """

    teach: tuple[Record, ...]
    choose: tuple[Record, ...]
    judge: tuple[Record, ...]
    pairs: tuple[Record, ...]


def gather(real: Sequence[Path], synthetic: Path, *, seed: int = 0) -> Eyes:
    """Read photographs and synthetic images that have a vessel mask, and part the former.

    Splits that the data state are kept (train and val teach, test judges); other patients are
    parted by their hash. Rows without a vessel mask are left out.

    Args:
        real: folders of photographs.
        synthetic: folder of synthetic images with their masks.
        seed: of the split where none is stated.

    Raises:
        Refusal: "expected photographs with vessel masks of at least two patients that teach and
            two that judge; got ..."; no pair; a patient on both sides.
    """
    told = [r for folder in real for r in read_records(folder) if "vessel" in r.masks]
    parted = split_by_patient(told, fractions=(0.7, 0.0, 0.3), seed=seed)
    judge = tuple(r for r in parted if r.split == "test")
    rest = [r for r in parted if r.split != "test"]
    patients = len({r.patient for r in rest}), len({r.patient for r in judge})
    if min(patients) < 2:
        raise Refusal(
            "photographs with vessel masks of at least two patients that teach and two that judge",
            f"{patients[0]} and {patients[1]} in {', '.join(map(str, real))}",
            "name folders with a vessel_mask column, see docs/how-to/read-a-data-set.md",
        )
    teach, choose = part_validation(rest)
    judging = {r.patient for r in judge}
    pairs = tuple(r for r in read_records(synthetic) if "vessel" in r.masks)
    if not pairs:
        raise Refusal(
            "synthetic images with vessel masks", f"none in {synthetic}",
            "draw phantoms, or sample along masks by `retinaforge generate sample --masks`",
        )  # fmt: skip
    both = sorted(judging & {r.patient for r in pairs})
    if both:
        raise Refusal(
            "synthetic images of no patient that judges", f"{both[0]} on both sides",
            "leave out images that were made from a judging photograph's mask",
        )  # fmt: skip
    return Eyes(tuple(teach), tuple(choose) or tuple(teach), judge, pairs)


def own_mask(record: Record) -> np.ndarray:
    """Return the vessel mask of a record, True inside, shape (height, width)."""
    return read_mask(record.masks["vessel"])


def shown(record: Record, mask: np.ndarray, *, group: str, largest_px: float) -> Annotated:
    """Read an image with a mask at the sizes crops are cut from, and no larger ones.

    Args:
        record: of the image.
        mask: brought to the image's size where it is another's.
        group: data set, or `PHANTOMS` for synthetic images.
        largest_px: largest FOV diameter that is asked for, in pixels.
    """
    photo = read_photograph(record.path)
    if mask.shape != photo.size_px:
        rows = (np.arange(photo.size_px[0]) * mask.shape[0]) // photo.size_px[0]
        columns = (np.arange(photo.size_px[1]) * mask.shape[1]) // photo.size_px[1]
        mask = mask[np.ix_(rows, columns)]
    return annotate(photo, find_fov(photo), mask, group=group, largest_px=largest_px)


def shown_own(record: Record, *, group: str, largest_px: float) -> Annotated:
    """Return an image with its own mask, see `shown`; the last few are kept for the next run."""
    return _kept(record.path, record.masks["vessel"], group, largest_px)


@lru_cache(maxsize=KEPT)
def _kept(path: Path, mask: Path, group: str, largest_px: float) -> Annotated:
    record = Record(path, path.name, "", "", masks={"vessel": mask})
    return shown(record, own_mask(record), group=group, largest_px=largest_px)


def chosen_pairs(eyes: Eyes, ratio: float, *, seed: int) -> list[Record]:
    """Return `ratio` synthetic images for each photograph that teaches, as many as there are.

    A larger ratio holds what a smaller one holds, of the same seed.
    """
    count = min(len(eyes.pairs), max(1, round(ratio * len(eyes.teach))))
    order = rng_for(seed, "usefulness", "pairs").permutation(len(eyes.pairs))
    return [eyes.pairs[k] for k in order[:count]]


def pairs_shown(
    records: Sequence[Record], labels: str, masked: Masked, *, largest_px: float
) -> list[Annotated]:
    """Read synthetic images with the masks that an arm gives them.

    Args:
        records: the images.
        labels: "own", "pseudo" or "shuffled".
        masked: finds the mask of an image, for "pseudo".
        largest_px: see `shown`.
    """
    if labels == "own":
        return [shown_own(r, group=PHANTOMS, largest_px=largest_px) for r in records]
    find = masked if labels == "pseudo" else own_mask
    # The next image's mask: every image has a wrong one, and every mask is used once.
    of = [*records[1:], *records[:1]] if labels == "shuffled" else records
    return [
        shown(record, find(other), group=PHANTOMS, largest_px=largest_px)
        for record, other in zip(records, of, strict=True)
    ]

"""Look at every photograph of a folder and report, before anything is trained on it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retinaforge.core import Record, Refusal
from retinaforge.images.duplicates import DuplicatePair, Signature, find_duplicates, signature_of
from retinaforge.images.fov import find_fov
from retinaforge.images.reading import read_index_mask, read_mask, read_photograph
from retinaforge.images.records import read_records

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImageReport:
    """What was seen of one photograph.

    Attributes:
        record: the row of the data set.
        refused: why it cannot be read; empty where it can.
        size_px: (height, width), None where refused.
        fov_kind: "circle", "cut circle", "full frame", or "" where refused.
        notes: conversions made on reading.
        mask_problems: one message for each mask that is missing, damaged or of another size.
        signature: for finding copies; None where refused or not wanted.
    """

    record: Record
    refused: str = ""
    size_px: tuple[int, int] | None = None
    fov_kind: str = ""
    notes: tuple[str, ...] = ()
    mask_problems: tuple[str, ...] = ()
    signature: Signature | None = None


@dataclass(frozen=True)
class DatasetReport:
    """The summary of one data set; `as_dict` is one entry of `data check --json`."""

    dataset: str
    images: int
    readable: int
    refused: tuple[tuple[str, str], ...]
    resolutions: dict[str, int]
    fov_kinds: dict[str, int]
    conversions: dict[str, int]
    masks: dict[str, int]
    mask_problems: tuple[tuple[str, str], ...]
    licences: dict[str, int]
    cameras: dict[str, int]
    splits: dict[str, dict[str, int]]
    patients: int
    patients_unknown: int


@dataclass(frozen=True)
class DataReport:
    """What `check_folder` found.

    Attributes:
        folder: what was checked.
        datasets: one summary each.
        duplicates: pairs that show the same photograph; None where nobody looked.
        split_problems: patients whose photographs were given different splits.
    """

    folder: str
    datasets: tuple[DatasetReport, ...]
    duplicates: tuple[DuplicatePair, ...] | None
    split_problems: tuple[str, ...]

    @property
    def all_good(self) -> bool:
        """Return True if every photograph and mask can be used and no patient is torn apart."""
        whole = all(not each.refused and not each.mask_problems for each in self.datasets)
        return whole and not self.split_problems

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**asdict(self), "all_good": self.all_good}


def check_folder(
    folder: Path,
    *,
    duplicates: bool = True,
    on_progress: Progress = lambda done, count: None,
) -> DataReport:
    """Read every photograph and mask of a folder; a bad file is reported, never the end.

    Args:
        folder: what `read_records` reads.
        duplicates: also look for photographs that stand there twice.
        on_progress: called with (done, all) after each photograph.

    Returns:
        The report.

    Raises:
        Refusal: as `read_records`, when there is nothing to check.
    """
    records = read_records(folder)
    reports = list(_looked_at(records, duplicates, on_progress))
    signatures = {each.record.name: each.signature for each in reports if each.signature}
    pairs = tuple(find_duplicates(records, signatures=signatures)) if duplicates else None
    names = dict.fromkeys(record.dataset for record in records)
    summaries = (_summary(name, [r for r in reports if r.record.dataset == name]) for name in names)
    return DataReport(str(folder), tuple(summaries), pairs, _torn_patients(records))


def check_image(record: Record, *, signature: bool = True) -> ImageReport:
    """Read one photograph and its masks and say what is wrong with them."""
    try:
        photo = read_photograph(record.path, eye=record.eye)
    except Refusal as refusal:
        return ImageReport(record, refused=str(refusal))
    fov = find_fov(photo)
    return ImageReport(
        record,
        size_px=photo.size_px,
        fov_kind=fov.kind,
        notes=photo.history,
        mask_problems=tuple(_mask_problems(record, photo.size_px)),
        signature=signature_of(photo, fov) if signature else None,
    )


def _looked_at(
    records: Sequence[Record], signature: bool, on_progress: Progress
) -> Iterator[ImageReport]:
    """Check in threads (decoders let go of Python's lock), in the records' order."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        reports = pool.map(lambda record: check_image(record, signature=signature), records)
        for done, report in enumerate(reports, start=1):
            on_progress(done, len(records))
            yield report


def _mask_problems(record: Record, size_px: tuple[int, int]) -> Iterator[str]:
    for kind, path in record.masks.items():
        read = read_index_mask if kind in ("disc", "cup") else read_mask
        try:
            read(path, size_px=size_px)
        except Refusal as refusal:
            yield f"{kind}: {refusal}"


def _summary(name: str, reports: Sequence[ImageReport]) -> DatasetReport:
    records = [each.record for each in reports]
    readable = [each for each in reports if not each.refused]
    sizes = (f"{each.size_px[1]}x{each.size_px[0]}" for each in readable if each.size_px)
    return DatasetReport(
        dataset=name,
        images=len(reports),
        readable=len(readable),
        refused=tuple((each.record.name, each.refused) for each in reports if each.refused),
        resolutions=_counted(sizes),
        fov_kinds=_counted(each.fov_kind for each in readable),
        conversions=_counted(note for each in readable for note in each.notes),
        masks=_counted(kind for record in records for kind in record.masks),
        mask_problems=tuple((r.record.name, text) for r in readable for text in r.mask_problems),
        licences=_counted(record.licence for record in records),
        cameras=_counted(record.camera for record in records),
        splits=_splits(records),
        patients=len({record.patient for record in records if record.patient_known}),
        patients_unknown=sum(not record.patient_known for record in records),
    )


def _counted(values: Iterator[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _splits(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    """Return images and units (patients, or images where unknown) by split."""
    by_split: dict[str, list[Record]] = {}
    for record in records:
        by_split.setdefault(record.split or "none", []).append(record)
    return {
        split: {"images": len(some), "patients": len({record.patient for record in some})}
        for split, some in by_split.items()
    }


def _torn_patients(records: Sequence[Record]) -> tuple[str, ...]:
    splits: dict[str, set[str]] = {}
    for record in records:
        if record.split:
            splits.setdefault(record.patient, set()).add(record.split)
    return tuple(
        f"{patient} stands in {' and '.join(sorted(some))}"
        for patient, some in splits.items()
        if len(some) > 1
    )

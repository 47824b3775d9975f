"""What there is to measure: photographs or masks, one job each, whoever laid out the folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from retinaforge.core import Landmarks, Record, Refusal
from retinaforge.images import read_records
from retinaforge.images.records import IMAGE_SUFFIXES
from retinaforge.tasks.read_peers import PeerEye, find_peer, read_peer

MasksAre = Literal["vessel", "artery-vein"]


@dataclass(frozen=True)
class Job:
    """One eye to be measured.

    Attributes:
        name: as it stands in the tables: the path relative to the folder named.
        stem: name of its output files, unique in the run.
        photo: the photograph, or None where only masks are there.
        masks: mask files by kind: "vessel", "artery_vein", "artery", "vein", "fov", "disc",
            "cup", or "disc_cup" in red and blue.
        landmarks: what is known of it beforehand.
        cropped: True if the frame is the square round the camera's circle, as peers crop it.
        lesion_kinds: kinds of lesion that somebody looked for, whose masks lie in `masks` under
            "lesions/KIND"; a kind without one is not there.
    """

    name: str
    stem: str
    photo: Path | None
    masks: Mapping[str, Path] = field(default_factory=dict)
    landmarks: Landmarks = field(default_factory=Landmarks)
    cropped: bool = False
    lesion_kinds: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Return every file that it is read from."""
        photo = () if self.photo is None else (self.photo,)
        return *photo, *self.masks.values()


def list_jobs(
    source: Path, *, masks_are: MasksAre | None = None, photographs: Path | None = None
) -> tuple[list[Job], str]:
    """List what a file or folder holds, without opening the images.

    Args:
        source: an image; a folder of images; a data set with a table; a folder that VascX or
            AutoMorph wrote.
        masks_are: what images of `source` show, if they are masks; a data set with a table is
            then measured by the masks that the table names.
        photographs: where the photographs of the masks lie, of the same names up to the ending.

    Returns:
        The jobs in the order of the tables or of names, and what the source was taken for.

    Raises:
        Refusal: if there is no such file or folder, or nothing in it to measure.
    """
    source = Path(source)
    peer = find_peer(source) if source.is_dir() and masks_are is None else None
    if peer is not None:
        return _peer_jobs(read_peer(source, peer)), f"output of {peer}"
    records = [_lone(source)] if source.is_file() else read_records(source)
    if masks_are is None:
        return _named([_photo_job(record) for record in records]), "photographs"
    kind = "vessel" if masks_are == "vessel" else "artery_vein"
    if any(record.masks for record in records):
        jobs = [_table_job(record, kind) for record in records if kind in record.masks]
        if not jobs:
            raise Refusal(
                f"a table that names {masks_are} masks", f"none in {source}",
                "name the folder of masks itself",
            )  # fmt: skip
        return _named(jobs), f"{masks_are} masks that a table names"
    jobs = [Job(record.name, "", None, {kind: record.path}) for record in records]
    return _named(_with_photographs(jobs, photographs)), f"{masks_are} masks"


def _lone(path: Path) -> Record:
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise Refusal(
            f"an image file ({', '.join(sorted(IMAGE_SUFFIXES))}) or a folder",
            f"{path}",
            "name an image or the folder that holds the images",
        )
    return Record(path, path.name, path.parent.name, path.name)


def _photo_job(record: Record) -> Job:
    taken = {kind: record.masks[kind] for kind in ("fov", "disc", "cup") if kind in record.masks}
    return Job(record.name, "", record.path, taken, Landmarks(eye=record.eye))


def _table_job(record: Record, kind: str) -> Job:
    whole = _photo_job(record)
    return replace(whole, masks={kind: record.masks[kind], **whole.masks})


def _with_photographs(jobs: list[Job], photographs: Path | None) -> list[Job]:
    if photographs is None:
        return jobs
    found = {PurePosixPath(r.name).stem: r for r in read_records(photographs)}
    paired = []
    for job in jobs:
        record = found.get(PurePosixPath(job.name).stem)
        if record is None:
            paired.append(job)
        else:
            whole = _photo_job(record)
            paired.append(replace(whole, name=job.name, masks={**whole.masks, **job.masks}))
    if all(job.photo is None for job in paired):
        raise Refusal(
            "photographs named like their masks, up to the ending",
            f"no pair, e.g. {jobs[0].name} and {next(iter(found))}",
            "rename them, or leave --photographs out",
        )
    return paired


def _peer_jobs(eyes: Iterable[PeerEye]) -> list[Job]:
    return _named([
        Job(eye.name, "", eye.photo, eye.masks, eye.landmarks, cropped=True) for eye in eyes
    ])  # fmt: skip


def _named(jobs: list[Job]) -> list[Job]:
    """Give every job a stem of its own: the file's, or what else of its path tells it apart."""
    paths = [PurePosixPath(job.name) for job in jobs]
    forms = (
        [path.stem for path in paths],
        ["_".join((*path.parts[:-1], path.stem)) for path in paths],
        ["_".join(path.parts).replace(".", "_") for path in paths],
        [f"{path.stem}_{number:06d}" for number, path in enumerate(paths)],
    )
    counts = [_counted(form) for form in forms]
    taken: set[str] = set()
    named = []
    for k, job in enumerate(jobs):
        free = (
            form[k]
            for form, count in zip(forms, counts, strict=True)
            if count[form[k].casefold()] == 1 and form[k].casefold() not in taken
        )
        stem = next(free, forms[-1][k])
        taken.add(stem.casefold())
        named.append(replace(job, stem=stem))
    return named


def _counted(stems: list[str]) -> dict[str, int]:
    """Count without regard to case: some file systems know none."""
    counts: dict[str, int] = {}
    for stem in stems:
        counts[stem.casefold()] = counts.get(stem.casefold(), 0) + 1
    return counts

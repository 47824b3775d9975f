"""What a data set's own tables and masks say of each eye, as records.

Tables are read by `images.read_records` and by a map of their columns (`records_columns`); the maps
of the public sets stand in `records_sets`. Masks give counts (pieces that hang together), places
(by the disc, and the fovea where somebody measured it) and boxes. A value that the catalogue does
not allow is left out and named; so is an image that cannot be read.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.core import Landmarks, Record, Refusal, RetinaForgeError
from retinaforge.images import UnreadableImage, image_size, read_index_mask, read_mask, read_records
from retinaforge.tasks.records_columns import (
    KEYWORDS,
    REPORT,
    ColumnMap,
    read_columns,
    value_of,
    without_meaning,
)
from retinaforge.tasks.records_file import Known
from retinaforge.tasks.records_keywords import read_keywords
from retinaforge.tasks.records_places import BOXES, places_of, regions_of
from retinaforge.tasks.records_sets import SETS
from retinaforge.tasks.records_vessels import NO_SCALE, density_fact, has_vessels, scale_of
from retinaforge.tasks.vessel_masks import landmarks_of_masks

UNREAD = "columns and labels that give no fact (--columns says what they mean)"
MOST_NAMES = 12
Row = dict[str, str]
Marks = Mapping[str, Landmarks]


@dataclass
class Gathered:
    """What was found in a set.

    Attributes:
        known: images with their records, in the set's order.
        unknown_keywords: how often each keyword that nobody mapped was met.
        left_out: images, or single values of an image, that could not be read, with the reason.
        notes: what is not known of how many images, and why.
    """

    known: list[Known] = field(default_factory=list)
    unknown_keywords: Counter[str] = field(default_factory=Counter)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


def manifest_records(
    folder: Path,
    *,
    columns: Path | None = None,
    landmarks: Marks | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Gathered:
    """Gather what the tables and masks of a data set, or of a folder of sets, say.

    Args:
        folder: as `images.read_records` takes it.
        columns: a map of columns for all tables; none: that of the set, if we know it.
        landmarks: by image, measured; used where masks show no disc, and for the fovea.
        on_progress: called with (images done, images).

    Raises:
        Refusal: if there is no set, the map is none, or a table that it names cannot be read.
    """
    given = None if columns is None else read_columns(columns)
    records, found = read_records(Path(folder)), Gathered()
    tables: dict[Path, dict[str, Row]] = {}
    unread: dict[str, int] = {}
    seen: set[str] = set()
    for done, record in enumerate(records, 1):
        meaning = given or SETS.get(record.dataset, ColumnMap())
        home = _home(record, Path(folder))
        if home not in tables:
            tables[home] = _side_tables(home, meaning)
        further = tables[home].get(record.path.relative_to(home).as_posix(), {})
        measured = (landmarks or {}).get(record.name, Landmarks())
        if given is None and record.dataset not in SETS:
            for name in without_meaning(record.columns, meaning):
                unread[name] = unread.get(name, 0) + 1
        try:
            _require_once(record.name, seen)
            found.known.append(_known_of(record, further, meaning, home, measured, found))
        except (RetinaForgeError, OSError) as error:
            found.left_out.append((record.name, str(error)))
        if on_progress:
            on_progress(done, len(records))
    if unread:
        names = [*unread][:MOST_NAMES] + ["..."] * (len(unread) > MOST_NAMES)
        found.notes[f"{UNREAD}: {', '.join(names)}"] += max(unread.values())
    return found


def _require_once(name: str, seen: set[str]) -> None:
    if name in seen:
        raise Refusal("each image once", "a second row of it", "remove one of its rows")
    seen.add(name)


def _home(record: Record, root: Path) -> Path:
    """Return the folder to which the table's paths are relative."""
    below = root / record.dataset
    return below if record.path.is_relative_to(below) else root


def _side_tables(home: Path, columns: ColumnMap) -> dict[str, Row]:
    joined: dict[str, Row] = {}
    for name in columns.tables:
        for row in _table(home / name):
            image = row.pop("image", None) or row.pop("file_name", None)
            if image:
                joined.setdefault(image, {}).update({k: v or "" for k, v in row.items()})
    return joined


def _table(path: Path) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise Refusal(
            "a table (CSV, UTF-8) that the map of columns names", f"{path}: {why}",
            "put it there, or take it out of the map's tables",
        ) from error  # fmt: skip


def _known_of(
    record: Record, further: Row, columns: ColumnMap, home: Path, measured: Landmarks, to: Gathered
) -> Known:
    """Return one image with its record; what is wrong with single values goes to `to`."""
    eye = record.eye or record.columns.get("eye", "")
    cells = {**record.columns, "camera": record.camera, "eye": eye, **further}
    facts: dict[str, Fact] = {}
    source = f"manifest: {record.dataset}"
    for name, text in _said(cells, columns):
        try:
            value = value_of(name, text, columns)
        except Refusal as refusal:
            to.left_out.append((f"{record.name}, {name}", str(refusal)))
        else:
            if value is not None:
                facts[name] = Fact(name, value, source)
    keywords = read_keywords(_column(cells, columns, KEYWORDS), source=source)
    to.unknown_keywords.update(keywords.unknown)
    facts |= keywords.facts
    side = facts["eye"].value if "eye" in facts else measured.eye
    measured = replace(measured, eye="OD" if side == "OD" else "OS" if side == "OS" else None)
    facts |= {fact.name: fact for fact in _mask_facts(record, cells, columns, home, measured)}
    facts |= {fact.name: fact for fact in _vessel_facts(record, cells, columns, to)}
    eye = EyeRecord(
        image=record.name,
        facts=facts,
        report=_column(cells, columns, REPORT),
        patient=record.patient,
        split=record.split or record.columns.get("split", "").strip(),
        licence=record.licence,
        dataset=record.dataset,
    )
    return Known(eye, record.path)


def _said(cells: Row, columns: ColumnMap) -> Iterator[tuple[str, str]]:
    """Yield each fact that a column, a label or a word of the labels names, with its text."""
    for column, text in cells.items():
        if (fact := columns.meaning(column)) and fact not in (REPORT, KEYWORDS):
            yield fact, text
    for part in cells.get("labels", "").split(";"):
        key, equals, text = (each.strip() for each in part.partition("="))
        if equals and columns.labels.get(key):
            yield columns.labels[key], text
        elif not equals:
            yield from ((fact, str(value)) for fact, value in columns.words.get(key, {}).items())


def _column(cells: Row, columns: ColumnMap, meaning: str) -> str:
    texts = (text for column, text in cells.items() if columns.meaning(column) == meaning)
    return ", ".join(text.strip() for text in texts if text.strip())


def _mask_facts(
    record: Record, cells: Row, columns: ColumnMap, home: Path, measured: Landmarks
) -> Iterator[Fact]:
    """Yield cup to disc, and each lesion's count with its places."""
    size_px = image_size(record.path)
    source = f"mask: {record.dataset}"
    masks = {kind: record.masks[kind] for kind in ("disc", "cup") if kind in record.masks}
    marks = _marks(landmarks_of_masks(masks, size_px=size_px), cells, columns, measured)
    if "cup" in masks and marks.cup_axes_px and marks.disc_axes_px:
        ratio = marks.cup_axes_px[1] / marks.disc_axes_px[1]
        yield Fact("cup_to_disc", round(min(1.0, ratio), 3), source, (), _disc_box(marks, size_px))
    placed = f"{source}, places: measured" if measured.fovea_px else source
    for column, lesion in columns.masks.items():
        if cells.get(column):
            yield _lesion_fact(lesion, _mask(home / cells[column]), marks, placed)
        elif columns.absent:
            yield Fact(lesion, False, source)


def _vessel_facts(record: Record, cells: Row, columns: ColumnMap, to: Gathered) -> Iterator[Fact]:
    """Yield the density of the vessels that a mask shows, where the scale is known."""
    if not has_vessels(record):
        return
    try:
        scale = scale_of(cells.get(columns.um_per_px, ""))
        if scale is not None:
            yield density_fact(record, scale, f"mask: {record.dataset}")
        else:
            to.notes[NO_SCALE] += 1
    except (RetinaForgeError, OSError) as error:
        to.left_out.append((f"{record.name}, vessel_density", str(error)))


def _marks(drawn: Landmarks, cells: Row, columns: ColumnMap, measured: Landmarks) -> Landmarks:
    """Return the landmarks: a mask's disc before a table's before a measured one."""
    if drawn.disc_centre_px is not None:
        return replace(drawn, eye=measured.eye, fovea_px=measured.fovea_px)
    x, y = columns.disc_centre or ("", "")
    if cells.get(x) and cells.get(y):
        return replace(measured, disc_centre_px=(_pixels(x, cells[x]), _pixels(y, cells[y])))
    return measured


def _pixels(column: str, text: str) -> float:
    try:
        place = float(text)
    except ValueError:
        place = math.nan
    if not math.isfinite(place):
        raise Refusal(f"{column} as a place in pixels", repr(text), "mend that cell, or empty it")
    return place


def _lesion_fact(lesion: str, mask: np.ndarray, marks: Landmarks, source: str) -> Fact:
    regions = regions_of(mask)
    places = places_of([region.centre_px for region in regions], marks)
    boxes = tuple(region.box for region in regions[:BOXES])
    return Fact(lesion, len(regions), source, places, boxes)


def _disc_box(marks: Landmarks, size_px: tuple[int, int]) -> tuple:
    """Return the box round the disc, as evidence for its cup."""
    (height, width), ((x, y), (a, b)) = size_px, (marks.disc_centre_px, marks.disc_axes_px)
    sides = ((x - a) / width, (y - b) / height, (x + a) / width, (y + b) / height)
    return (tuple(round(min(1.0, max(0.0, side)), 4) for side in sides),)


def _mask(path: Path) -> np.ndarray:
    """Read a mask whose marks are any value above 0, or white."""
    try:
        return read_index_mask(path)
    except UnreadableImage:
        return read_mask(path)

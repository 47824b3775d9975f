"""What a challenge knows of its images: masks, disease and fovea, with device and quality."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.tasks.challenge_layout import GROUPS_FILE, Layout
from retinaforge.tasks.challenge_tables import Cells, Fault, body, column, number_of, read_table

NAMES = ("imgname", "imagename", "filename", "data", "image", "name")
LABELS = ("glaucomalabel", "labelglaucoma1", "glaucomarisk", "label", "glaucoma", "gt")
TABLES = (".xlsx", ".csv", ".xls")
MASKS = (".bmp", ".png")
TRAINING = {"glaucoma": 1, "non-glaucoma": 0}
"""Folders of REFUGE's training masks, which state the disease."""


@dataclass(frozen=True)
class Truth:
    """What is known of one image.

    Attributes:
        name: as `Layout.key` writes it.
        mask: file of disc and cup.
        grade: class, 0 for none; None where not stated.
        fovea: (x, y) in pixels; None where not stated.
        groups: device, quality and further columns of groups.csv.
        patient: whose eye; the image where not stated.
    """

    name: str
    mask: Path | None
    grade: int | None
    fovea: tuple[float, float] | None
    groups: dict[str, str] = field(default_factory=dict)
    patient: str = ""


def read_truth(
    folder: Path, layout: Layout, groups: Path | None = None
) -> tuple[list[Truth], list[Fault]]:
    """Read a challenge's truth.

    Args:
        folder: holds the challenge's files, at any depth.
        layout: of the challenge.
        groups: table of device, quality, patient, ...; None takes groups.csv of the folder.

    Returns:
        One entry an image that has any truth, by name, and rows that could not be used.

    Raises:
        Refusal: "expected a folder with the truth of REFUGE; got ..."; two folders or tables where
            one is meant; a table without its columns.
    """
    if not Path(folder).is_dir():
        raise Refusal(f"a folder with the truth of {layout.title}", str(folder), "name a folder")
    masks, said = _masks(folder, layout)
    labels, bad_labels = _labels(folder, layout)
    fovea, bad_fovea = _fovea(folder, layout)
    names = sorted({*masks, *labels, *fovea})
    if not names:
        raise Refusal(
            f"a folder with the truth of {layout.title}: {layout.truth_masks[0]}/, "
            f"{layout.truth_labels[0]}.xlsx, {layout.truth_fovea[0]}.xlsx",
            f"none of them in {folder}",
            "see docs/how-to/score-a-challenge.md for the layout",
        )
    told = _groups(groups or _one(folder, (GROUPS_FILE,)), layout)
    found = [
        Truth(name, masks.get(name), labels.get(name, said.get(name)), fovea.get(name),
              *_sorted_out(told.get(name, {}), name))
        for name in names
    ]  # fmt: skip
    return found, bad_labels + bad_fovea


def _sorted_out(row: dict[str, str], name: str) -> tuple[dict[str, str], str]:
    groups = {key: value for key, value in row.items() if key != "patient"}
    return groups, row.get("patient") or name


def _one(folder: Path, names: tuple[str, ...]) -> Path | None:
    """Return the file or folder of the first name that is there; None where there is none.

    Raises:
        Refusal: if one name is there twice.
    """
    for name in names:
        found = sorted(folder.rglob(name))
        if len(found) > 1:
            raise Refusal(
                f"one {name}", f"{len(found)} below {folder}: {found[0]}, {found[1]}",
                "name the folder that holds one part of the challenge",
            )  # fmt: skip
        if found:
            return found[0]
    return None


def _table(folder: Path, stems: tuple[str, ...]) -> list[Path]:
    files = (_one(folder, tuple(f"{stem}{end}" for end in TABLES)) for stem in stems)
    return [file for file in files if file is not None]


def _masks(folder: Path, layout: Layout) -> tuple[dict[str, Path], dict[str, int]]:
    """Return masks by name, and the disease where REFUGE's training folders state it."""
    place = _one(folder, layout.truth_masks)
    files = sorted(place.rglob("*")) if place is not None else []
    masks = {layout.key(f.name): f for f in files if f.suffix.lower() in MASKS}
    said = {n: TRAINING[f.parent.name.lower()] for n, f in masks.items()
            if f.parent.name.lower() in TRAINING}  # fmt: skip
    return masks, said


def _labels(folder: Path, layout: Layout) -> tuple[dict[str, int], list[Fault]]:
    for path in _table(folder, layout.truth_labels):
        rows = read_table(path)
        found = _graded(rows, path, layout) if layout.graded else _binary(rows, layout)
        if found is not None:
            return found
    return {}, []


def _binary(rows: Cells, layout: Layout) -> tuple[dict[str, int], list[Fault]] | None:
    """Read a table of names and 0 or 1; None where it has no such column."""
    key, at = column(rows[0], NAMES), column(rows[0], LABELS)
    if len(rows[0]) == 2 and math.isfinite(number_of(rows[0][1])):  # REFUGE2's task1: no header
        key, at, rows = 0, 1, [["", ""], *rows]
    if at is None or key == at:
        return None
    found: dict[str, int] = {}
    faults: list[Fault] = []
    for row in rows[1:]:
        name, value = layout.key(row[key or 0]), number_of(row[at])
        if math.isfinite(value):
            found[name] = int(value > 0)
        elif row[at].strip():
            reason = f"the truth is no number: {row[at]!r}"
            faults.append(Fault("labels", name, "refused", reason))
    return found, faults


def _graded(rows: Cells, path: Path, layout: Layout) -> tuple[dict[str, int], list[Fault]]:
    found: dict[str, int] = {}
    faults: list[Fault] = []
    for row in body(rows, path, columns=("data", *layout.grades)):
        values = [number_of(cell) for cell in row[1 : 1 + len(layout.grades)]]
        if sorted(values) == [0.0] * (len(layout.grades) - 1) + [1.0]:
            found[layout.key(row[0])] = values.index(1.0)
        else:
            reason = f"not one class of {', '.join(layout.grades)}: {','.join(row)}"
            faults.append(Fault("labels", layout.key(row[0]), "refused", reason))
    return found, faults


def _fovea(folder: Path, layout: Layout) -> tuple[dict[str, tuple[float, float]], list[Fault]]:
    found: dict[str, tuple[float, float]] = {}
    for path in _table(folder, layout.truth_fovea):
        rows = read_table(path)
        key, x, y = (column(rows[0], n) for n in (NAMES, ("foveax", "x"), ("foveay", "y")))
        if key is None or x is None or y is None:
            continue
        for row in rows[1:]:
            point = number_of(row[x]), number_of(row[y])
            if all(map(math.isfinite, point)):
                found[layout.key(row[key])] = point
        break
    return found, []


def _groups(path: Path | None, layout: Layout) -> dict[str, dict[str, str]]:
    if path is None:
        return {}
    rows = read_table(path)
    header = [cell.strip().lower() for cell in rows[0]]
    if "name" not in header:
        raise Refusal(
            "a table with the columns name, device, quality, patient",
            f"{', '.join(header)} in {path}",
            "call the column of the image's name `name`",
        )
    at = header.index("name")
    return {
        layout.key(row[at]): {
            h: cell.strip() for h, cell in zip(header, row, strict=False) if h != "name" and cell
        }
        for row in rows[1:]
    }

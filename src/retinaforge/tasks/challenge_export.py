"""Phantoms as a challenge's truth, or as a submission that knows it: disc, cup and fovea are exact.

    OUT/Disc_Cup_Masks/NAME.bmp, OUT/Fovea_locations.xlsx, OUT/Images/NAME.jpg       (refuge)
    OUT/Disc_Masks/NAME.png, OUT/glaucoma.csv, OUT/fovea.csv, OUT/Images/NAME.jpg    (refuge2)
    OUT/Disc_Cup_Mask/0001.png, OUT/glaucoma_grading_training_GT.xlsx, ...           (gamma)
    OUT/groups.csv                                             device, quality, patient, source

Glaucoma of REFUGE is the phantom's label 2, of which a suspect is none; GAMMA's three classes are
the labels none, suspect, glaucoma. An eye whose fovea lies outside the picture has no row of it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_bytes, write_text
from retinaforge.images import read_mask, read_photograph
from retinaforge.tasks.challenge_layout import GROUPS_FILE, Layout, layout_named
from retinaforge.tasks.challenge_masks import drawn
from retinaforge.tasks.challenge_tables import EXCEL

Side = Literal["truth", "answers"]
Rows = list[list[Any]]
COMMENT = b"synthetic: a drawn eye of RetinaForge, not a photograph of anyone"


def export_challenge(
    phantoms: Path, layout_name: str, out: Path, *, side: Side = "truth", split: str = "",
    limit: int | None = None, pictures: bool = True,
    on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> int:  # fmt: skip
    """Write phantoms in a challenge's layout and return how many.

    Args:
        phantoms: folder that `retinaforge phantoms` wrote.
        layout_name: refuge, refuge2 or gamma.
        out: folder to write, made if absent.
        side: "truth", or "answers": a submission without a fault.
        split: train, val or test; "" takes all.
        limit: at most so many; None takes all.
        pictures: write the photographs beside the truth, as JPEG.
        on_progress: called with (done, count).

    Raises:
        Refusal: "expected a folder of phantoms ..."; without a writer of Excel files.
    """
    layout = layout_named(layout_name)
    eyes = _eyes(Path(phantoms), split, limit)
    tables = _tables(eyes, layout, side)  # first: a missing writer is told before any work
    for done, (name, facts) in enumerate(zip(_names(eyes, layout), eyes, strict=True), start=1):
        _write_mask(Path(phantoms), facts, Path(out) / _mask_file(layout, side, name))
        if side == "truth" and pictures:
            picture = Path(out) / _picture_file(layout, name)
            write_bytes(picture, _jpeg(_file(Path(phantoms), facts, "images")))
        on_progress(done, len(eyes))
    for file, content in tables.items():
        write_bytes(Path(out) / file, content)
    if side == "truth":
        write_text(Path(out) / GROUPS_FILE, _csv(_groups(eyes, layout)).decode())
    return len(eyes)


def _eyes(folder: Path, split: str, limit: int | None) -> list[dict[str, Any]]:
    """Return the facts of phantoms, by name; no more files are read than are asked for."""
    files = sorted((folder / "facts").glob("*.json"))
    every = ({"name": f.stem, **json.loads(f.read_text(encoding="utf-8"))} for f in files)
    eyes = list(islice((e for e in every if split in ("", e["person"]["split"])), limit))
    if not eyes:
        raise Refusal(
            f"a folder of phantoms{f' of the split {split}' if split else ''}",
            f"{folder} without any in facts/",
            "draw some by `retinaforge phantoms draw OUT --count 40`",
        )
    return eyes


def _file(folder: Path, eye: dict[str, Any], layer: str) -> Path:
    return folder / layer / f"{eye['name']}.png"


def _names(eyes: Sequence[dict[str, Any]], layout: Layout) -> list[str]:
    """Return how the challenge would call the images: GAMMA counts them."""
    if layout.graded:
        return [f"{k:04d}" for k in range(1, len(eyes) + 1)]
    return [str(eye["name"]) for eye in eyes]


def _mask_file(layout: Layout, side: Side, name: str) -> str:
    if side == "answers":
        return f"{layout.answer_masks}/{name}.bmp"
    return f"{layout.truth_masks[0]}/{name}.{'bmp' if layout.name == 'refuge' else 'png'}"


def _picture_file(layout: Layout, name: str) -> str:
    return f"multi-modality_images/{name}/{name}.jpg" if layout.graded else f"Images/{name}.jpg"


def _write_mask(folder: Path, eye: dict[str, Any], path: Path) -> None:
    disc, cup = (read_mask(_file(folder, eye, layer)) for layer in ("disc", "cup"))
    buffer = io.BytesIO()
    Image.fromarray(drawn(disc, cup)).save(buffer, path.suffix[1:])
    write_bytes(path, buffer.getvalue())


def _jpeg(path: Path) -> bytes:
    buffer = io.BytesIO()
    pixels = np.asarray(read_photograph(path).pixels)
    Image.fromarray(pixels).save(buffer, "jpeg", quality=95, subsampling=0, comment=COMMENT)
    return buffer.getvalue()


def _tables(eyes: Sequence[dict[str, Any]], layout: Layout, side: Side) -> dict[str, bytes]:
    """Return the challenge's tables by file name."""
    names = _names(eyes, layout)
    if layout.graded:
        grades = [[n, *(int(e["labels"]["glaucoma"] == k) for k in range(3))]
                  for n, e in zip(names, eyes, strict=True)]  # fmt: skip
        fovea = [["data", "Fovea_X", "Fovea_Y"], *_points(names, eyes)]
        both = [["data", *layout.grades], *grades], fovea
        if side == "answers":
            return {layout.answer_labels: _csv(both[0]), layout.answer_fovea[0]: _csv(both[1])}
        files = (f"{layout.truth_labels[0]}.xlsx", f"{layout.truth_fovea[0]}.xlsx")
        return {file: _excel(rows) for file, rows in zip(files, both, strict=True)}
    pictures = [f"{name}.jpg" for name in names]
    ill = [int(e["labels"]["glaucoma"] == 2) for e in eyes]
    if side == "answers" or layout.name == "refuge2":
        labels = [
            ["FileName", "Glaucoma Risk"],
            *([p, k] for p, k in zip(pictures, ill, strict=True)),
        ]
        fovea = [["ImageName", "Fovea_X", "Fovea_Y"], *_points(pictures, eyes)]
        files = (
            (layout.answer_labels, layout.answer_fovea[0]) if side == "answers"
            else ("glaucoma.csv", "fovea.csv")
        )  # fmt: skip
        return {file: _csv(rows) for file, rows in zip(files, (labels, fovea), strict=True)}
    where = {point[0]: point[1:] for point in _points(pictures, eyes)}
    rows = [[k, p, label, *where.get(p, ["", ""])]
            for k, (p, label) in enumerate(zip(pictures, ill, strict=True), start=1)]  # fmt: skip
    header = ["ID", "ImgName", "Glaucoma Label", "Fovea_X", "Fovea_Y"]
    return {"Fovea_locations.xlsx": _excel([header, *rows])}


def _points(names: Sequence[str], eyes: Sequence[dict[str, Any]]) -> Rows:
    seen = ((n, e["macula"]) for n, e in zip(names, eyes, strict=True) if e["macula"]["in_view"])
    return [[name, *macula["fovea_px"]] for name, macula in seen]


def _groups(eyes: Sequence[dict[str, Any]], layout: Layout) -> Rows:
    rows = [
        [name, eye["camera"]["model"], eye["labels"]["quality"], eye["person"]["patient"]]
        for name, eye in zip(_names(eyes, layout), eyes, strict=True)
    ]
    return [["name", "device", "quality", "patient"], *rows]


def _csv(rows: Rows) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _excel(rows: Rows) -> bytes:
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise Refusal("a writer of Excel files", "none", EXCEL) from error
    book = Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()

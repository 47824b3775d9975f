"""List the photographs of a folder with everything its tables say about them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from retinaforge.core import SPLITS, Eye, Record, Refusal

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".pgm")
)
MASK_COLUMNS = {
    "vessel_mask": "vessel",
    "vessel_mask_2": "vessel2",
    "fov_mask": "fov",
    "artery_vein_mask": "artery_vein",
    "disc_mask": "disc",
    "cup_mask": "cup",
}
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_EYES: dict[str, Eye] = {
    "od": "OD", "right": "OD", "r": "OD", "os": "OS", "left": "OS", "l": "OS",
}  # fmt: skip
_PATIENT_COLUMNS = ("patient", "patient_id", "subject")
_LICENCE_COLUMNS = ("licence", "license")
Row = dict[str, str]


def read_records(folder: Path, *, second_observers: bool = False) -> list[Record]:
    """List the photographs of a data set, or of a folder of data sets, without opening them.

    A folder may hold `manifest.csv` (column `image`), a Hugging Face `metadata.csv`, `.jsonl` or
    `.parquet` (column `file_name`), or just images; a folder whose subfolders hold such tables is
    read as all of them, and subfolders without a table are left alone. `splits.csv` (columns
    dataset, image, patient, camera, licence, split), in the folder or the one above, is joined in.

    Args:
        folder: the data set.
        second_observers: also look for a second observer's vessel mask by the naming of
            CHASE_DB1 ("_1stHO" -> "_2ndHO") and DRIVE ("manual1" -> "manual2").

    Returns:
        Records in the order of the tables, or sorted by name. Files named by a table are listed
        even where they are missing: reading them says so.

    Raises:
        Refusal: "expected a folder of photographs; got a missing folder: NAME; ..."
    """
    folder = Path(folder)
    if not folder.is_dir():
        came = f"a file: {folder}" if folder.exists() else f"a missing folder: {folder}"
        raise Refusal("a folder of photographs", came, "name the folder that holds the images")
    datasets = _datasets(folder)
    records = [
        record
        for dataset in datasets
        for record in _records_of(dataset, folder, second_observers=second_observers)
    ]
    if not records:
        raise Refusal(
            "a folder of photographs",
            f"a folder without images: {folder}",
            f"put images ({', '.join(sorted(IMAGE_SUFFIXES))}) or a manifest.csv in it",
        )
    return records


def _table_of(folder: Path) -> Path | None:
    names = ("manifest.csv", *_METADATA)
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _datasets(folder: Path) -> list[Path]:
    """Return the folders to read: this one, or its subfolders that hold a table."""
    if _table_of(folder):
        return [folder]
    below = [each for each in sorted(folder.iterdir()) if each.is_dir() and _table_of(each)]
    return below or [folder]


def _records_of(dataset: Path, root: Path, *, second_observers: bool) -> Iterator[Record]:
    table = _table_of(dataset)
    rows = _rows(table) if table else _plain_rows(dataset)
    decided = _decided(dataset, root)
    # An imagefolder's train/ and test/ are parts of one data set, not two.
    part = SPLITS.get(dataset.name.lower()) if dataset != root else None
    name = root.name if part else dataset.name
    for row in rows:
        image = row.pop("image", "") or row.pop("file_name", "")
        row.pop("file_name", None)
        if not image:
            continue
        if part:
            row.setdefault("split", part)
        relative = (dataset / image).relative_to(root).as_posix()
        record = _record(dataset, name, relative, image, {**row, **decided.get(image, {})})
        yield _with_second_observer(record) if second_observers else record


def _plain_rows(folder: Path) -> list[Row]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    names = [path.relative_to(folder).as_posix() for path in paths if path.is_file()]
    return [
        {"image": name} for name in names if not any(p.startswith(".") for p in name.split("/"))
    ]


def _rows(table: Path) -> list[Row]:
    """Return the table's rows as text, empty for what is missing."""
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    try:
        rows = readers[table.suffix](table)
    except Exception as error:  # csv.Error, UnicodeDecodeError, JSONDecodeError, ArrowInvalid
        raise Refusal(
            "a table of images", f"a damaged file ({error}): {table}", "mend it or remove it"
        ) from error
    key = "image" if table.name == "manifest.csv" else "file_name"
    if rows and key not in rows[0]:
        raise Refusal(
            f"a column {key!r} in {table.name}",
            f"columns {', '.join(rows[0])}: {table}",
            "name the column so, with paths relative to the table's folder",
        )
    return [{column: _text(value) for column, value in row.items() if column} for row in rows]


def _csv_rows(table: Path) -> list[Mapping[str, Any]]:
    with table.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream, strict=True))


def _jsonl_rows(table: Path) -> list[Mapping[str, Any]]:
    lines = table.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _parquet_rows(table: Path) -> list[Mapping[str, Any]]:
    from pyarrow import parquet  # slow to import and seldom needed

    return parquet.read_table(table).to_pylist()


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, default=str).strip('"')


def _decided(dataset: Path, root: Path) -> dict[str, Row]:
    """Return patient, camera, licence and split by image, from the nearest splits.csv."""
    folders = dict.fromkeys((dataset, root, root.resolve().parent))
    table = next((each / "splits.csv" for each in folders if (each / "splits.csv").is_file()), None)
    if table is None:
        return {}
    rows = _rows_of_splits(table)
    own = table.parent == dataset and len({row["dataset"] for row in rows}) == 1
    wanted = [row for row in rows if own or row["dataset"] == dataset.resolve().name]
    keys = ("patient", "camera", "licence", "split")
    return {row["image"]: {key: row[key] for key in keys if row.get(key)} for row in wanted}


def _rows_of_splits(table: Path) -> list[Row]:
    rows = [{key: _text(value) for key, value in row.items() if key} for row in _csv_rows(table)]
    missing = {"dataset", "image"} - set(rows[0] if rows else ("dataset", "image"))
    if missing:
        raise Refusal(
            "columns dataset and image in splits.csv",
            f"none called {' or '.join(sorted(missing))}: {table}",
            "write one row per photograph: dataset,image,patient,camera,licence,split",
        )
    return rows


def _record(dataset: Path, dataset_name: str, name: str, image: str, row: Row) -> Record:
    columns = dict(row)
    labels = _labels(row.get("labels", ""))
    masks = {
        kind: dataset / columns.pop(column)
        for column, kind in MASK_COLUMNS.items()
        if columns.get(column)
    }
    patient = next((row[key] for key in _PATIENT_COLUMNS if row.get(key)), "") or next(
        (labels[key] for key in _PATIENT_COLUMNS if labels.get(key)), ""
    )
    eye = _EYES.get(row.get("eye", "").strip().lower())
    split = SPLITS.get(row.get("split", "").strip().lower())
    # A word that is none of ours may mean something to who asked for the table.
    odd = {key for key, value in (("eye", eye), ("split", split)) if value is None and row.get(key)}
    taken = ("split", "eye", "camera", *MASK_COLUMNS, *_PATIENT_COLUMNS, *_LICENCE_COLUMNS)
    return Record(
        path=dataset / image,
        name=name,
        dataset=dataset_name,
        patient=f"{dataset_name}:{patient or image}",
        patient_known=bool(patient),
        eye=eye,
        camera=row.get("camera", ""),
        licence=next((row[key] for key in _LICENCE_COLUMNS if row.get(key)), ""),
        split=split,
        masks=masks,
        columns={key: value for key, value in columns.items() if key not in taken or key in odd},
    )


def _labels(text: str) -> dict[str, str]:
    """Return the `key=value` pairs of a labels column; plain words are no pairs."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def _with_second_observer(record: Record) -> Record:
    first = record.masks.get("vessel")
    if first is None or "vessel2" in record.masks:
        return record
    path = first.as_posix()
    for renamed in (
        path.replace("1stHO", "2ndHO"),
        path.replace("1st_manual", "2nd_manual").replace("manual1", "manual2"),
    ):
        if renamed != path and Path(renamed).is_file():
            return replace(record, masks={**record.masks, "vessel2": Path(renamed)})
    return record

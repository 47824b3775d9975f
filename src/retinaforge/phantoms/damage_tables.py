"""Tables of a damaged set: manifest.csv, metadata.jsonl and splits.csv, from its records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text

MASKS = ("vessel", "vessel2", "fov", "artery_vein", "disc", "cup")
COLUMNS = (
    "image", "vessel_mask", "vessel_mask_2", "fov_mask", "artery_vein_mask", "disc_mask",
    "cup_mask", "dr_grade", "glaucoma", "labels", "caption", "age", "sex", "eye", "split",
    "synthetic", "damage", "level", "size", "count", "note", "original", "copy_of", "change",
)  # fmt: skip
KEPT = ("dr_grade", "glaucoma", "labels", "caption", "age", "sex")
SPLITS = ("dataset", "image", "patient", "camera", "licence", "split")


def write_damage_tables(folder: Path, names: Sequence[str]) -> Path:
    """Write the tables of the images that have a record; return the path of manifest.csv."""
    records = [json.loads((folder / "records" / f"{name}.json").read_text()) for name in names]
    lines = [json.dumps(_metadata(record), allow_nan=False) for record in records]
    write_text(folder / "metadata.jsonl", "".join(line + "\n" for line in lines))
    here = folder.resolve().name
    write_text(folder / "splits.csv", _csv(SPLITS, [_split(r, here) for r in records]))
    return write_text(folder / "manifest.csv", _csv(COLUMNS, [_row(r) for r in records]))


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    after, damage = record["after"], record["damage"] or {}
    masks = {
        ("vessel_mask_2" if kind == "vessel2" else f"{kind}_mask"): after.get(f"{kind}.png", "")
        for kind in MASKS
    }
    return {
        "image": after["images.png"], **masks,
        **{key: record["columns"].get(key, "") for key in KEPT},
        "labels": _labels(record), "eye": record["eye"], "split": record["split"],
        "synthetic": "true",
        "damage": damage.get("kind", "none"), "level": damage.get("level", ""),
        "size": _words(damage.get("size", {})), "count": damage.get("count", 0),
        "note": damage.get("note", ""), "original": record["original"],
        "copy_of": record["copy_of"], "change": record["change"],
    }  # fmt: skip


def _labels(record: Mapping[str, Any]) -> str:
    """Return the labels with the path of a phantom's graph as it is after damage."""
    parts = record["columns"].get("labels", "").split(";")
    kept = [part for part in parts if part and not part.startswith("graph=")]
    graph = record["after"].get("graphs.json")
    return ";".join([*kept, f"graph={graph}"] if graph else kept)


def _words(size: Mapping[str, float | None]) -> str:
    return ";".join(f"{key}={'' if value is None else value}" for key, value in size.items())


def _metadata(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the image's line: its file, eye, damage with every place, masks before and after."""
    after = {k: v for k, v in record["after"].items() if k != "images.png"}
    return {
        "file_name": record["after"]["images.png"], "synthetic": True, "eye": record["eye"],
        "split": record["split"], "patient": record["patient"], "original": record["original"],
        "copy_of": record["copy_of"], "change": record["change"], "damage": record["damage"],
        "after": after, "before": record["before"],
    }  # fmt: skip


def _split(record: Mapping[str, Any], dataset: str) -> dict[str, str]:
    licence = record["licence"]
    return {
        "dataset": dataset, "image": record["after"]["images.png"], "patient": record["patient"],
        "camera": record["camera"], "split": record["split"],
        "licence": f"{licence}; changed: damage planted by RetinaForge" if licence else "",
    }  # fmt: skip


def _csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

"""The tables of a set: metadata.jsonl for imagefolder readers, manifest.csv and splits.csv in the
form of the public sets, truth.csv with the true biomarkers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text
from retinaforge.phantoms.export import LICENCE, MASKS
from retinaforge.phantoms.people import Place

MANIFEST = (
    "image", "vessel_mask", "fov_mask", "artery_vein_mask", "disc_mask", "cup_mask", "dr_grade",
    "glaucoma", "labels", "caption", "age", "sex", "eye", "split",
)  # fmt: skip
SPLITS_COLUMNS = ("dataset", "image", "patient", "camera", "licence", "split")


def write_tables(folder: Path, wanted: list[Place]) -> Path:
    """Write the four tables from the facts that lie in a set's folder.

    Returns:
        The path of manifest.csv.
    """
    manifest, splits, lines, truths = [], [], [], []
    for place in wanted:
        facts = json.loads((folder / "facts" / f"{place.name}.json").read_text())
        manifest.append(_manifest_row(place, facts))
        splits.append(_split_row(folder, place, facts))
        lines.append(json.dumps(metadata_row(place, facts), allow_nan=False))
        truths.append({"file_name": f"images/{place.name}.png"} | _flat(facts["biomarkers"]))
    columns = dict.fromkeys(key for row in truths for key in row)
    write_text(folder / "truth.csv", _csv(columns, truths))
    write_text(folder / "metadata.jsonl", "\n".join(lines) + "\n")
    write_text(folder / "splits.csv", _csv(SPLITS_COLUMNS, splits))
    return write_text(folder / "manifest.csv", _csv(MANIFEST, manifest))


def metadata_row(place: Place, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the photograph's line in metadata.jsonl: its file, person, labels and masks.

    Columns that end in `_file_name` are read as images by Hugging Face's imagefolder.
    """
    name, person = place.name, facts["person"]
    return {
        "file_name": f"images/{name}.png",
        "synthetic": True,
        "eye": place.eye,
        **person,
        "camera": facts["camera"]["model"],
        "fov_deg": float(facts["camera"]["fov_deg"]),
        **facts["labels"],
        "lesions": {kind: found["count"] for kind, found in facts["lesions"].items()},
        "facts": f"facts/{name}.json",
        "graph": f"graphs/{name}.json",
        **{f"{mask}_file_name": f"{mask}/{name}.png" for mask in (*MASKS, "artery_vein")},
    }


def _manifest_row(place: Place, facts: Mapping[str, Any]) -> dict[str, str]:
    labels, name = facts["labels"], place.name
    said = {"patient": place.patient, "visit": place.visit, "graph": f"graphs/{name}.json",
            **{key: value for key, value in labels.items() if key not in MANIFEST}}  # fmt: skip
    return dict.fromkeys(MANIFEST, "") | {
        "image": f"images/{name}.png",
        **{f"{kind}_mask": f"{kind}/{name}.png"
           for kind in ("vessel", "fov", "artery_vein", "disc", "cup")},
        "dr_grade": str(labels["dr_grade"]),
        "glaucoma": str(labels["glaucoma"]),
        "labels": ";".join(("synthetic", *(f"{key}={_word(said[key])}" for key in said))),
        "age": f"{facts['person']['age']:.1f}",
        "sex": facts["person"]["sex"],
        "eye": place.eye,
        "split": place.split,
    }  # fmt: skip


def _split_row(folder: Path, place: Place, facts: Mapping[str, Any]) -> dict[str, str]:
    return {
        "dataset": folder.resolve().name,
        "image": f"images/{place.name}.png",
        "patient": place.patient,
        "camera": f"RetinaForge phantom, {facts['camera']['model']}",
        "licence": LICENCE,
        "split": place.split,
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, keys joined by dots; what is undefined stays empty."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = "" if value is None else value
    return flat


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _csv(columns: Iterable[str], rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, tuple(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

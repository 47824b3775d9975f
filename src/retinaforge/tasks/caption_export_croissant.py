"""An imagefolder described in Croissant, the JSON-LD of MLCommons for data sets.

`croissant.json` names the table and the images beside it and says what each column is, so that any
reader of Croissant joins captions and images without our package.

References:
    M. Akhtar et al., "Croissant: a metadata format for ML-ready datasets", DEEM 2024; format 1.0,
    docs.mlcommons.org/croissant/docs/croissant-spec.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import sha256_of, write_json
from retinaforge.tasks.pairs import METADATA, Pair

FILE, IMAGES = "croissant.json", "images"
KINDS = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".tif": "image/tiff",
    ".tiff": "image/tiff", ".bmp": "image/bmp", ".webp": "image/webp",
}  # fmt: skip
FORMAT = "http://mlcommons.org/croissant/1.0"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "samplingRate": "cr:samplingRate",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
COLUMNS = {
    "file_name": ("sc:Text", "Path of the image below this folder."),
    "text": ("sc:Text", "The caption."),
    "split": ("sc:Text", "train, val or test, by patient; empty where nobody decided."),
    "patient": ("sc:Text", "Whose eye, under a pseudonym; empty where not known."),
    "synthetic": ("sc:Boolean", "Drawn or sampled, not photographed."),
    "writer": ("sc:Text", "Who wrote the caption."),
}


def write_croissant(folder: Path, pairs: Sequence[Pair], about: Mapping[str, str]) -> Path:
    """Describe a folder that `write_pairs` wrote with its images copied.

    Args:
        folder: holds metadata.jsonl and the images.
        pairs: those that were written.
        about: name, description, licence, url; what is missing follows from the pairs.
    """
    return write_json(folder / FILE, croissant_of(folder, pairs, about))


def croissant_of(folder: Path, pairs: Sequence[Pair], about: Mapping[str, str]) -> dict[str, Any]:
    """Return the description as plain data."""
    licences = sorted({pair.record.licence for pair in pairs if pair.record.licence})
    drawn = sum(pair.synthetic for pair in pairs)
    said = f"{len(pairs)} colour fundus images with captions, {drawn} of them synthetic."
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": FORMAT,
        "name": about.get("name") or folder.resolve().name,
        "description": about.get("description") or said,
        "license": about.get("licence") or "; ".join(licences) or "unknown",
        "url": about.get("url") or "https://example.invalid/not-published",
        "citeAs": about.get("cite") or _cite(pairs),
        "version": "1.0.0",
        "datePublished": about.get("date") or datetime.now(UTC).date().isoformat(),
        "distribution": [_table(folder), _images(pairs)],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "pairs",
                "name": "pairs",
                "description": "One caption an image.",
                "key": {"@id": "pairs/file_name"},
                "field": [*(_column(name) for name in COLUMNS), _image()],
            }
        ],
    }


def _table(folder: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": METADATA,
        "name": METADATA,
        "description": "One row an image.",
        "contentUrl": METADATA,
        "encodingFormat": "application/jsonlines",
        "sha256": sha256_of(folder / METADATA),
    }


def _images(pairs: Sequence[Pair]) -> dict[str, Any]:
    endings = sorted({Path(pair.name).suffix for pair in pairs})
    return {
        "@type": "cr:FileSet",
        "@id": IMAGES,
        "name": IMAGES,
        "description": "The images that the table names.",
        "encodingFormat": sorted({KINDS.get(ending.lower(), "image/*") for ending in endings}),
        "includes": [f"**/*{ending}" for ending in endings],
    }


def _column(name: str) -> dict[str, Any]:
    """Return a field of the table; file_name is the images' own path, which joins the two."""
    if name == "file_name":
        # The pattern does nothing but turn a path into words: mlcroissant 1.1 joins no path.
        source = {**_of_images("fullpath"), "transform": {"regex": "^(.*)$"}}
        return {**_field(name, *COLUMNS[name], source), "references": _of_table(name)}
    return _field(name, *COLUMNS[name], _of_table(name))


def _image() -> dict[str, Any]:
    return _field("image", "sc:ImageObject", "The image.", _of_images("content"))


def _field(name: str, kind: str, meaning: str, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"pairs/{name}",
        "name": name,
        "description": meaning,
        "dataType": kind,
        "source": source,
    }


def _of_table(column: str) -> dict[str, Any]:
    return {"fileObject": {"@id": METADATA}, "extract": {"column": column}}


def _of_images(what: str) -> dict[str, Any]:
    return {"fileSet": {"@id": IMAGES}, "extract": {"fileProperty": what}}


def _cite(pairs: Sequence[Pair]) -> str:
    sets = sorted({pair.record.dataset for pair in pairs if pair.record.dataset})
    return f"Captions written with RetinaForge. Cite the sets of the images: {', '.join(sets)}."

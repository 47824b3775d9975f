"""What was measured of an image, kept under the hash of all that it depends on.

    CACHE/ab/abcdef….npz     a row of plain data and its arrays

The key is made of the image's bytes, how it is brought to the footing, the models and the code: a
result is found again whatever the file is called, and never where anything has changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import asdict
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.core.artefacts import sha256_of, write_bytes
from retinaforge.validation.eye import VERSION, Measured, Settings
from retinaforge.validation.finders import finder_cards
from retinaforge.validation.jobs import Job

ROW = "row_json"
AUDIT_FILES = ("anatomy_limits.json", "anatomy_scores.json", "quality-v1.json")
DAMAGED = (zipfile.BadZipFile, zlib.error)


@lru_cache(maxsize=4)
def measured_by(settings: Settings) -> str:
    """Return what the numbers of an image depend on besides the image, as JSON."""
    packages = {name: metadata.version(name) for name in ("retinaforge", "numpy", "torch")}
    by: dict[str, Any] = {
        **packages, "version": VERSION, "settings": asdict(settings), "finders": finder_cards(),
        "audits": audit_files(),
    }  # fmt: skip
    if settings.encoders:  # by content: another file under the same name is another encoder
        by["encoders"] = {spec: file_of(spec) for spec in settings.encoders}
    return json.dumps(by, sort_keys=True, default=str)


def file_of(spec: str) -> str:
    """Return the fingerprint of the file that an encoder's NAME:FILE names; "" where none is."""
    path = Path(spec.partition(":")[2].partition(",heads=")[0]).expanduser()
    return sha256_of(path) if path.is_file() else ""


def audit_files() -> dict[str, str]:
    """Return the fingerprints of what the audits' limits and coefficients stand in."""
    files = (resources.files("retinaforge.audits") / name for name in AUDIT_FILES)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@lru_cache(maxsize=8192)
def _content(path: Path, changed_ns: int, size: int) -> str:
    return sha256_of(path)


def key_of(job: Job, settings: Settings, *, also: str = "") -> str:
    """Return the cache's key of an image.

    Args:
        job: the image; one that cannot be read has a key of its own.
        settings: what decides the numbers.
        also: what else was done to it.
    """
    try:
        about = job.path.stat()
        content = _content(job.path, about.st_mtime_ns, about.st_size)
    except OSError:
        content = f"unreadable {job.path}"
    said = f"{content} {job.recompress} {job.eye} {also} {measured_by(settings)}"
    return hashlib.sha256(said.encode()).hexdigest()


def keep(cache: Path, job: Job, settings: Settings, measured: Measured, *, also: str = "") -> None:
    """Write what was measured of an image.

    Raises:
        DiskFull: if the disk takes no more.
    """
    buffer = io.BytesIO()
    row = np.frombuffer(json.dumps(measured.row).encode(), dtype=np.uint8)
    arrays: Any = {ROW: row, **measured.arrays}
    np.savez_compressed(buffer, **arrays)
    write_bytes(_place(cache, key_of(job, settings, also=also)), buffer.getvalue())


def kept(cache: Path, job: Job, settings: Settings, *, also: str = "") -> Measured | None:
    """Return what was kept of an image; None where there is nothing, or a damaged file."""
    path = _place(cache, key_of(job, settings, also=also))
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        row = json.loads(arrays.pop(ROW).tobytes())
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, *DAMAGED):
        return None
    return Measured(row, arrays)


def _place(cache: Path, key: str) -> Path:
    return cache / key[:2] / f"{key}.npz"

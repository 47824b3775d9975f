"""Pictures of what is wrong: synthetic images that fail a check, and pairs that look like copies.

    rejects/NAME.jpg           the image with its vessels, disc and fovea as they were found
    rejects/copy_NAME.jpg      synthetic image, nearest real eye, both vessels laid over one another

Every file's name and metadata say that it shows synthetic images.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from retinaforge.audits.copies import likeness
from retinaforge.audits.copy_pictures import picture_of_pair
from retinaforge.core import Landmarks
from retinaforge.core.artefacts import write_bytes
from retinaforge.tasks.vessel_overlay import overlay
from retinaforge.validation.copying import Copying, pattern_of_arrays, worst_first
from retinaforge.validation.eye import Measured, Settings, prepared, vessel_mask
from retinaforge.validation.jobs import Job
from retinaforge.validation.measure import MeasuredSides
from retinaforge.vessels.vasculature import read_vasculature

MOST_REJECTS = 24
COMMENT = b"Synthetic fundus image (not a patient), RetinaForge"


def write_rejects(
    done: MeasuredSides, copying: Copying, settings: Settings, folder: Path
) -> list[dict[str, Any]]:
    """Write the pictures and return what each shows, the worst first.

    Args:
        done: what was measured.
        copying: nearest real eyes.
        settings: the footing.
        folder: of the pictures.
    """
    failed = [
        (job, m, reasons) for job, m in done.with_jobs("synthetic") if (reasons := reasons_of(m))
    ]
    failed.sort(key=lambda each: (-len(each[2]), each[0].name))
    rows = [_reject(job, m, reasons, settings, folder)
            for job, m, reasons in failed[:MOST_REJECTS]]  # fmt: skip
    rows += [{"name": job.name, "kind": "anatomy", "reasons": reasons, "picture": None}
             for job, _, reasons in failed[MOST_REJECTS:]]  # fmt: skip
    references = done.with_jobs("train") or done.with_jobs("real")
    synthetic = {job.name: (job, m) for job, m in done.with_jobs("synthetic")}
    for row in worst_first(copying.nearest):
        if row["nearest_number"] is not None:
            rows.append(_pair(synthetic[row["name"]], references[row["nearest_number"]], row,
                              settings, folder))  # fmt: skip
    _remove_old(folder, rows)
    return rows


def reasons_of(measured: Measured) -> list[str]:
    """Return why an image fails, a sentence a check."""
    return [
        f"{name}: {verdict['reason']}"
        for name, verdict in measured.row["checks"].items()
        if verdict["passed"] is False
    ]


def file_of(name: str, prefix: str = "") -> str:
    """Return the file name of a picture; it always says that it shows something synthetic.

    The image's own ending stays in it: eye.png and eye.jpg are two images.
    """
    path = PurePosixPath(name)
    stem = "__".join((*path.parts[:-1], path.stem)).removeprefix("synthetic_")
    return f"{prefix}synthetic_{stem}_{path.suffix.removeprefix('.').lower()}.jpg"


def _remove_old(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Remove the pictures of an earlier run with other images; files of others stay."""
    shown = {PurePosixPath(row["picture"]).name for row in rows if row["picture"]}
    for path in folder.glob("*synthetic_*.jpg"):
        if path.name not in shown:
            path.unlink()


def _reject(
    job: Job, measured: Measured, reasons: Sequence[str], settings: Settings, folder: Path
) -> dict[str, Any]:
    square = prepared(job, settings)
    marks = landmarks_of(measured)
    pixels = vessel_mask(measured.arrays, settings.size_px)
    picture = overlay(square.photograph, read_vasculature(pixels, square.fov, marks))
    path = write_bytes(folder / file_of(job.name), as_jpeg(picture))
    return {"name": job.name, "kind": "anatomy", "reasons": list(reasons),
            "picture": f"{folder.name}/{path.name}"}  # fmt: skip


def _pair(
    synthetic: tuple[Job, Measured], reference: tuple[Job, Measured], row: dict[str, Any],
    settings: Settings, folder: Path,
) -> dict[str, Any]:  # fmt: skip
    shown = []
    for job, m in (synthetic, reference):
        square = prepared(job, settings)
        shown.append((square.photograph, square.fov, pattern_of_arrays(m.arrays)))
    transform = likeness(shown[0][2], shown[1][2]).transform
    picture = Image.fromarray(picture_of_pair(shown[0], shown[1], transform))
    path = write_bytes(folder / file_of(synthetic[0].name, "copy_"), as_jpeg(picture))
    return {**row, "kind": "copy" if row["copy"] else "nearest", "reasons": [],
            "picture": f"{folder.name}/{path.name}"}  # fmt: skip


def landmarks_of(measured: Measured) -> Landmarks:
    """Return the landmarks that were kept with an image."""
    kept: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v
                            for k, v in measured.row["landmarks"].items()}  # fmt: skip
    return Landmarks(**kept)


def as_jpeg(picture: Image.Image) -> bytes:
    """Return a picture as JPEG whose comment says that it is synthetic."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=88, comment=COMMENT)
    return buffer.getvalue()

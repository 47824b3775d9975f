"""What one trained arm does to the held-out eyes: rows of (image, judge, measure, value)."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from retinaforge.core import Quantity, Record, RetinaForgeError
from retinaforge.core.artefacts import DiskFull, whole_file, write_bytes, write_json, write_with
from retinaforge.encoders import Encoder, load_encoder
from retinaforge.metrics import IMAGE_METRICS
from retinaforge.studies.folder import RESIZE_ONLY, Job, RunFolder
from retinaforge.studies.plan import Study, located
from retinaforge.studies.prepare import Prepared
from retinaforge.tasks.ceiling import JudgedOriginal, judge_original, vessel_rows
from retinaforge.tasks.lpips import lpips_quantity
from retinaforge.tasks.reconstruct import Reconstruction, reconstruct_photograph, save_synthetic
from retinaforge.tasks.sheets import open_photograph
from retinaforge.vessels import Judge, compare_vessels, load_judge

HUMAN = "second observer"
ORIGINAL = "original"


@dataclass(frozen=True)
class Row:
    """One measured number of one image, with what it was measured on."""

    record: Record
    part: str
    judge: str
    reference: str
    quantity: Quantity
    arm: str = ""

    def of_arm(self, arm: str) -> Row:
        """Return the row as one of `arm`."""
        return replace(self, arm=arm)


def slug(record: Record) -> str:
    """Return a file name for a record that no other record of the study has."""
    return f"{record.dataset}-{record.name}".replace("/", "_").rsplit(".", 1)[0]


def available_judges(specs: Sequence[str], data: Path) -> tuple[list[Judge], list[str]]:
    """Load the judges; those whose file is not there are named instead."""
    judges, missing = [], []
    for spec in specs:
        try:
            judges.append(load_judge(located(spec, data)))
        except RetinaForgeError as refusal:
            missing.append(f"{spec}: {refusal}")
    return judges, missing


def measure_arm(
    study: Study,
    data: Path,
    prepared: Prepared,
    run: RunFolder,
    job: Job,
    *,
    model: torch.nn.Module | None,
) -> None:
    """Reconstruct and measure the validation and held-out eyes of one arm; write its rows.

    A photograph that fails is named in `problems` of the job's status; the others go on.
    """
    judges, missing = available_judges(study.measure.judges, data)
    lpips = located(study.measure.lpips, data)
    size_px = study.data.sheet_px
    rows: list[Row] = []
    squares: list[np.ndarray] = []
    names: list[str] = []
    problems = list(missing)
    for part, sheets in (("val", prepared.val), ("test", prepared.test)):
        for record in sheets.records:
            try:
                photo, fov = open_photograph(record)
                result = reconstruct_photograph(model, photo, fov, size_px=size_px)
                if part == "val":
                    originals = [judge_original(judges[0], photo, fov, run.judged, slug(record))]
                    rows += _vessels(record, part, result, originals, judges[:1])
                    continue
                originals = [
                    judge_original(j, photo, fov, run.judged, slug(record)) for j in judges
                ]
                rows += domain_free_rows(record, part, result, lpips=lpips)
                rows += _vessels(record, part, result, originals, judges)
                if job.arm == RESIZE_ONLY:
                    rows += _reference_lines(record, part, originals, judges)
                squares.append(result.square.pixels)
                names.append(f"{record.dataset}/{record.name}")
                _save_pictures(run.job(job), record, result, judges[0])
            except DiskFull:
                raise
            except (RetinaForgeError, OSError, ValueError) as error:
                problems.append(f"{record.name}: {type(error).__name__}: {error}")
    _save_features(run.job(job), located(study.measure.encoder, data), squares, names)
    _save_rows(run.job(job), job, rows)
    run.set_status(job, "running", problems=problems)


def domain_free_rows(
    record: Record, part: str, result: Reconstruction, *, lpips: str = ""
) -> Iterable[Row]:
    """Yield the scores that know no eyes, on the square that the model saw."""
    pair = (result.square.pixels, result.original.photograph.pixels, result.original.fov.mask)
    for metric in IMAGE_METRICS:
        yield Row(record, part, "", "original", metric.compare(*pair))
    if lpips:
        yield Row(record, part, "", "original", lpips_quantity(*pair, encoder=lpips))


def _vessels(
    record: Record,
    part: str,
    result: Reconstruction,
    originals: Sequence[JudgedOriginal],
    judges: Sequence[Judge],
) -> Iterable[Row]:
    for judge, original in zip(judges, originals, strict=True):
        for reference, quantity in vessel_rows(judge, original, result.native, record):
            yield Row(record, part, judge.card.name, reference, quantity)


def _reference_lines(
    record: Record, part: str, originals: Sequence[JudgedOriginal], judges: Sequence[Judge]
) -> Iterable[Row]:
    """The lines to read an arm against: the judge on the untouched photograph; a second human."""
    for judge, original in zip(judges, originals, strict=True):
        human = original.human(record)
        if human is not None:
            for quantity in compare_vessels(original.mask, human, original.fov.mask):
                yield Row(record, part, judge.card.name, "human", quantity, arm=ORIGINAL)
    second = originals[0].human(record, "vessel2")
    first = originals[0].human(record)
    if second is not None and first is not None:
        for quantity in compare_vessels(second, first, originals[0].fov.mask):
            yield Row(record, part, "human", "human", quantity, arm=HUMAN)


def _save_pictures(folder: Path, record: Record, result: Reconstruction, judge: Judge) -> None:
    """Keep the square reconstruction and the first judge's vessels on it, for the report."""
    kept = folder / "reconstructions"
    save_synthetic(result.square, kept, slug(record), model=folder.parent.name)
    vessels = judge.mask(result.square, result.original.fov)
    image = Image.fromarray(vessels)
    write_with(
        kept / f"synthetic_{slug(record)}_vessels.png",
        lambda stream: image.save(stream, format="PNG"),
    )


def embed(encoder: Encoder, squares: Sequence[np.ndarray]) -> np.ndarray:
    """Return one feature vector an image, shape (n, d), one image at a time."""
    vectors = []
    with torch.no_grad():
        for pixels in squares:
            image = torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0)
            vectors.append(encoder.embedding(image.permute(2, 0, 1)[None])[0].double().numpy())
    return np.stack(vectors)


def _save_features(
    folder: Path, spec: str, squares: Sequence[np.ndarray], names: Sequence[str]
) -> None:
    if squares:
        features = embed(load_encoder(spec), squares)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, features=features, names=np.array(names))
        write_bytes(folder / "features.npz", buffer.getvalue())


def row_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return one line a row, as it stands in per_image.parquet."""
    return pd.DataFrame(
        {
            "arm": row.arm,
            "part": row.part,
            "image": row.record.name,
            "dataset": row.record.dataset,
            "patient": row.record.patient,
            "judge": row.judge,
            "reference": row.reference,
            "measure": row.quantity.card.name,
            "value": row.quantity.value if math.isfinite(row.quantity.value) else math.nan,
            "unit": row.quantity.card.unit,
            "reason": row.quantity.reason,
        }
        for row in rows
    )


def _save_rows(folder: Path, job: Job, rows: Sequence[Row]) -> None:
    table = row_table([row if row.arm else row.of_arm(job.arm) for row in rows])
    table.insert(1, "seed", job.seed)
    cards = {row.quantity.card.name: row.quantity.card.as_dict() for row in rows}
    write_json(folder / "cards.json", cards)
    with whole_file(folder / "per_image.parquet") as stream:
        table.to_parquet(stream, index=False)


def read_cards(folder: Path) -> dict[str, dict[str, str]]:
    """Return the cards of the measures that a job wrote."""
    return json.loads((folder / "cards.json").read_text())

"""What one trained arm does to the held-out eyes: rows of (image, judge, measure, value)."""

from __future__ import annotations

import functools
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from retinaforge.core import Quantity, Record, Refusal, RetinaForgeError
from retinaforge.core.artefacts import DiskFull, whole_file, write_bytes, write_json, write_with
from retinaforge.encoders import load as load_encoder
from retinaforge.metrics import IMAGE_METRICS
from retinaforge.studies.features import embed
from retinaforge.studies.folder import RESIZE_ONLY, Job, RunFolder, slug_of
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
    return slug_of(record.dataset, record.name)


def available_judges(specs: Sequence[str], data: Path) -> tuple[list[Judge], list[str]]:
    """Load the judges; those whose file is not there are named instead."""
    judges, missing = [], []
    for spec in specs:
        try:
            judges.append(load_judge(located(spec, data)))
        except RetinaForgeError as refusal:
            missing.append(f"{spec}: {refusal}")
    return judges, missing


@dataclass(frozen=True)
class Bench:
    """What every photograph of an arm is measured with.

    Attributes:
        model: the autoencoder; None only resizes there and back.
        judges: at least one; the first is the primary one.
        size_px: side of the square the model works on.
        lpips: encoder spec for LPIPS, or "".
        judged: folder that keeps what the judges said of the originals.
    """

    model: torch.nn.Module | None
    judges: Sequence[Judge]
    size_px: int
    lpips: str
    judged: Path


@dataclass(frozen=True)
class Measured:
    """One photograph's rows, its reconstruction, and the primary judge's vessels on both."""

    rows: list[Row]
    result: Reconstruction
    estimate: np.ndarray
    reference: np.ndarray


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

    Raises:
        Refusal: if none of the study's judges could be loaded.
        DiskFull: if a file could not be written.
    """
    judges, problems = available_judges(study.measure.judges, data)
    if not judges:
        raise Refusal("at least one vessel judge", "; ".join(problems), "name one that loads")
    size_px, lpips = study.data.sheet_px, located(study.measure.lpips, data)
    bench = Bench(model, judges, size_px, lpips, run.judged)
    rows: list[Row] = []
    squares: dict[str, np.ndarray] = {}
    for part, sheets in (("val", prepared.val), ("test", prepared.test)):
        for record in sheets.records:
            try:
                done = measure_photograph(bench, record, part)
                rows += done.rows
                if part == "test":
                    squares[f"{record.dataset}/{record.name}"] = done.result.square.pixels
                    _save_pictures(run.job(job), record, done)
                    if job.arm == RESIZE_ONLY:
                        rows += _reference_lines(bench, record, part)
            except DiskFull:
                raise
            except (RetinaForgeError, OSError, ValueError) as error:
                problems.append(f"{record.name}: {type(error).__name__}: {error}")
    _save_features(run.job(job), located(study.measure.encoder, data), squares)
    _save_rows(run.job(job), job, rows)
    run.set_status(job, "running", problems=problems)


def measure_photograph(bench: Bench, record: Record, part: str) -> Measured:
    """Reconstruct one photograph and measure it; of "val" only what chooses between arms."""
    photo, fov = open_photograph(record)
    result = reconstruct_photograph(bench.model, photo, fov, size_px=bench.size_px)
    rows = [] if part == "val" else list(domain_free_rows(record, part, result, lpips=bench.lpips))
    judges = bench.judges[:1] if part == "val" else bench.judges
    estimates, references = [], []
    for judge in judges:
        original = judge_original(judge, photo, fov, bench.judged, slug(record))
        estimate = judge.mask(result.native, fov)
        for reference, quantity in vessel_rows(estimate, original, result.native, record):
            rows.append(Row(record, part, judge.card.name, reference, quantity))
        estimates.append(estimate)
        references.append(original.mask)
    return Measured(rows, result, estimates[0], references[0])


def domain_free_rows(
    record: Record, part: str, result: Reconstruction, *, lpips: str = ""
) -> Iterable[Row]:
    """Yield the scores that know no eyes, on the square that the model saw."""
    pair = (result.square.pixels, result.original.photograph.pixels, result.original.fov.mask)
    for metric in IMAGE_METRICS:
        yield Row(record, part, "", "original", metric.compare(*pair))
    if lpips:
        yield Row(record, part, "", "original", lpips_quantity(*pair, encoder=lpips))


def _reference_lines(bench: Bench, record: Record, part: str) -> Iterable[Row]:
    """The lines to read an arm against: the judge on the untouched photograph; a second human."""
    photo, fov = open_photograph(record)
    humans = JudgedOriginal(photo, fov, fov.mask)
    first, second = humans.human(record), humans.human(record, "vessel2")
    if first is None:
        return
    for judge in bench.judges:
        original = judge_original(judge, photo, fov, bench.judged, slug(record))
        for quantity in compare_vessels(original.mask, first, fov.mask):
            yield Row(record, part, judge.card.name, "human", quantity, arm=ORIGINAL)
    if second is not None:
        for quantity in compare_vessels(second, first, fov.mask):
            yield Row(record, part, "human", "human", quantity, arm=HUMAN)


def _save_pictures(folder: Path, record: Record, done: Measured) -> None:
    """Keep the square, and the primary judge's vessels on both sides, for the report."""
    kept = folder / "reconstructions"
    save_synthetic(done.result.square, kept, slug(record), model=folder.parent.name)
    carry = done.result.original.geometry.carry_mask
    for name, vessels in (("vessels", done.estimate), ("reference", done.reference)):
        image = Image.fromarray(carry(vessels))
        write_with(
            kept / f"synthetic_{slug(record)}_{name}.png",
            functools.partial(image.save, format="PNG"),
        )


def _save_features(folder: Path, spec: str, squares: Mapping[str, np.ndarray]) -> None:
    if squares:
        features = embed(load_encoder(spec), list(squares.values()))
        buffer = io.BytesIO()
        np.savez_compressed(buffer, features=features, names=np.array(list(squares)))
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

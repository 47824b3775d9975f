"""The ceiling of anybody's autoencoder on anybody's photographs, without a study around it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from retinaforge.core import Card, Record, RetinaForgeError, Score, rng_for
from retinaforge.core.artefacts import DiskFull, environment, whole_file, write_json
from retinaforge.metrics import mean_score
from retinaforge.studies.folder import RESIZE_ONLY
from retinaforge.studies.measure import Row, domain_free_rows, row_table, slug
from retinaforge.tasks.ceiling import judge_original, vessel_rows
from retinaforge.tasks.reconstruct import reconstruct_photograph
from retinaforge.tasks.sheets import open_photograph
from retinaforge.vessels import Judge, load_judge

MODEL = "model"


@dataclass(frozen=True)
class Ceiling:
    """Scores of a model and of resizing alone, and the photographs that were refused."""

    scores: tuple[Score, ...]
    refused: tuple[tuple[str, str], ...]


def measure_ceiling(
    model: torch.nn.Module,
    records: Sequence[Record],
    *,
    size_px: int,
    judges: Sequence[str] = ("ours",),
    out: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Ceiling:
    """Score reconstruction against original, with and without the model.

    Args:
        model: any autoencoder that `load_autoencoder` returns.
        records: the photographs; one that cannot be read is named in `refused`.
        size_px: side of the square on which the model works.
        judges: specs of `load_judge`.
        out: folder for scorecard.json and per_image.parquet; None writes nothing.
        on_progress: called with (done, all).
    """
    loaded = [load_judge(spec) for spec in judges]
    rows: list[Row] = []
    refused = []
    with tempfile.TemporaryDirectory() as scratch:
        for done, record in enumerate(records, start=1):
            try:
                rows += _both(model, record, loaded, Path(scratch), size_px)
            except DiskFull:
                raise
            except (RetinaForgeError, OSError) as error:
                refused.append((record.name, str(error)))
            if on_progress:
                on_progress(done, len(records))
    if not rows:
        raise RetinaForgeError(f"no photograph could be measured: {refused[:3]}")
    scores = tuple(_scores(rows))
    if out is not None:
        _write(out, rows, scores, size_px)
    return Ceiling(scores, tuple(refused))


def _both(
    model: torch.nn.Module, record: Record, judges: Sequence[Judge], scratch: Path, size_px: int
) -> list[Row]:
    photo, fov = open_photograph(record)
    originals = [judge_original(judge, photo, fov, scratch, slug(record)) for judge in judges]
    rows = []
    for arm, chosen in ((MODEL, model), (RESIZE_ONLY, None)):
        result = reconstruct_photograph(chosen, photo, fov, size_px=size_px)
        rows += [row.of_arm(arm) for row in domain_free_rows(record, "", result)]
        for judge, original in zip(judges, originals, strict=True):
            estimate = judge.mask(result.native, fov)
            for reference, quantity in vessel_rows(estimate, original, result.native, record):
                rows.append(Row(record, "", judge.card.name, reference, quantity, arm))
    return rows


def _scores(rows: Sequence[Row]) -> list[Score]:
    cards: dict[str, Card] = {row.quantity.card.name: row.quantity.card for row in rows}
    table = row_table(rows)
    scores = []
    for (measure, judge, reference, arm), group in table.groupby(
        ["measure", "judge", "reference", "arm"], sort=False
    ):
        where = {"arm": arm, "judge": judge, "reference": reference, "dataset": "all"}
        values, patients = group["value"].to_numpy(float), list(group["patient"])
        rng = rng_for(0, "bootstrap")
        scores.append(mean_score(cards[measure], values, patients, rng=rng, where=where))
    return scores


def _write(out: Path, rows: Sequence[Row], scores: Sequence[Score], size_px: int) -> None:
    table: pd.DataFrame = row_table(rows)
    with whole_file(out / "per_image.parquet") as stream:
        table.to_parquet(stream, index=False)
    protocol = {"size_px": size_px, "evaluated_with": environment()}
    plain = [score.as_dict() for score in scores]
    write_json(
        out / "scorecard.json", {"schema_version": "1.0", "scores": plain, "protocol": protocol}
    )

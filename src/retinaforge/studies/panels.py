"""Pictures for the report: the same eyes under every arm, zoomed, with missed and added vessels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import uniform_filter

from retinaforge.core import Record, seed_for
from retinaforge.core.artefacts import write_json, write_with
from retinaforge.studies.folder import RESIZE_ONLY, Job, RunFolder
from retinaforge.studies.measure import slug
from retinaforge.studies.plan import Study
from retinaforge.tasks.sheets import Sheets
from retinaforge.vessels import overlay_missed_added

ZOOM_PX = 128
ZOOM_SCALE = 3


def draw_panels(
    study: Study, run: RunFolder, test: Sheets, jobs: Sequence[Job], table: pd.DataFrame
) -> Path:
    """Write panels.json and its PNGs: fixed eyes under every arm, then each arm's extremes."""
    arms = list(dict.fromkeys(job for job in jobs if job.arm != RESIZE_ONLY))
    first = [job for job in arms if job.seed == min(j.seed for j in arms if j.arm == job.arm)]
    shown = [job for job in first if (run.job(job) / "reconstructions").is_dir()]
    values = _primary_values(study, table)
    eyes = [
        _eye(run, test, index, shown, values, {"why": "fixed"})
        for index in fixed_eyes(test.records, study.measure.eyes, seed=study.seed)
    ]
    places = {(r.dataset, r.name): index for index, r in enumerate(test.records)}
    for job in shown:
        own = values[values.arm == job.arm].dropna(subset="value")
        for why, place in (("best", "idxmax"), ("worst", "idxmin")):
            if len(own):
                row = own.loc[getattr(own["value"], place)()]
                tag = {"why": why, "arm": job.arm}
                index = places[row["dataset"], row["image"]]
                eyes.append(_eye(run, test, index, [job], values, tag))
    return write_json(run.panels / "panels.json", {"eyes": eyes})


def fixed_eyes(records: Sequence[Record], count: int, *, seed: int) -> list[int]:
    """Choose eyes blindly: in turn from each data set, in an order that only the seed decides."""
    queues: dict[str, list[int]] = {}
    order = sorted(range(len(records)), key=lambda i: seed_for(seed, "eye", records[i].name))
    for index in order:
        queues.setdefault(records[index].dataset, []).append(index)
    rounds = max(map(len, queues.values()))
    turns = [q[r] for r in range(rounds) for _, q in sorted(queues.items()) if r < len(q)]
    return turns[:count]


def _primary_values(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Return (arm, dataset, image, value) of the primary measure by the first judge of the rows."""
    chosen = table[
        (table.part == "test")
        & (table.measure == study.measure.primary)
        & (table.reference == "original")
        & (table.judge != "")
    ]
    judge = chosen["judge"].iloc[0] if len(chosen) else ""
    own = chosen[chosen.judge == judge]
    return own.groupby(["arm", "dataset", "image"])["value"].mean().reset_index()


def _eye(
    run: RunFolder,
    test: Sheets,
    index: int,
    jobs: Sequence[Job],
    values: pd.DataFrame,
    tag: dict[str, str],
) -> dict[str, Any]:
    record = test.records[index]
    original, fov = np.asarray(test.pixels[index]), np.asarray(test.fov[index])
    reference = _picture(run.job(Job(RESIZE_ONLY, 0)), record, "_reference") > 0
    window = densest_window(reference, ZOOM_PX)
    files = _Files(run.panels, slug(record))
    return {
        "image": record.name,
        "dataset": record.dataset,
        "patient": record.patient,
        **tag,
        "original": files.save(original, "original"),
        "original_zoom": files.save(_zoomed(original, window), "original_zoom"),
        "arms": [
            _arm_pictures(run, job, record, reference, fov, window, files, values) for job in jobs
        ],
    }


def _arm_pictures(
    run: RunFolder,
    job: Job,
    record: Record,
    reference: np.ndarray,
    fov: np.ndarray,
    window: tuple[slice, slice],
    files: _Files,
    values: pd.DataFrame,
) -> dict[str, str]:
    pixels = _picture(run.job(job), record, "")
    estimate = _picture(run.job(job), record, "_vessels") > 0
    overlay = overlay_missed_added(pixels, reference, estimate, fov)
    here = (values.dataset == record.dataset) & (values.image == record.name)
    value = values[(values.arm == job.arm) & here]["value"]
    return {
        "arm": job.arm,
        "reconstruction": files.save(pixels, job.arm),
        "zoom": files.save(_zoomed(pixels, window), f"{job.arm}_zoom"),
        "overlay": files.save(overlay, f"{job.arm}_overlay"),
        "overlay_zoom": files.save(_zoomed(overlay, window), f"{job.arm}_overlay_zoom"),
        "caption": f"{value.iloc[0]:.3f}" if len(value) else "not measured",
    }


class _Files:
    """Write pictures of one eye and return their paths relative to the panels folder."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.folder, self.stem = folder, stem

    def save(self, pixels: np.ndarray, what: str) -> str:
        name = f"{self.stem}/{'' if what.startswith('original') else 'synthetic_'}{what}.png"
        image = Image.fromarray(pixels)
        write_with(self.folder / name, lambda stream: image.save(stream, format="PNG"))
        return name


def _picture(folder: Path, record: Record, suffix: str) -> np.ndarray:
    path = folder / "reconstructions" / f"synthetic_{slug(record)}{suffix}.png"
    return np.asarray(Image.open(path))


def densest_window(vessels: np.ndarray, size_px: int) -> tuple[slice, slice]:
    """Return the window of `size_px` that holds the most vessel: where there is most to lose."""
    density = uniform_filter(vessels.astype(np.float32), size_px, mode="constant")
    half = size_px // 2
    inner = density[half : vessels.shape[0] - half, half : vessels.shape[1] - half]
    top, left = np.unravel_index(int(np.argmax(inner)), inner.shape)
    return slice(int(top), int(top) + size_px), slice(int(left), int(left) + size_px)


def _zoomed(pixels: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
    return pixels[window].repeat(ZOOM_SCALE, 0).repeat(ZOOM_SCALE, 1)

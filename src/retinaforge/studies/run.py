"""Run a study: every arm in its own process, side by side, then the scorecard and the page."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from retinaforge.core import Refusal, RetinaForgeError
from retinaforge.core.artefacts import environment, write_json
from retinaforge.reports import write_report
from retinaforge.studies.arm import settle_precision
from retinaforge.studies.encoder_judges import complete_features
from retinaforge.studies.folder import RESIZE_ONLY, Job, RunFolder
from retinaforge.studies.measure import available_judges
from retinaforge.studies.panels import draw_panels
from retinaforge.studies.plan import BEST, Study
from retinaforge.studies.prepare import Prepared, prepare
from retinaforge.studies.summarise import HEADLINE, best_arm, gather_rows, summarise

Until = Literal["trained", "done"]
SCHEMA_VERSION = "1.0"
Tick = Callable[[RunFolder, Sequence[Job]], None]


@dataclass(frozen=True)
class StudyOutcome:
    """What became of a study.

    Attributes:
        report: the page; None where the run stopped after training.
        failed: (arm, seed, reason) of the jobs that failed.
    """

    report: Path | None
    failed: tuple[tuple[str, int, str], ...]


def run_study(
    study: Study,
    data: Path,
    out: Path,
    *,
    processes: int | None = None,
    until: Until = "done",
    on_tick: Tick | None = None,
) -> StudyOutcome:
    """Train and measure every arm and write the report; the same call resumes or finds it done.

    Args:
        study: what to do.
        data: folder of photographs.
        out: run folder; made if it is not there.
        processes: arms side by side; default one a GPU, or one a core without a GPU.
        until: "trained" stops before anything is measured.
        on_tick: called every second or so, for a progress display.

    Returns:
        Where the report lies and what failed.

    Raises:
        Refusal: if `out` holds another study, or the data do not fit.
    """
    run = RunFolder(out)
    _open_folder(run, study)
    prepared = prepare(study, data, run)
    _write_environment(run, study, prepared)
    seeds = study.train.seeds_gpu if torch.cuda.is_available() else study.train.seeds
    at_once = processes or torch.cuda.device_count() or os.cpu_count() or 1
    losses = {arm.name: arm.loss for arm in study.arm}
    alone = [Job(name, seed) for name, loss in losses.items() for seed in seeds if BEST not in loss]
    built = [Job(name, seed) for name, loss in losses.items() for seed in seeds if BEST in loss]
    jobs = [Job(RESIZE_ONLY, 0), *alone]
    if until == "trained":
        jobs = alone
    _work(jobs, losses, data, run, at_once=at_once, until=until, on_tick=on_tick)
    if built and until == "done":
        losses = _with_best(study, data, run, alone, losses)
        _work(built, losses, data, run, at_once=at_once, until=until, on_tick=on_tick)
        jobs += built
    failed = tuple(
        (job.arm, job.seed, str(run.status(job).get("reason", "")))
        for job in jobs
        if run.status(job)["state"] == "failed"
    )
    report = finish(study, data, run, prepared, jobs) if until == "done" else None
    return StudyOutcome(report, failed)


def _with_best(
    study: Study, data: Path, run: RunFolder, alone: Sequence[Job], losses: dict[str, str]
) -> dict[str, str]:
    """Put the best arm's expression where a loss says {best}; if there is none, it stays."""
    measured = [job for job in alone if (run.job(job) / "per_image.parquet").is_file()]
    if not measured:
        return losses
    best = losses[best_arm(study, data, gather_rows(run, measured))]
    return {name: loss.replace(BEST, best) for name, loss in losses.items()}


def finish(
    study: Study, data: Path, run: RunFolder, prepared: Prepared, jobs: Sequence[Job]
) -> Path:
    """Write scorecard, panels and page from what the jobs left on disk.

    Raises:
        RetinaForgeError: if not one arm was measured.
    """
    measured = [job for job in jobs if (run.job(job) / "per_image.parquet").is_file()]
    if not measured:
        raise RetinaForgeError(
            "no arm was measured, so there is nothing to report; "
            f"the reasons stand in {run.root}/arms/*/seed-*/status.json"
        )
    problems = complete_features(study, data, run, measured)
    scores = summarise(study, data, run, measured)
    write_json(
        run.scorecard,
        {
            "schema_version": SCHEMA_VERSION,
            "scores": [score.as_dict() for score in scores],
            "protocol": {**_protocol(study, data, run), "encoders_left_out": problems},
        },
    )
    draw_panels(study, run, prepared.test, measured, gather_rows(run, measured))
    return write_report(run.root)


def _open_folder(run: RunFolder, study: Study) -> None:
    """Write the resolved study, or refuse a folder that holds another one."""
    plain = json.loads(study.model_dump_json())
    if run.study.is_file():
        # Through the model, so that a folder begun before a field existed has its default.
        stored = Study.model_validate_json(run.study.read_text())
        there = json.loads(stored.model_dump_json())
        # Encoders that judge look at what lies there already: they may be added at any time.
        there["measure"]["encoder_judges"] = plain["measure"]["encoder_judges"]
        if changed := [key for key in plain if plain[key] != there.get(key)]:
            raise Refusal(
                f"the study that {run.root} was begun with",
                f"another one (different: {', '.join(changed)})",
                "choose a new --out, or go back to the old study file to resume",
            )
    write_json(run.study, plain)


def _write_environment(run: RunFolder, study: Study, prepared: Prepared) -> None:
    """Write down once what the results depend on, the precision of all arms among it."""
    if not run.environment.is_file():
        device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
        precision = settle_precision(study, prepared)
        write_json(run.environment, {**environment(), "device": device, "precision": precision})


def _work(
    jobs: Sequence[Job],
    losses: dict[str, str],
    data: Path,
    run: RunFolder,
    *,
    at_once: int,
    until: Until,
    on_tick: Tick | None,
) -> None:
    """Run the jobs that are not finished, `at_once` side by side."""
    finished = ("done",) if until == "done" else ("done", "trained")
    waiting = [job for job in jobs if run.status(job)["state"] not in finished]
    with ThreadPoolExecutor(at_once) as pool:
        futures = [
            pool.submit(_one, job, losses.get(job.arm, ""), data, run, at_once, index, until)
            for index, job in enumerate(waiting)
        ]
        while not all(future.done() for future in futures):
            if on_tick:
                on_tick(run, jobs)
            time.sleep(1.0)
    for future in futures:
        future.result()


def _one(
    job: Job, loss: str, data: Path, run: RunFolder, at_once: int, index: int, until: Until
) -> None:
    """Run one job in a process of its own, and write down how it ended if it could not."""
    words = [str(run.root), str(data), job.arm, str(job.seed), loss, until]
    log = run.job(job) / "output.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        ended = subprocess.run(
            [sys.executable, "-m", "retinaforge.studies.worker", *words],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=_worker_environment(at_once, index),
        )
    state = run.status(job)["state"]
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        run.set_status(job, "failed", reason=f"killed by {name}; run the same command to resume")
    elif ended.returncode and state != "failed":
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        run.set_status(job, "failed", reason=f"exit code {ended.returncode}: {' '.join(last)}")


def _worker_environment(at_once: int, index: int) -> dict[str, str]:
    """Give each process its share of the cores, and a GPU of its own where there are several."""
    threads = str(max(1, (os.cpu_count() or 1) // at_once))
    out = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if torch.cuda.device_count() > 1:
        out["CUDA_VISIBLE_DEVICES"] = str(index % torch.cuda.device_count())
    return out


def _protocol(study: Study, data: Path, run: RunFolder) -> dict[str, Any]:
    """Say how the numbers came about."""
    judges, missing = available_judges(study.measure.judges, data)
    return {
        "study": study.name,
        "baseline": study.measure.baseline,
        "sheet_px": study.data.sheet_px,
        "scale": "fidelity on the normalised square; vessels in the photograph's own pixels",
        "interval": f"95 % cluster bootstrap over patients, {study.measure.bootstrap} resamples",
        "difference": "arm minus baseline, image by image; sign-flip p over patients",
        "headline": list(HEADLINE),
        "holm": "headline measures x arms are one family; every other measure is its own family "
        "and exploratory",
        "judges": [judge.card.as_dict() for judge in judges],
        "judges_left_out": missing,
        "images_scored": json.loads(run.data.read_text())["images"]["test"],
        "evaluated_with": environment(),
    }

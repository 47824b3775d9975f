"""Requests to a folder of images or shards; the same call again goes on where it stopped.

Batches are cut from the whole list, never from what is left of it, so an image that is drawn
after an interruption stands in the same batch, and has the same bytes, as without one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from retinaforge.core.artefacts import environment, write_bytes, write_json, write_with
from retinaforge.tasks.pairs import METADATA, write_rows
from retinaforge.tasks.sample_draw import Drawn, Paint, SamplePlan, painting, require_plan
from retinaforge.tasks.sample_files import (
    claim,
    facts_of,
    fill_shard,
    png_of,
    row_for,
    settings_of,
    shard_stems,
)
from retinaforge.tasks.sample_painter import Painter
from retinaforge.tasks.sample_requests import BadCaption, Request
from retinaforge.tasks.sample_result import OnProgress, Progress, SampleResult, result_of

RESULT = "result.json"
Form = Literal["imagefolder", "webdataset"]


def sample_images(
    painter: Painter,
    requests: Sequence[Request],
    plan: SamplePlan,
    out: Path,
    *,
    form: Form = "imagefolder",
    shard_size: int = 1000,
    bad_captions: Sequence[BadCaption] = (),
    on_progress: OnProgress | None = None,
) -> SampleResult:
    """Draw every request that is not there yet, and write `result.json` last.

    Args:
        painter: generator, autoencoder and text encoder.
        requests: what to draw.
        plan: how.
        out: an imagefolder with metadata.jsonl in the columns of a pairs folder, or shards
            synthetic-000000.tar, ...
        form: "imagefolder" or "webdataset".
        shard_size: images a shard.
        bad_captions: rows that held no caption, for the result.
        on_progress: called after each step of each batch.

    Raises:
        Refusal: if the plan does not fit the generator, or `out` holds a run of other settings.
        DiskFull: if a file could not be written; the same call resumes.
    """
    require_plan(painter, plan, requests)
    paint = painting(painter, plan)
    settings = settings_of(requests, plan, painter.fingerprint, form)
    if form == "webdataset":
        settings["shard_size"] = shard_size
    claim(out, settings)
    run = _Run(paint, plan, painter.fingerprint, out, len(requests), on_progress)
    if form == "webdataset":
        run.write_shards(requests, shard_size)
    else:
        run.write_folder(requests)
    result = result_of(run, painter, plan, requests, bad_captions)
    write_json(
        out / RESULT,
        {
            **result.as_dict(),
            "settings": settings,
            "batch": run.batch,
            "environment": environment(),
        },
    )
    return result


class _Run:
    """One sitting: what was drawn, what was there, what failed, and how fast."""

    def __init__(
        self,
        paint: Paint,
        plan: SamplePlan,
        fingerprint: str,
        out: Path,
        images: int,
        on_progress: OnProgress | None,
    ) -> None:
        self.paint, self.plan, self.fingerprint, self.out = paint, plan, fingerprint, out
        self.images, self.on_progress = images, on_progress
        self.batch = plan.batch
        self.written, self.kept, self.drawn = 0, 0, 0
        self.failed: list[tuple[str, str, str]] = []
        self.started = time.monotonic()

    def write_folder(self, requests: Sequence[Request]) -> None:
        for one in self.draw(requests, missing=lambda r: not self.path(r).exists()):
            if one.pixels is not None:
                facts = facts_of(one.request, self.plan, self.fingerprint)
                write_bytes(self.path(one.request), png_of(one.pixels, facts))
        there = [request for request in requests if self.path(request).exists()]
        rows = (row_for(request, self.plan, self.fingerprint) for request in there)
        write_rows(self.out / METADATA, rows)

    def write_shards(self, requests: Sequence[Request], size: int) -> None:
        for number, start in enumerate(range(0, len(requests), size)):
            part = requests[start : start + size]
            path = self.out / f"synthetic-{number:06d}.tar"
            if path.exists():
                stems = shard_stems(path)
                self.kept += len(stems)
                lost = [request for request in part if request.stem not in stems]
                self.failed += [(r.stem, r.wording.source, "failed before") for r in lost]
                continue
            drawn = self.draw(part, missing=lambda request: True)
            fill = partial(fill_shard, drawn=drawn, plan=self.plan, fingerprint=self.fingerprint)
            write_with(path, fill)

    def path(self, request: Request) -> Path:
        return self.out / f"{request.stem}.png"

    def draw(
        self, requests: Sequence[Request], missing: Callable[[Request], bool]
    ) -> Iterator[Drawn]:
        """Yield the images that are missing, batch by batch; smaller batches where memory ends."""
        start = 0
        while start < len(requests):
            part = requests[start : start + self.batch]
            wanted = {request.number for request in part if missing(request)}
            try:
                drawn = self.paint(part, partial(self.step, len(part))) if wanted else []
            except torch.OutOfMemoryError:
                if self.batch == 1:
                    raise
                self.batch = max(1, self.batch // 2)
                continue
            self.kept += len(part) - len(wanted)
            self.drawn += len(drawn)
            for one in drawn:
                if one.request.number in wanted:
                    self.note(one)
                    yield one
            start += len(part)
            self.tell(0.0)

    def note(self, one: Drawn) -> None:
        if one.pixels is None:
            self.failed.append((one.request.stem, one.request.wording.source, one.reason))
        else:
            self.written += 1

    def step(self, images: int, done: int, steps: int) -> None:
        self.tell(images * done / steps)

    def tell(self, part: float) -> None:
        if self.on_progress is None:
            return
        seconds = time.monotonic() - self.started
        done = self.kept + self.written + len(self.failed) + part
        speed = (self.drawn + part) / seconds if seconds > 0 else 0.0
        left = (self.images - done) / speed if speed else float("inf")
        self.on_progress(Progress(done, self.images, speed, left))

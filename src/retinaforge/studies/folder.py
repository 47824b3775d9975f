"""Where everything of a run lies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from retinaforge.core.artefacts import write_json

State = Literal["waiting", "running", "trained", "done", "failed"]
RESIZE_ONLY = "resize-only"


def slug_of(dataset: str, image: str) -> str:
    """Return a file name for a photograph that no other one of the study has."""
    return f"{dataset}-{image}".replace("/", "_").rsplit(".", 1)[0]


@dataclass(frozen=True)
class Job:
    """One arm with one seed."""

    arm: str
    seed: int


@dataclass(frozen=True)
class RunFolder:
    """Name every file of a run, so that nobody spells a path twice."""

    root: Path

    @property
    def study(self) -> Path:
        """The resolved study."""
        return self.root / "study.json"

    @property
    def data(self) -> Path:
        """What was read, refused, split."""
        return self.root / "data.json"

    @property
    def environment(self) -> Path:
        """Versions, machine, commit."""
        return self.root / "environment.json"

    @property
    def scorecard(self) -> Path:
        """All scores."""
        return self.root / "scorecard.json"

    @property
    def per_image(self) -> Path:
        """All rows behind the scores."""
        return self.root / "per_image.parquet"

    @property
    def panels(self) -> Path:
        """Pictures for the report."""
        return self.root / "panels"

    def sheets(self, part: str) -> Path:
        """Return where the sheets of a split lie."""
        return self.root / "cache" / f"sheets-{part}"

    @property
    def judged(self) -> Path:
        """Judges' masks of the originals."""
        return self.root / "cache" / "judged"

    def job(self, job: Job) -> Path:
        """Return the folder of one arm and seed."""
        return self.root / "arms" / job.arm / f"seed-{job.seed}"

    def patients(self) -> dict[str, str]:
        """Return whose eye each photograph shows, by "dataset/name"."""
        rows = json.loads(self.data.read_text())["records"]
        return {f"{row['dataset']}/{row['name']}": row["patient"] for row in rows}

    def status(self, job: Job) -> dict[str, Any]:
        """Return a job's status.json, or that it waits."""
        path = self.job(job) / "status.json"
        return json.loads(path.read_text()) if path.is_file() else {"state": "waiting"}

    def set_status(self, job: Job, state: State, **facts: Any) -> None:
        """Write a job's status, keeping the facts that stood there."""
        kept = {**self.status(job), "reason": "", **facts, "state": state}
        write_json(self.job(job) / "status.json", kept)

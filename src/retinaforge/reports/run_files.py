"""What a run folder holds, as plain data; a part that is missing is named, never guessed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from retinaforge.core import Refusal


@dataclass(frozen=True)
class TrainingRun:
    """One arm with one seed: its status and its learning curve."""

    arm: str
    seed: str
    status: dict[str, Any]
    log: list[dict[str, Any]]

    @property
    def failed(self) -> bool:
        """Return whether it ended without a result."""
        return self.status.get("state") == "failed"


@dataclass(frozen=True)
class RunFiles:
    """Everything the page is made of.

    Attributes:
        missing: what was not there or could not be read, in words.
    """

    folder: Path
    study: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    scorecard: dict[str, Any]
    rows: pd.DataFrame
    trainings: list[TrainingRun]
    eyes: list[dict[str, Any]]
    missing: list[str] = field(default_factory=list)


def read_run(folder: Path) -> RunFiles:
    """Read a run folder, whole or in part.

    Raises:
        Refusal: "expected a run folder; got ..., which holds none of its files".
    """
    known = ("study.json", "scorecard.json", "arms", "per_image.parquet")
    if not any((folder / name).exists() for name in known):
        raise Refusal(
            f"a run folder with at least one of {', '.join(known)}",
            f"{folder}, which holds none of them",
            "name the folder given to `retinaforge study run --out`",
        )
    missing: list[str] = []
    return RunFiles(
        folder=folder,
        study=_json(folder / "study.json", missing),
        environment=_json(folder / "environment.json", missing),
        data=_json(folder / "data.json", missing),
        scorecard=_json(folder / "scorecard.json", missing),
        rows=_rows(folder / "per_image.parquet", missing),
        trainings=_trainings(folder / "arms", missing),
        eyes=_json(folder / "panels" / "panels.json", missing).get("eyes", []),
        missing=missing,
    )


def _json(path: Path, missing: list[str]) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        missing.append(f"{path.name} is not in the run folder")
        return {}
    except (OSError, ValueError) as error:
        missing.append(f"{path.name} could not be read: {error}")
        return {}
    return content if isinstance(content, dict) else {}


def _rows(path: Path, missing: list[str]) -> pd.DataFrame:
    columns = ["arm", "seed", "image", "dataset", "patient", "judge", "reference", "measure"]
    try:
        rows = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        gone = "is not in the run folder" if not path.exists() else f"could not be read: {error}"
        missing.append(f"{path.name} {gone}")
        return pd.DataFrame(columns=[*columns, "value", "unit", "reason"])
    # Validation eyes chose between arms; only held-out ones are shown.
    return rows[rows["part"] == "test"] if "part" in rows else rows


def _trainings(folder: Path, missing: list[str]) -> list[TrainingRun]:
    found = sorted(path for path in folder.glob("*/seed-*") if path.is_dir())
    if not found:
        missing.append("arms/ holds no training")
    return [
        TrainingRun(
            arm=path.parent.name,
            seed=path.name.removeprefix("seed-"),
            status=_json(path / "status.json", missing),
            log=_lines(path / "log.jsonl"),
        )
        for path in found
    ]


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the log's whole lines; a killed process may have left half a line at the end."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return [line for line in lines if isinstance(line, dict) and "step" in line]

"""Read what classifiers said of images: predictions of `probe`, of `usefulness`, or any table.

A row is one image: `image`, `truth`, and either `p_CLASS` columns or one column `score`. Rows of
several seeds or rounds are averaged. Columns that name who answered (`classifier`, `arm`,
`backbone`, `encoder`, `probe`, …) make one classifier of each combination. Rows without a truth
are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retinaforge.core import Record, Refusal
from retinaforge.metrics.group_names import bands
from retinaforge.metrics.judged import Judged
from retinaforge.tasks.probe_target import READERS

if TYPE_CHECKING:
    import pandas as pd

WHO = ("classifier", "arm", "backbone", "encoder", "probe", "question", "where", "protocol")
UNKNOWN = ("", "nan", "None")
CHANCE = "constant"
THRESHOLD = 0.5
AGE_EDGES = (50.0, 65.0)


@dataclass(frozen=True)
class Answered:
    """What one classifier said.

    Attributes:
        name: who answered.
        judged: truth, scores, calls and patients of its images.
        images: (data set or "", name) of each.
        columns: further columns of the table, as text, by image.
        positive: classes that count as the finding.
        unscored: rows that were left out, their score being no number.
    """

    name: str
    judged: Judged
    images: tuple[tuple[str, str], ...]
    columns: tuple[dict[str, str], ...]
    positive: tuple[str, ...]
    unscored: int = 0


def read_answers(
    path: Path, *, positive: Sequence[str] = (), threshold: float = THRESHOLD
) -> list[Answered]:
    """Return what each classifier of a table said.

    Args:
        path: .parquet, .csv, or a folder that holds predictions.parquet.
        positive: classes that count as the finding; of two classes the second if none is named.
        threshold: score from which the finding is called.

    Raises:
        Refusal: of a file that cannot be read, or lacks what is needed.
    """
    if not np.isfinite(threshold):
        raise Refusal("a threshold that is a number", f"{threshold:g}", "such as --threshold 0.5")
    table = _table(path)
    if "version" in table:
        table = table[table["version"] == "original"]
    table = table[~table["truth"].isin(UNKNOWN)]
    classes = [name[2:] for name in table.columns if name.startswith("p_")]
    found = _positive(sorted(set(table["truth"])), classes, positive)
    scores = _numbers(lambda: _scores(table, found, path), path)
    table = table.assign(_score=scores, _truth=table["truth"].isin(found))
    table = _without_chance(table)
    who = [name for name in WHO if name in table and table[name].nunique() > 1]
    named = table[who].agg(" | ".join, axis=1) if who else _only(table)
    groups = table.groupby(named, sort=False)
    return [_answered(str(name), rows, found, threshold) for name, rows in groups]


def _without_chance(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out what a probe writes of one that says the same of every image."""
    same = np.zeros(len(table), bool)
    for name in WHO:
        if name in table:
            same |= (table[name] == CHANCE).to_numpy(bool)
    return table if same.all() else table[~same]


def _only(table: pd.DataFrame) -> Any:
    said = [str(table[name].iloc[0]) for name in WHO if name in table]
    return np.full(len(table), " | ".join(said) or "the classifier")


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    path = path / "predictions.parquet" if path.is_dir() else path
    try:
        table = pd.read_csv(path, dtype={"truth": str, "image": str, "patient": str}) if (
            path.suffix == ".csv") else pd.read_parquet(path)  # fmt: skip
    except (OSError, ValueError) as error:
        raise Refusal(
            "a table of answers (.csv, .parquet, or a folder with predictions.parquet)",
            f"{path}: {error}", "run `retinaforge probe` or write image, truth, score",
        ) from error  # fmt: skip
    missing = {"image", "truth"} - set(table)
    if missing or not len(table):
        raise Refusal(
            "rows with columns image and truth",
            f"{len(table)} rows with columns {', '.join(map(str, table))}: {path}",
            "one row an image: image, truth, score (or p_CLASS), perhaps patient, sex, age",
        )
    return table.assign(truth=table["truth"].astype(str))


def _positive(truths: list[str], classes: list[str], asked: Sequence[str]) -> tuple[str, ...]:
    known = classes or truths
    if not asked and len(known) == 2:
        return (known[1],)
    if not asked or set(asked) - set(known) or not set(known) - set(asked):
        raise Refusal(
            f"some, not all, of the classes {', '.join(known)} as the finding",
            ", ".join(asked) or "none named",
            "such as --positive 2,3,4 for referable retinopathy",
        )
    return tuple(asked)


def _numbers(read: Callable[[], np.ndarray], path: Path) -> np.ndarray:
    """Return the scores; refuse words, and a table in which no row has a score."""
    do = "write how sure the classifier is, as a number in every row"
    try:
        scores = read()
    except (TypeError, ValueError) as error:
        raise Refusal("scores that are numbers", f"{path}: {error}", do) from error
    if not np.isfinite(scores).any():
        raise Refusal("scores that are numbers", f"none in {len(scores)} rows: {path}", do)
    return scores


def _scores(table: pd.DataFrame, found: tuple[str, ...], path: Path) -> np.ndarray:
    named = [f"p_{name}" for name in found if f"p_{name}" in table]
    if named:
        return table[named].sum(axis=1, skipna=False).to_numpy(float)
    if "score" in table:
        return table["score"].to_numpy(float)
    raise Refusal(
        "a column score, or p_CLASS of every class",
        f"columns {', '.join(map(str, table))}: {path}",
        "write how sure the classifier is that the finding is there",
    )


def _answered(name: str, rows: pd.DataFrame, found: tuple[str, ...], threshold: float) -> Answered:
    keys = ["dataset", "image"] if "dataset" in rows else ["image"]
    scored = np.isfinite(rows["_score"])
    rows = rows[scored]
    once = rows.groupby(keys, sort=False)
    scores = once["_score"].mean()
    first = once.first().reset_index()
    patients = first["patient"] if "patient" in first else first["image"]
    texts = first.drop(columns=[*keys, "_score", "_truth"]).astype(str).to_dict("records")
    judged = Judged(
        first["_truth"].to_numpy(bool), scores.to_numpy(float),
        scores.to_numpy(float) >= threshold, tuple(map(str, patients)),
    )  # fmt: skip
    sets = first["dataset"].astype(str) if "dataset" in first else [""] * len(first)
    images = tuple(zip(sets, first["image"].astype(str), strict=True))
    return Answered(name, judged, images, tuple(texts), found, int((~scored).sum()))


def groups_of(
    answered: Answered, records: Sequence[Record], by: str, edges: Sequence[float] = AGE_EDGES
) -> list[str]:
    """Return the group of each image: from the table's own column, else from the records.

    Args:
        answered: whose images.
        records: of the data sets; matched by data set and name, or by name where it is unique.
        by: "age" (cut into bands), "sex", "camera", or any column.
        edges: of the bands of age, in years.

    Returns:
        "" where nothing is known.
    """
    by_both = {(r.dataset, r.name): r for r in records}
    names = [r.name for r in records]
    by_name = {r.name: r for r in records if names.count(r.name) == 1} if len(names) < 5000 else {}
    texts = []
    for (dataset, name), own in zip(answered.images, answered.columns, strict=True):
        record = by_both.get((dataset, name)) or by_name.get(name)
        said = own.get(by, "")
        if said in UNKNOWN and record is not None:
            said = _told(record, by)
        texts.append("" if said in UNKNOWN else said)
    return bands(np.array([_number(t) for t in texts]), edges) if by == "age" else texts


def _told(record: Record, by: str) -> str:
    if by in READERS:
        return READERS[by][1](record)
    return record.columns.get(by, "").strip()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")

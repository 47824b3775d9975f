"""Write the measured tables into docs/explanation/phantoms.md: `python tools/phantom_tables.py`.

They come from the result files of benchmarks/phantom_realism.py and benchmarks/phantom_transfer.py;
a test compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text

REPO = Path(__file__).parents[1]
PAGE = REPO / "docs/explanation/phantoms.md"
RESULTS = REPO / "benchmarks/results"
SETS = {"chase_db1": "CHASE_DB1", "drive": "DRIVE", "hrf": "HRF", "les_av": "LES-AV", "all": "all"}
Row = dict[str, Any]


def cell(row: Row) -> str:
    """Return the phantoms' mean (real 5th-95th percentile), in bold where it lies outside."""
    digits = 2 if abs(row["real"]["p95"]) < 10 else 0 if abs(row["real"]["p95"]) >= 100 else 1
    mean, low, high = (
        f"{value:.{digits}f}"
        for value in (row["phantoms"]["mean"], row["real"]["p5"], row["real"]["p95"])
    )
    return f"{mean if row['in'] else f'**{mean}**'} ({low} – {high})"


def realism_table(found: Row) -> str:
    """Return the vessels' table, a column a set, and the disc's and fovea's below it."""
    rows, words = found["results"], found["features"]
    features = list(dict.fromkeys(row["feature"] for row in rows if row["set"] == "all"))
    lines = ["| feature | " + " | ".join(SETS.values()) + " |", "| --- " * (len(SETS) + 1) + "|"]
    at = {(row["set"], row["feature"]): cell(row) for row in rows}
    for feature in features:
        cells = " | ".join(at.get((name, feature), "–") for name in SETS)
        lines.append(f"| {words[feature]} | {cells} |")
    lines += ["", "| disc and fovea | phantoms (real range) | real from |", "| --- | --- | --- |"]
    lines += [
        f"| {words[row['feature']]} | {cell(row)} | {row['set']} |"
        for row in rows
        if row["feature"] not in features
    ]
    inside = sum(row["in"] for row in rows)
    note = (
        f"{inside} of {len(rows)} means lie in the real range; {found['phantoms']} phantoms a set."
    )
    return "\n".join([*lines, "", note])


def transfer_table(found: Row) -> str:
    """Return one of the two transfer tables."""
    lines = [
        "| tested on | n | Dice | lowest | clDice | AUC |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['set']} | {row['n']} | {row['dice']:.3f} | {row['lowest_dice']:.3f} "
        f"| {row['cldice']:.3f} | {row['auc']:.3f} |"
        for row in found["results"]
    ]
    learnt = ", ".join(found["learnt_from"])
    return "\n".join([*lines, "", f"Learnt from: {learnt}; threshold {found['threshold']}."])


TABLES = {
    "phantom-realism": realism_table,
    "phantom-transfer-phantoms": transfer_table,
    "phantom-transfer-photographs": transfer_table,
}
"""Each table's marker in the page, which is also (with _ for -) its result file's name."""


def with_tables(page: str) -> str:
    """Return the page with each table between its markers."""
    for name, table in TABLES.items():
        found = json.loads((RESULTS / f"{name.replace('-', '_')}.json").read_text())
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}{table(found)}\n{end}{after}"
    return page


if __name__ == "__main__":
    write_text(PAGE, with_tables(PAGE.read_text()))

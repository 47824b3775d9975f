"""Write docs/reference/set-score-speed.md: `python tools/set_score_speed_page.py`.

It comes from the result file of benchmarks/validate.py; a test compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text

REPO = Path(__file__).parents[1]
PAGE = REPO / "docs/reference/set-score-speed.md"
RESULT = REPO / "benchmarks/results/validate.json"
Row = dict[str, Any]

HEAD = """# Speed and memory of the set scores

Made by `python tools/set_score_speed_page.py` from `benchmarks/results/validate.json`, which
`benchmarks/validate.py` writes; a test keeps it true. Do not edit by hand.

Each side runs in a process of its own on one thread, both in turns in one run. Seconds are the
processor's, medians of three runs: the machine was shared with other work, and processor seconds
depend on that less than the clock's; the ratio is what counts. Peak memory holds features and
interpreter too. **Difference** is that of the values, relative; 100 random subsets only estimate
what all pairs give, so that row has no tolerance.
"""
WHAT = {
    "frechet-1000": "Fréchet distance",
    "frechet-5000": "Fréchet distance",
    "neighbours-10000": "precision, recall, density, coverage",
    "kernel-10000": "kernel distance, all pairs",
    "frd_features": "radiomic features of FRD v1",
}
SLOW = """
## What remains slow

- All pairs are still n²: {kernel:.0f} s at 10,000 a side and 2048 features, nearly all of it one
  matrix product in float64. Beyond that, name fewer images.
- At n = 5,000 both routes pay for the same covariances; half of ours is the singular values of a
  {dim} × {dim} matrix, which are exact; eigenvalues of a product would be faster and lose half of
  the digits.
- An image's radiomic features take {frd:.2f} s at 512 px.
"""


def page(found: Row) -> str:
    """Return the page."""
    rows = {row["case"]: row for row in found["results"]}
    lines = [HEAD, "| what | n a side | size | against | ours, s | theirs, s | times faster | goal "
             "| GiB, ours | GiB, theirs | difference | reached |", "|" + " --- |" * 12]  # fmt: skip
    lines += [_line(what, rows[case]) for case, what in WHAT.items() if case in rows]
    seconds = {case: row["ours"]["cpu_seconds"] for case, row in rows.items()}
    frd = rows["frd_features"]
    lines.append(SLOW.format(
        kernel=seconds["kernel-10000"], dim=rows["frechet-5000"]["dim"],
        frd=seconds["frd_features"] / frd["n"],
    ).rstrip())  # fmt: skip
    where = found["environment"]
    packages = ("numpy", "scipy", "scikit-learn", "torchmetrics", "prdc")
    lines += ["", f"{where['machine']}, one thread; Python {where['python']}, "
              + ", ".join(f"{name} {where[name]}" for name in packages)
              + f", frd-score {where['frd-score']}; load average {where['load_1_min']}; commit "
              f"{where['git']} (the last case's; cases were run one after another)."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _line(what: str, row: Row) -> str:
    ours, peer = row["ours"], row["peer"]
    size = f"{row['dim']} px" if row["case"] == "frd_features" else f"{row['dim']} features"
    return (
        f"| {what} | {row['n']:,} | {size} | {row['peer_name']} | {ours['cpu_seconds']:.2f} "
        f"| {peer['cpu_seconds']:.2f} | **{row['ratio']:.1f}** | {row['goal']:g} "
        f"| {ours['peak_gib']:.2f} | {peer['peak_gib']:.2f} | {row['relative_difference']:.1e} "
        f"| {'yes' if row['met'] else '**no**'} |"
    )


if __name__ == "__main__":
    write_text(PAGE, page(json.loads(RESULT.read_text())))

"""How well the mere kind of a synthetic set foretells what comes of it: what scores must beat.

Run: python benchmarks/usefulness_kind.py studies/usefulness --out studies/usefulness/kind.json
Spearman's rho over the sets of foresight-TARGET.json between an outcome and 1 for a set that was
made of photographs (groups damaged, reconstructed), 0 for one that was drawn or sampled; and how
many of the study's scores lie above it.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from scipy.stats import spearmanr

from retinaforge.core.artefacts import environment, write_json

MADE_OF_PHOTOGRAPHS = ("damaged", "reconstructed")


def kind_rows(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row an outcome of a foresight file."""
    kind = [float(one["group"] in MADE_OF_PHOTOGRAPHS) for one in told["sets"]]
    rows = []
    for outcome in told["outcomes"]:
        values = [one[outcome]["value"] for one in told["sets"]]
        rho = float(spearmanr(kind, values).statistic)
        found = [row[outcome]["spearman"] for row in told["rows"] if row.get(outcome)]
        known = [v for v in found if v is not None and math.isfinite(v)]
        rows.append({
            "target": told["target"], "outcome": outcome, "sets": len(kind),
            "made_of_photographs": int(sum(kind)), "spearman": rho, "scores": len(known),
            "scores_above": sum(v > rho for v in known),
        })  # fmt: skip
    return rows


def main() -> None:
    """Read every foresight file of a study, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    files = sorted(chosen.study.glob("foresight-*.json"))
    rows = [row for file in files for row in kind_rows(json.loads(file.read_text("utf-8")))]
    for row in rows:
        above = f"{row['scores_above']} of {row['scores']} scores above"
        print(f"{row['target']}, {row['outcome']}: {row['spearman']:.3f}, {above}")
    write_json(chosen.out, {"rows": rows, "environment": environment()})


if __name__ == "__main__":
    main()

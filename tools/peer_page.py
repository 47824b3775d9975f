"""Write docs/reference/biomarker-peers.md: `python tools/peer_page.py`.

It comes from the result file of benchmarks/biomarker_peers.py; a test compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text
from retinaforge.vessels.biomarkers import BIOMARKERS

REPO = Path(__file__).parents[1]
PAGE = REPO / "docs/reference/biomarker-peers.md"
RESULT = REPO / "benchmarks/results/biomarker_peers.json"
Row = dict[str, Any]

HEAD = """# Biomarkers under other packages' names

Made by `python tools/peer_page.py` from benchmarks/results/biomarker_peers.json; a test keeps it
true. Do not edit by hand.

A column whose name begins with `pvbm` or `vascx` holds what that package's definition says,
measured on our trees: the same for an eye that is mirrored, turned or rescaled, and without the
package's known faults. Here both are measured on the same masks, drawn by people, with the same
disc and fovea (`benchmarks/biomarker_peers.py`).

- **difference**: (ours − theirs) / theirs, median over eyes; **|difference|**: median and largest.
  For a tortuosity (length over chord), / (theirs − 1): a straight vessel has 1.
- **tolerance**: what the median of |difference| is held to. It was set from these results, not
  before them: it says what to expect when numbers of both are read side by side.
- **r**: correlation between eyes. A wide tolerance with a high r is a bias; with a low r, the two
  do not measure the same thing well enough to be exchanged.
"""

LEFT_OUT = (
    ("PVBM", "CRAE, CRVE after Hubbard",
     "Hubbard's constants are micrometres; PVBM puts pixels in. `crae_hubbard_zone_b_um` needs the "
     "scale and is missing without it."),
    ("PVBM", "singularity length",
     "D at q = -10: the sum over boxes of p⁻¹⁰ hangs on the emptiest box, whose content changes "
     "with the grid's corner."),
    ("PVBM", "geometry of a mask without arteries and veins told apart",
     "PVBM takes every crossing for branchings; here vessels are followed through crossings."),
    ("VascX", "temporal and nasal equivalents, tortuosity of resolved vessels",
     "They depend on how VascX joins segments to vessels."),
    ("VascX", "values by hemifield, ellipse, ETDRS and disc grid",
     "Our own zones serve; the values of the whole field show the definitions."),
    ("VascX", "median curvature",
     "A median of few noisy values: 2 to 5 % off in an eye drawn with twice the pixels."),
    ("VascX", "number of inflections",
     "Counted where the product of two second derivatives changes its sign, which happens where "
     "nothing turns over; `inflections_per_mm` counts turns."),
    ("VascX", "largest sparsity",
     "One peak a patch between vessels: one gap in a vessel joins two patches."),
    ("VascX", "variance of the Laplacian", "Of the photograph, not of the vessels."),
)  # fmt: skip


def table(peer: Row) -> str:
    """Return one package's section."""
    units = {b.card.name: b.card.unit for b in BIOMARKERS}
    lines = [
        f"\n## {peer['package']} {peer['version']}\n",
        f"{len(peer['eyes'])} eyes ({_sets(peer['eyes'])}), field of view "
        f"{peer['width_px']} pixels across.\n",
        "| measure | unit | n | ours | theirs | difference | \\|difference\\| | largest | r "
        "| tolerance | within |",
        "| --- " * 11 + "|",
    ]
    for row in peer["results"]:
        unit = units.get(f"{peer['package']}:{row['column']}", "")
        lines.append(f"| {row['column']} | {unit} | {_cells(row)} |")
    missing = [f"{row['column']} ({row['theirs_missing']})" for row in peer["results"]
               if row["theirs_missing"]]  # fmt: skip
    if missing:
        lines.append(f"\nEyes for which {peer['package']} has no number: {', '.join(missing)}.")
    if peer["failed"]:
        said = sorted({text for row in peer["failed"].values() for text in row.values()})
        lines.append(f"\nFailures of {peer['package']}: {'; '.join(said)}.")
    return "\n".join(lines)


def _sets(eyes: list[str]) -> str:
    names = [eye.split("-")[0] for eye in eyes]
    return ", ".join(f"{name} {names.count(name)}" for name in dict.fromkeys(names))


def _cells(row: Row) -> str:
    if not row["n"]:
        return "0 | – | – | – | – | – | – | – | –"
    r = "–" if row["correlation"] is None else f"{row['correlation']:.3f}"
    return (
        f"{row['n']} | {row['ours']:.4g} | {row['theirs']:.4g} | {row['median_difference']:+.1%} "
        f"| {row['median_absolute']:.1%} | {row['largest_absolute']:.0%} | {r} "
        f"| {row['tolerance']:.1%} | {'yes' if row['within'] else '**no**'}"
    )


def page(result: Row) -> str:
    """Return the whole page."""
    where = result["environment"]
    made = f"\nMeasured with Python {where['python']}, commit {where['git']}.\n"
    left = [f"| {package} | {what} | {why} |" for package, what, why in LEFT_OUT]
    head = ["\n## Left out, and why\n", "| package | measure | reason |", "| --- " * 3 + "|"]
    tables = [table(peer) for peer in result["peers"]]
    return HEAD + made + "\n".join([*tables, *head, *left]) + "\n"


if __name__ == "__main__":
    write_text(PAGE, page(json.loads(RESULT.read_text())))

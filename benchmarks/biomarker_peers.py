"""Biomarkers named after other packages, next to those packages, on the same real masks.

PVBM (`pvbm:…`) and VascX (`vascx:…`) run as separate programs in their own environments, which the
user names; one that is not named is left out. Masks are those that people drew of arteries and
veins in LES-AV (disc in the middle) and HRF (macula in the middle), brought to the field of view
that a package's limits in pixels are made for: 1444 pixels across for PVBM, 1024 for VascX. Discs
and foveas were marked by eye (biomarker_peers_landmarks.csv); everyone gets the same. LES-AV's
pictures end at the fovea, so that VascX, which needs it, runs on HRF alone.

    difference    (ours − theirs) / theirs, of those eyes for which both have a number; of a
                  tortuosity (length over chord) / (theirs − 1): a straight vessel has 1
    correlation   Pearson's, between eyes
    tolerance     largest share that the median of |difference| may reach, see TOLERANCES

Run: OMP_NUM_THREADS=1 python benchmarks/biomarker_peers.py --pvbm-python FILE --vascx-python FILE
     [--data DIR] [--eyes N] [--out FILE]
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.core import Fov, Landmarks
from retinaforge.core.artefacts import environment
from retinaforge.images import read_mask, read_records
from retinaforge.images.artery_vein import read_artery_vein_mask
from retinaforge.vessels.biomarkers import BIOMARKERS
from retinaforge.vessels.vasculature import read_vasculature

HERE = Path(__file__).parent
DATA = HERE / "../../shared/data"
MARKS = HERE / "biomarker_peers_landmarks.csv"
Mask = np.ndarray
Row = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """A package: its script, the sets it runs on, and the width of its field of view."""

    name: str
    width_px: int
    sets: tuple[str, ...]

    @property
    def script(self) -> Path:
        """Return what runs in the package's environment."""
        return HERE / f"biomarker_peers_{self.name}.py"


PEERS = (Peer("pvbm", 1444, ("les_av", "hrf")), Peer("vascx", 1024, ("hrf",)))

EXACT, CLOSE, NEAR, FAR = 0.005, 0.03, 0.1, 0.4
TOLERANCES: dict[str, float] = {
    "pvbm:area": EXACT, "pvbm:d0": CLOSE, "pvbm:d1": CLOSE, "pvbm:d2": CLOSE,
    "pvbm:length": NEAR, "pvbm:tortuosity_index": NEAR, "pvbm:median_tortuosity": 0.25,
    "pvbm:branching_angle": 0.15, "pvbm:start_count": FAR, "pvbm:end_count": FAR,
    "pvbm:inter_count": FAR, "pvbm:crae_knudtson": 0.15, "pvbm:crve_knudtson": 0.15,
    "vascx:vd": EXACT, "vascx:diam_md": 0.2, "vascx:diam_lw": CLOSE, "vascx:tort_md": FAR,
    "vascx:tort_lw": 0.2, "vascx:curv_lw": 0.45, "vascx:bifurcation_count": FAR,
    "vascx:bifangle": 0.08, "vascx:cre_full": 0.05, "vascx:temporal_angle": CLOSE,
    "vascx:sparsity_mean": NEAR,
}  # fmt: skip
"""What the median of |difference| may reach, by measure; set after a look at the results. Counts
and curvatures differ most: PVBM and VascX keep short spurs of their skeletons, which we cut, and
VascX's curves follow the pixels closer than ours."""


@dataclass(frozen=True)
class Eye:
    """One eye's masks in a square of the field of view's width, with its landmarks."""

    name: str
    artery: Mask
    vein: Mask
    fov: Mask
    centre_px: tuple[float, float]
    radius_px: float
    fovea_px: tuple[float, float] | None

    def measure(self, prefix: str) -> Row:
        """Return our columns of one package's name."""
        size = self.fov.shape[0]
        marks = Landmarks(disc_centre_px=self.centre_px, fovea_px=self.fovea_px,
                          disc_axes_px=(self.radius_px, self.radius_px))  # fmt: skip
        fov = Fov(self.fov, ((size - 1) / 2, (size - 1) / 2), size / 2, "cut circle")
        v = read_vasculature(
            self.artery | self.vein, fov, marks, artery=self.artery, vein=self.vein
        )
        return {
            b.card.name.split(":")[1]: b.measure(v).value
            for b in BIOMARKERS
            if b.card.name.startswith(f"{prefix}:")
        }

    def save(self, folder: Path) -> None:
        """Write what a package's script reads."""
        fovea = (math.nan, math.nan) if self.fovea_px is None else self.fovea_px
        np.savez(folder / f"{self.name}.npz", artery=self.artery, vein=self.vein, fov=self.fov,
                 centre=self.centre_px, radius=self.radius_px, fovea=fovea)  # fmt: skip


def eyes_of(data: Path, peer: Peer, most: int) -> list[Eye]:
    """Return the first eyes of each of a package's sets, at its width."""
    with MARKS.open() as lines:
        marks = {(m["dataset"], m["stem"]): m for m in csv.DictReader(lines)}
    found: list[Eye] = []
    for name in peer.sets:
        records = [r for r in read_records(data) if r.dataset == name and "artery_vein" in r.masks]
        for record in records[:most]:
            mark = marks[name, record.path.stem]
            found.append(_eye(data, record, mark, peer.width_px))
    return found


def _eye(data: Path, record: Any, mark: dict[str, str], width: int) -> Eye:
    names = read_artery_vein_mask(record.masks["artery_vein"])
    fov = read_mask(record.masks["fov"])
    columns = np.flatnonzero(fov.any(axis=0))
    rows = np.flatnonzero(fov.any(axis=1))
    across = columns[-1] - columns[0] + 1
    left, top = columns[0], (rows[0] + rows[-1] + 1 - across) / 2
    scale = width / across

    def fitted(mask: Mask) -> Mask:
        grey = Image.fromarray(mask.astype(np.uint8) * 255)
        square = grey.transform((across, across), Image.Transform.EXTENT,
                                (left, top, left + across, top + across))  # fmt: skip
        return np.asarray(square.resize((width, width), Image.Resampling.HAMMING)) > 127

    def place(x: str, y: str) -> tuple[float, float]:
        size = fov.shape[1]
        return (float(x) * size - left) * scale - 0.5, (float(y) * size - top) * scale - 0.5

    fovea = place(mark["fovea_x"], mark["fovea_y"]) if mark["fovea_x"] else None
    seen = fitted(fov)
    return Eye(
        f"{record.dataset}-{record.path.stem}", fitted(names.artery) & seen,
        fitted(names.vein) & seen, seen, place(mark["disc_x"], mark["disc_y"]),
        float(mark["disc_radius"]) * fov.shape[1] * scale, fovea,
    )  # fmt: skip


def theirs(peer: Peer, python: Path, eyes: list[Eye]) -> dict[str, Any]:
    """Return what a package says of the eyes: its version and a row an eye."""
    with tempfile.TemporaryDirectory() as folder:
        for eye in eyes:
            eye.save(Path(folder))
        done = subprocess.run(
            [python, peer.script, folder], check=True, capture_output=True, text=True
        )
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(name: str, ours: list[Row], others: list[Row]) -> Row:
    """Return the agreement of one column over all eyes."""
    pairs = np.array([
        (one[name], math.nan if other.get(name) is None else other[name])
        for one, other in zip(ours, others, strict=True)
    ], dtype=float)  # fmt: skip
    both = pairs[np.isfinite(pairs).all(axis=1)]
    row: Row = {"column": name, "n": len(both), "ours_missing": int(np.isnan(pairs[:, 0]).sum()),
                "theirs_missing": int(np.isnan(pairs[:, 1]).sum())}  # fmt: skip
    if not len(both):
        return row
    a, b = both.T
    base = b - ("tort" in name)
    off = (a - b) / np.where(base == 0, np.nan, base)
    spread = bool(len(a) > 2 and a.std() > 0 and b.std() > 0)
    return row | {
        "ours": float(a.mean()), "theirs": float(b.mean()),
        "median_difference": float(np.nanmedian(off)),
        "median_absolute": float(np.nanmedian(np.abs(off))),
        "largest_absolute": float(np.nanmax(np.abs(off))),
        "correlation": float(np.corrcoef(a, b)[0, 1]) if spread else None,
        "pairs": both.round(6).tolist(),
    }  # fmt: skip


def judged(peer: Peer, row: Row) -> Row:
    """Return a row with its tolerance, and whether it is kept."""
    measure = row["column"].removeprefix("artery_").removeprefix("vein_")
    limit = TOLERANCES[f"{peer.name}:{measure}"]
    return row | {"tolerance": limit, "within": bool(row.get("median_absolute", 1e9) <= limit)}


def run(peer: Peer, python: Path, data: Path, most: int) -> Row:
    """Return the table of one package."""
    eyes = eyes_of(data, peer, most)
    answer = theirs(peer, python, eyes)
    ours = [eye.measure(peer.name) for eye in eyes]
    others = [answer["rows"].get(eye.name, {}) for eye in eyes]
    failed = {eye.name: said for eye, row in zip(eyes, others, strict=True)
              if (said := {k: v for k, v in row.items() if k.endswith("_failed")})}  # fmt: skip
    rows = [judged(peer, compare(name, ours, others)) for name in ours[0]]
    return {"package": peer.name, "version": answer["version"], "width_px": peer.width_px,
            "eyes": [eye.name for eye in eyes], "failed": failed, "results": rows}  # fmt: skip


def line(row: Row) -> str:
    """Return a row of the printed table."""
    if not row["n"]:
        return f"{row['column']:34} {0:3}  (missing: ours {row['ours_missing']}, theirs all)"
    r = row["correlation"]
    return (
        f"{row['column']:34} {row['n']:3} {row['ours']:10.4g} {row['theirs']:10.4g} "
        f"{row['median_difference']:+8.1%} {row['median_absolute']:7.1%} "
        f"{row['largest_absolute']:7.1%} {'–' if r is None else format(r, '6.3f')} "
        f"{row['tolerance']:6.0%} {'yes' if row['within'] else 'NO'}"
    )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pvbm-python", type=Path)
    parser.add_argument("--vascx-python", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--eyes", type=int, default=99, help="eyes of each set")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pythons = {"pvbm": options.pvbm_python, "vascx": options.vascx_python}
    tables = [run(peer, pythons[peer.name], options.data, options.eyes)
              for peer in PEERS if pythons[peer.name]]  # fmt: skip
    for table in tables:
        print(f"\n{table['package']} {table['version']}, {len(table['eyes'])} eyes")
        print("\n".join(line(row) for row in table["results"]))
        print("failed:", table["failed"] or "none")
    if options.out:
        result = {"peers": tables, "environment": environment()}
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Speed and memory of the table of biomarkers: RetinaForge, PVBM and VascX in one run.

Each package measures the same masks in a process and an environment of its own, one after another,
on one thread, the mask already in memory; a first mask is measured twice and counts once, so that
nobody pays for compiling. Times are the processor's, so that a busy machine shows the same; the
clock's are in the result file. A package that is not there is left out, with a word.

Run: OMP_NUM_THREADS=1 python benchmarks/vessel_speed.py --pvbm-python PVBM/bin/python
     --vascx-python VASCX/bin/python --json benchmarks/results/vessel_speed.json
To make them: python -m venv PVBM, then PVBM/bin/pip install --no-deps pvbm==3.0.1.8, and numpy,
scipy, scikit-image, pillow, matplotlib, opencv-python-headless (the rest is for its networks);
python -m venv VASCX, then VASCX/bin/pip install retinalysis-vascx==1.4.0.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.core.artefacts import environment, write_json
from vessel_speed_masks import write_eyes, write_phantom, write_shapes

HERE = Path(__file__).parent
SIZES_PX = (512, 724, 1024, 1448, 2048, 2896, 4096)
GOALS = {"PVBM": 25.0, "VascX": 10.0, "worker_mb": 200.0, "segmenting_s": 1.0}
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
Row = dict[str, Any]


@dataclass(frozen=True)
class Package:
    """Who makes a table.

    Attributes:
        name: as printed.
        python: interpreter of its environment.
        script: its worker.
        settings: of the worker, as environment variables.
    """

    name: str
    python: Path
    script: str
    settings: dict[str, str] = field(default_factory=dict)

    def measure(self, masks: Sequence[Path], *, timeout_s: float) -> tuple[list[Row], str]:
        """Measure masks in one process; return its lines, and how it ended unless it was well."""
        call = [str(self.python), str(HERE / self.script), *map(str, masks)]
        env = {**os.environ, **ONE_THREAD, **self.settings}
        worker = subprocess.Popen(call, env=env, text=True, stdout=-1, stderr=-1)
        try:
            said, errors = worker.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            worker.kill()
            said, errors = worker.communicate()
            ended = f"not done after {timeout_s:.0f} s"
        else:
            ended = _ended(worker.returncode, errors)
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")], ended


def _ended(code: int, errors: str) -> str:
    if code == 0:
        return ""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    last = errors.strip().splitlines()[-1:] or ["no word"]
    return f"exit code {code}: {last[0][:120]}"


def packages(options: argparse.Namespace) -> list[Package]:
    """Return who is there, ours first."""
    found = [Package("RetinaForge", Path(sys.executable), "vessel_speed_ours.py")]
    for name, python, script, settings in (
        ("PVBM", options.pvbm_python, "vessel_speed_pvbm.py", {"RECURSION": "stack"}),
        ("VascX", options.vascx_python, "vessel_speed_vascx.py", {"FEATURES": options.features}),
    ):
        if python is not None and python.is_file():
            found.append(Package(name, python, script, settings))
        else:
            print(f"{name}: left out, no interpreter named with --{name.lower()}-python")
    return found


def tables(found: list[Package], masks: list[Path], *, timeout_s: float) -> Row:
    """Measure the masks by every package, and compare."""
    result: Row = {}
    for package in found:
        lines, ended = package.measure([masks[0], *masks], timeout_s=timeout_s * (len(masks) + 1))
        head, rows = (lines[0] if lines else {}), lines[2:]
        result[package.name] = {
            "version": head.get("version"), "resident_mb_before": head.get("resident_mb"),
            "ended": ended, "rows": rows, **_summary(rows),
        }  # fmt: skip
        print(f"{package.name} {head.get('version')}: {_said(result[package.name])}", flush=True)
    ours = {row["mask"]: row["cpu_s"] for row in result["RetinaForge"]["rows"]}
    for name, one in result.items():
        ratios = [row["cpu_s"] / ours[row["mask"]] for row in one["rows"] if row["mask"] in ours]
        if name != "RetinaForge" and ratios:
            one["times_ours"] = [round(f(ratios), 1) for f in (median, min, max)]
            print(f"{name} takes {one['times_ours'][0]} times as long (goal {GOALS[name]:g}), "
                  f"{one['times_ours'][1]} to {one['times_ours'][2]}")  # fmt: skip
    return result


def _summary(rows: list[Row]) -> Row:
    if not rows:
        return {"masks": 0}
    held = [row["resident_mb"] for row in rows]
    slope = float(np.polyfit(range(len(held)), held, 1)[0]) if len(held) > 2 else None
    return {
        "masks": len(rows), "cpu_s": round(median(row["cpu_s"] for row in rows), 3),
        "slowest_cpu_s": max(row["cpu_s"] for row in rows),
        "peak_mb": max(row["peak_mb"] for row in rows),
        "growth_mb_per_mask": None if slope is None else round(slope, 2),
        "columns": max(row["columns"] for row in rows),
        "with_faults": sum(bool(row["faults"]) for row in rows),
    }  # fmt: skip


def _said(one: Row) -> str:
    if not one["masks"]:
        return f"no mask measured ({one['ended']})"
    return (
        f"{one['masks']} masks, {one['cpu_s']} cpu-s each, at most {one['slowest_cpu_s']}; "
        f"{one['columns']} columns, peak {one['peak_mb']} MB, {one['ended'] or 'no crash'}"
    )


def crashes(found: list[Package], masks: list[Path], *, timeout_s: float) -> list[Row]:
    """Measure hard masks, each in a process of its own, PVBM in the ways it can be called."""
    callers = {package.name: package for package in found}
    if "PVBM" in callers:
        pvbm = callers.pop("PVBM")
        callers["PVBM"] = Package("PVBM", pvbm.python, pvbm.script)
        callers["PVBM, 100,000 calls deep"] = Package(
            "PVBM", pvbm.python, pvbm.script, {"RECURSION": "limit"}
        )
    rows: list[Row] = []
    for mask in masks:
        for name, package in callers.items():
            lines, ended = package.measure([mask], timeout_s=timeout_s)
            row: Row = {"mask": mask.stem, "package": name, "ended": ended}
            if len(lines) > 1:
                row |= {key: lines[1][key] for key in ("cpu_s", "peak_mb", "faults", "vessel_px")}
            rows.append(row)
            print(f"{mask.stem:24s} {name:28s} {outcome(row)}", flush=True)
    return rows


def outcome(row: Row) -> str:
    """Return how a mask went, in words."""
    if row["ended"]:
        return row["ended"]
    done = f"{row['cpu_s']:.1f} s, {row['peak_mb']:.0f} MB"
    return f"{'; '.join(sorted(set(row['faults'])))} ({done})" if row["faults"] else done


def sizes(ours: Package, folder: Path, *, seeds: Sequence[int], timeout_s: float) -> Row:
    """Measure drawn eyes at every size, each size in a process of its own."""
    rows: list[Row] = []
    for size in SIZES_PX:
        masks = [write_phantom(folder, seed=seed, size_px=size) for seed in seeds]
        lines, ended = ours.measure([masks[0], *masks], timeout_s=timeout_s)
        rows += [{"side_px": size, "ended": ended, **line} for line in lines[2:]]
        for row in rows[-len(lines[2:]) :]:
            print(f"{size:5d} px {row['vessel_px']:9d} vessel px  {row['cpu_s']:.3f} cpu-s  "
                  f"peak {row['peak_mb']} MB", flush=True)  # fmt: skip
    x, y = (np.log([row[key] for row in rows]) for key in ("vessel_px", "cpu_s"))
    found = {"rows": rows, "exponent": round(float(np.polyfit(x, y, 1)[0]), 3)}
    print(f"time grows with vessel pixels to the power of {found['exponent']}")
    return found


def flat(masks: list[Path], folder: Path, *, images: int) -> Row:
    """Measure masks as a worker of the command does, over and over."""
    folder.mkdir()
    for path in masks:
        with np.load(path) as file:
            Image.fromarray(file["vessel"]).save(folder / f"{path.stem}.png")
    found = _in_a_process("vessel_speed_flat.py", str(folder), str(images), threads="1")
    print(
        f"{found['measured']} of {images} measured; a worker's peak {found['peak_mb']} MB "
        f"(goal {GOALS['worker_mb']:g}), growth {found['growth_mb_per_1000']} MB in 1,000"
    )
    return found


def _in_a_process(script: str, *words: str, threads: str) -> Row:
    env = {**os.environ, **dict.fromkeys(ONE_THREAD, threads)}
    call = [sys.executable, str(HERE / script), *words]
    return json.loads(subprocess.run(call, env=env, check=True, capture_output=True).stdout)


def main() -> None:
    """Run what was asked for and write it where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pvbm-python", type=Path, help="interpreter of PVBM's environment")
    parser.add_argument("--vascx-python", type=Path, help="interpreter of VascX's environment")
    parser.add_argument("--features", default="od_centered", help="VascX's set of features")
    parser.add_argument("--count", type=int, default=4, help="eyes a set")
    parser.add_argument("--images", type=int, default=1000, help="images of the memory test")
    parser.add_argument("--timeout", type=float, default=120, help="seconds a mask, by the clock")
    parser.add_argument(
        "--only", nargs="+", default=["tables", "crashes", "flat", "sizes", "segment"]
    )
    parser.add_argument("--json", type=Path, help="file to write; other parts in it are kept")
    options = parser.parse_args()
    result: Row = {}
    if options.json is not None and options.json.is_file():
        result = json.loads(options.json.read_text())
    result |= {"environment": environment(), "goals": GOALS}
    with tempfile.TemporaryDirectory() as home:
        for part in options.only:
            result[part] = run_part(part, options, Path(home)) | {"load": os.getloadavg()[0]}
            if options.json is not None:
                write_json(options.json, result)


def run_part(part: str, options: argparse.Namespace, home: Path) -> Row:
    """Run one part of the benchmark."""
    print(f"\n{part}; load average {os.getloadavg()[0]:.1f}", flush=True)
    found, timeout_s = packages(options), options.timeout
    folder = home / part
    folder.mkdir()
    if part == "tables":
        return {
            "packages": tables(found, write_eyes(folder, count=options.count), timeout_s=timeout_s)
        }
    if part == "crashes":
        return {"rows": crashes(found, write_shapes(folder), timeout_s=timeout_s)}
    if part == "flat":
        return flat(write_eyes(folder, count=options.count), folder / "png", images=options.images)
    if part == "sizes":
        return sizes(found[0], folder, seeds=range(2), timeout_s=10 * timeout_s)
    found_s = _in_a_process("vessel_speed_segment.py", "5", threads="2")
    print(f"{found_s['calls']} (goal: vessels in {GOALS['segmenting_s']:g} s)")
    return found_s


if __name__ == "__main__":
    main()

"""Set scores of `retinaforge validate` against others' code, side by side in one run.

Each side runs in a process of its own with one thread, so that CPU seconds and the peak of memory
are its own; sides take turns, and the median of the repeats is taken. Peak memory counts the
features and the interpreter too. Features are drawn: variances fall over four decades as networks'
do, float64, far from the origin.

Run: python benchmarks/validate.py [--case NAME ...] [--repeats 3] [--small] [--out FILE]
Peers that cannot be imported are named as missing; prdc: pip install --no-deps prdc==0.2.
frd-score lives in an environment of its own (tools/frd_reference.py): FRD_PYTHON names its Python.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from retinaforge.core.artefacts import git_commit

RESULT = Path(__file__).parent / "results" / "validate.json"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
Side = Callable[[int, int], dict[str, float]]


def features(seed: int, n: int, dim: int) -> np.ndarray:
    """Return features with a falling spectrum, shape (n, dim), in place of a network's."""
    x = np.random.default_rng(seed).normal(size=(n, dim))
    x *= np.geomspace(1, 1e-2, dim)
    x += 0.5 + 0.02 * seed
    return x


def timed(call: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Return what a call returns, with its CPU seconds and the process's peak of memory."""
    start = time.process_time()
    values = call()
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {**values, "cpu_seconds": seconds, "peak_gib": peak}


def ours_frechet(n: int, dim: int) -> dict[str, float]:
    """Our Fréchet distance: nuclear norm."""
    from retinaforge.metrics import frechet_distance

    x, y = features(0, n, dim), features(1, n, dim)
    return timed(lambda: {"value": frechet_distance(x, y).value})


def scipy_frechet(n: int, dim: int) -> dict[str, float]:
    """The usual route: covariances and `scipy.linalg.sqrtm` of their product."""
    from scipy import linalg

    x, y = features(0, n, dim), features(1, n, dim)

    def usual() -> dict[str, float]:
        s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
        root = np.real(np.trace(np.asarray(linalg.sqrtm(s1 @ s2))))
        gap = x.mean(axis=0) - y.mean(axis=0)
        return {"value": float(gap @ gap + np.trace(s1) + np.trace(s2) - 2 * root)}

    return timed(usual)


def ours_neighbours(n: int, dim: int) -> dict[str, float]:
    """Our precision, recall, density and coverage in one walk over tiles."""
    from retinaforge.metrics.sets import neighbours
    from retinaforge.metrics.sets.clouds import make_clouds
    from retinaforge.metrics.sets.pair import Pair

    x, y = features(0, n, dim), features(1, n, dim)

    def scores() -> dict[str, float]:
        pair = Pair(*make_clouds(x, y))
        return {
            "precision": neighbours.precision_score(pair).value,
            "recall": neighbours.recall_score(pair).value,
            "density": neighbours.density_score(pair).value,
            "coverage": neighbours.coverage_score(pair).value,
        }

    return timed(scores)


def prdc_neighbours(n: int, dim: int) -> dict[str, float]:
    """The reference package of density and coverage."""
    from prdc import compute_prdc

    x, y = features(0, n, dim), features(1, n, dim)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints
        return timed(lambda: {k: float(v) for k, v in compute_prdc(x, y, nearest_k=5).items()})


def ours_kernel(n: int, dim: int) -> dict[str, float]:
    """Our kernel distance over all pairs."""
    from retinaforge.metrics import kernel_distance

    x, y = features(0, n, dim), features(1, n, dim)
    return timed(lambda: {"value": kernel_distance(x, y).value})


def torchmetrics_kernel(n: int, dim: int) -> dict[str, float]:
    """Torchmetrics' KID of 100 subsets of 1000, on the features themselves, in float64."""
    import torch
    from torchmetrics.image.kid import poly_mmd

    torch.set_num_threads(1)
    x, y = (torch.from_numpy(features(seed, n, dim)) for seed in (0, 1))
    size, draw = min(1000, n), torch.Generator().manual_seed(0)

    def subsets() -> dict[str, float]:
        values = [
            float(poly_mmd(*(z[torch.randperm(n, generator=draw)[:size]] for z in (x, y))))
            for _ in range(100)
        ]
        return {"value": float(np.mean(values)), "spread": float(np.std(values))}

    return timed(subsets)


def ours_frd(n: int, dim: int) -> dict[str, float]:
    """Our features of FRD v1 of n images of dim x dim pixels."""
    import frd_peer
    from retinaforge.metrics import luminance, radiomic_features

    eyes = [frd_peer.painted(seed, dim) for seed in range(n)]

    def means() -> dict[str, float]:
        found = [radiomic_features(luminance(p), mask, version="v1") for p, mask in eyes]
        at = [found[0].names.index(name) for name in frd_peer.WATCHED]
        values = np.mean([one.values[at] for one in found], axis=0)
        return dict(zip(frd_peer.WATCHED, values.tolist(), strict=True))

    means()
    return timed(means)


def frd_score_features(n: int, dim: int) -> dict[str, float]:
    """frd-score's features of the same images, by the Python that FRD_PYTHON names."""
    script = Path(__file__).parent / "frd_peer.py"
    command = [os.environ["FRD_PYTHON"], str(script), str(n), str(dim)]
    threads = {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
    done = subprocess.run(
        command, env={**os.environ, **threads}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True)
class Case:
    """One line of the table: ours against a peer at one size.

    Attributes:
        ours: measured in a process of its own.
        peer: likewise.
        peer_name: package and route.
        n: images a side.
        dim: features an image.
        goal: least ratio of the peer's CPU seconds to ours.
        most_gib: most memory of ours, or None.
        tolerance: largest relative difference of values, or None where the peer only samples.
    """

    ours: Side
    peer: Side
    peer_name: str
    n: int
    dim: int
    goal: float
    most_gib: float | None = None
    tolerance: float | None = 1e-5


CASES: dict[str, Case] = {
    "frechet-1000": Case(ours_frechet, scipy_frechet, "scipy.linalg.sqrtm", 1000, 2048, 30),
    "frechet-5000": Case(ours_frechet, scipy_frechet, "scipy.linalg.sqrtm", 5000, 2048, 3),
    "neighbours-10000": Case(ours_neighbours, prdc_neighbours, "prdc", 10_000, 2048, 2, 0.6),
    "kernel-10000": Case(
        ours_kernel, torchmetrics_kernel, "torchmetrics, 100 subsets of 1000", 10_000, 2048, 1,
        tolerance=None,
    ),
    "frd_features": Case(ours_frd, frd_score_features, "frd-score v1", 20, 512, 10),
}  # fmt: skip


def in_own_process(side: str, case: str, small: bool) -> dict[str, Any]:
    """Return one side's measurement, or why it could not be made."""
    command = [sys.executable, __file__, "--case", case, "--side", side]
    done = subprocess.run(
        [*command, "--small"] if small else command,
        env={**os.environ, **dict.fromkeys(THREADS, "1")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return json.loads(done.stdout)
    return {"missing": (done.stderr.strip().splitlines() or ["died"])[-1]}


def measure(name: str, repeats: int, small: bool) -> dict[str, Any]:
    """Return one row: both sides' medians, the ratio, and whether the values agree."""
    case, sides = CASES[name], {"ours": [], "peer": []}
    for _ in range(repeats):
        for side, runs in sides.items():
            runs.append(in_own_process(side, name, small))
    row: dict[str, Any] = {"case": name, "peer_name": case.peer_name, "goal": case.goal}
    row |= {"n": shrunk(case.n, small), "dim": shrunk(case.dim, small)}
    for side, runs in sides.items():
        row[side] = dict(runs[0])
        for key in ("cpu_seconds", "peak_gib"):
            if key in runs[0]:
                row[side][key] = round(median(run[key] for run in runs), 3)
    if "missing" not in row["ours"] and "missing" not in row["peer"]:
        row["ratio"] = round(row["peer"]["cpu_seconds"] / row["ours"]["cpu_seconds"], 2)
        row["relative_difference"] = difference(row["ours"], row["peer"])
        row["met"] = bool(
            row["ratio"] >= case.goal
            and (case.most_gib is None or row["ours"]["peak_gib"] <= case.most_gib)
            and (case.tolerance is None or row["relative_difference"] <= case.tolerance)
        )
    return row


def difference(ours: dict[str, float], peer: dict[str, float]) -> float:
    """Return the largest relative difference of the values that both sides name."""
    names = set(ours) & set(peer) - {"cpu_seconds", "peak_gib"}
    return max(abs(ours[name] - peer[name]) / max(abs(peer[name]), 1e-12) for name in names)


def shrunk(count: int, small: bool) -> int:
    """Return a twentieth of a size for a trial of the code, not of the speed."""
    return max(count // 20, 60) if small else count


def environment() -> dict[str, str]:
    """Return what the numbers were measured on."""
    packages = ("numpy", "scipy", "scikit-learn", "torch", "torchmetrics", "prdc")
    found = {"python": platform.python_version(), "machine": platform.processor() or "unknown"}
    for line in Path("/proc/cpuinfo").read_text().splitlines() if os.name == "posix" else ():
        if line.startswith("model name"):
            found["machine"] = line.split(":")[1].strip()
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    found["frd-score"] = "1.0.1, in its own environment"
    found["git"] = git_commit(Path(__file__).parent) or "unknown"
    return {**found, "threads": "1", "load_1_min": f"{os.getloadavg()[0]:.1f}"}


def as_table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as text; ratio is the peer's CPU seconds to ours."""
    lines = [
        f"{'case':18} {'ours s':>8} {'GiB':>5} {'peer s':>8} {'GiB':>5} {'ratio':>7} {'goal':>5} "
        f"{'rel. diff.':>10} {'met':>4}  peer"
    ]
    for row in rows:
        missing = [
            f"{s} missing: {row[s]['missing']}" for s in ("ours", "peer") if "missing" in row[s]
        ]
        if missing:
            lines.append(f"{row['case']:18} {'; '.join(missing)}")
            continue
        ours, peer = row["ours"], row["peer"]
        lines.append(
            f"{row['case']:18} {ours['cpu_seconds']:8.2f} {ours['peak_gib']:5.2f} "
            f"{peer['cpu_seconds']:8.2f} {peer['peak_gib']:5.2f} {row['ratio']:7.2f} "
            f"{row['goal']:5.0f} {row['relative_difference']:10.1e} "
            f"{'yes' if row['met'] else 'NO':>4}  {row['peer_name']}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure the cases, print a table and write the JSON; with --side, be one measured process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", choices=list(CASES), help="default: all")
    parser.add_argument("--repeats", type=int, default=3, help="runs a side")
    parser.add_argument("--small", action="store_true", help="a twentieth of each size: a trial")
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON to write")
    parser.add_argument("--side", choices=["ours", "peer"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        case = CASES[options.case[0]]
        sizes = shrunk(case.n, options.small), shrunk(case.dim, options.small)
        print(json.dumps(getattr(case, options.side)(*sizes)))
        return
    names = options.case or list(CASES)
    rows = [measure(name, options.repeats, options.small) for name in names]
    print(as_table(rows))
    if options.small and options.out == RESULT:
        return  # a trial is no result
    kept: list[dict[str, Any]] = []
    if options.out.is_file():
        kept = [r for r in json.loads(options.out.read_text())["results"] if r["case"] not in names]
    options.out.write_text(
        json.dumps({"environment": environment(), "results": kept + rows}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()

"""What every worker of `vessel_speed` does, whoever's table it makes: read a mask, measure it, say
how long it took and how much memory the process holds. It needs numpy and nothing of RetinaForge,
as it runs in the peers' own environments.

A mask is an `.npz` of `vessel`, `fov`, and where known `artery` and `vein` (all of one size),
`centre` (x, y) and `radius` of the disc, `fovea` (x, y). A worker prints a JSON object a line:
first its version and the memory it holds before any mask, then one a mask, so that a crash loses
one.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

MB = 1024**2


def resident_mb():
    """Return the memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / MB, 1)


def peak_mb():
    """Return the most memory that this process has held.

    Linux hands `ru_maxrss` down from the process that started this one; this it does not.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024, 1)


def kinds(eye):
    """Return the masks to measure by kind: artery and vein where they are known, else vessel."""
    return {k: eye[k] for k in ("artery", "vein") if k in eye} or {"vessel": eye["vessel"]}


def say(**content):
    """Print one line."""
    print(json.dumps(content), file=sys.__stdout__, flush=True)


def work(measure, version):
    """Measure the masks that the command line names.

    Args:
        measure: an eye to (value or None by column, faults in words).
        version: of the package.
    """
    say(version=version, resident_mb=resident_mb())
    for path in map(Path, sys.argv[1:]):
        with np.load(path) as file:
            eye = {name: file[name] for name in file.files}
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            values, faults = measure(eye)
        except (Exception, RecursionError) as error:
            values, faults = {}, [f"{type(error).__name__}: {error}"]
        say(
            mask=path.stem, vessel_px=int(eye["vessel"].sum()), size_px=list(eye["vessel"].shape),
            cpu_s=round(time.process_time() - cpu, 4), wall_s=round(time.perf_counter() - wall, 4),
            resident_mb=resident_mb(), peak_mb=peak_mb(), columns=len(values),
            known=sum(value is not None for value in values.values()), faults=faults,
        )  # fmt: skip

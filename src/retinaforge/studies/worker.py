"""The process that does one job: `-m retinaforge.studies.worker RUN DATA ARM SEED LOSS UNTIL`.

A process of its own, with one thread, since two one-thread processes give more images a second
than one with two threads, and since an arm that is killed takes nothing else with it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch

from retinaforge.core import RetinaForgeError
from retinaforge.studies.arm import work
from retinaforge.studies.folder import Job, RunFolder
from retinaforge.studies.plan import Study


def main(words: list[str]) -> int:
    """Run one job named on the command line; exit code 1 if it failed."""
    root, data, arm, seed, loss, until = words
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    run = RunFolder(Path(root))
    study = Study.model_validate(json.loads(run.study.read_text()))
    try:
        work(study, Path(data), run, Job(arm, int(seed)), loss=loss, until=until)
    except RetinaForgeError as refusal:
        print(f"{arm} seed {seed}: {refusal}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

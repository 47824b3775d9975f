"""Begin a training with a late adversary where the same training without it already was.

Up to the adversary's first step both are the same computation, bit for bit, so it need not be
done twice.
"""

from __future__ import annotations

from pathlib import Path

import torch

from retinaforge.training import checkpoint, journal
from retinaforge.training.duel import Adversary


def branch_off(source: Path, folder: Path, adversary: Adversary) -> bool:
    """Write into `folder` the checkpoint that `source` kept at the adversary's first step.

    `train` then resumes from it, and refuses it if anything but the adversary differs.

    Args:
        source: folder of the training without the adversary, run with `keep_at` naming that step.
        folder: of the new training; left alone if it has begun.
        adversary: of the new training.

    Returns:
        Whether a checkpoint was there to begin from.
    """
    start = adversary.spec.start_step
    kept = source / checkpoint.kept_name(start)
    begun = any((folder / name).exists() for name in checkpoint.NAMES)
    if begun or not kept.is_file():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    content = torch.load(kept, map_location="cpu", weights_only=True)
    content["facts"]["adversary"] = adversary.as_dict()
    for line in journal.read(source / journal.LOG):
        if line["step"] <= start:
            journal.append(folder / journal.LOG, line)
    journal.note(folder, start, "branched off", f"from {source.parent.name}/{source.name}")
    checkpoint.save(folder, content)
    return True

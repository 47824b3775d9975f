"""One training in a process of its own: `python training_worker.py FOLDER STEPS`, or torchrun.

Each process writes its weights to FOLDER/rankN.pt, so that a test can compare them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from test_training_loop import CONFIG, draw, fresh_adversary, go, tiny


def main(folder: Path, steps: int) -> None:
    rank = os.environ.get("RANK", "0")
    model = tiny()
    asked = []

    def noted(index: int):
        asked.append(index)
        return draw(index)

    config = replace(CONFIG, steps=steps, checkpoint_every=2)
    result = go(folder, model=model, draw=noted, config=config, adversary=fresh_adversary())
    content = {"weights": model.state_dict(), "asked": asked, "state": result.state}
    torch.save(content, folder / f"rank{rank}.pt")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""One pretraining in a process of its own: `torchrun pretrain_worker.py FOLDER METHOD`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from pretrain_toys import CONFIG, dino, mae, ramps, tints

from retinaforge.training.pretrain import pretrain


def main(folder: Path, name: str) -> None:
    rank = os.environ.get("RANK", "0")
    method, draw = (mae(), ramps) if name == "mae" else (dino(), tints)
    asked = []

    def noted(number: int):
        asked.append(number)
        return draw(number)

    result = pretrain(method, noted, CONFIG, folder)
    content = {"weights": method.state_dict(), "asked": asked, "state": result.state}
    torch.save(content, folder / f"rank{rank}.pt")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

"""How well the masked autoencoder of a run draws what it was not shown, on held-out photographs.

    python benchmarks/encoder_masked.py RUN --data ../shared/data

RUN is the folder of the `retinaforge pretrain` run behind the shipped encoder (its decoder is in
checkpoint.pt alone). Photographs are the validation rows of the four sets it learnt from, whole
eyes, untinted, under eight draws of the mask each; none was trained on and no test row is read.
The error is the training's: mean squared error of the contrast of hidden patches, where drawing
each channel's mean gives exactly 1. Writes benchmarks/results/encoder_masked.json and, with
--picture, the first eyes with what was shown and drawn.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from retinaforge.core import artefacts
from retinaforge.images import read_records
from retinaforge.tasks.pretrain import method_of
from retinaforge.tasks.pretrain_data import view_drawer
from retinaforge.tasks.pretrain_pictures import reconstruction_picture
from retinaforge.tasks.pretrain_plan import PretrainPlan, views_of
from retinaforge.tasks.sheets import Sheets, build_sheets
from retinaforge.training import journal
from retinaforge.training.pretrain_methods import MaskedModelling

HERE = Path(__file__).parent
SETS = ("chase_db1", "hrf", "idrid_segmentation", "idrid_grading")
DRAWS = 8


def held_out(data: Path, cache: Path, size_px: int) -> Sheets:
    """Return the validation rows of the sets."""
    records = [r for name in SETS for r in read_records(data / name) if r.split == "val"]
    return build_sheets(records, cache, size_px=size_px)


@torch.no_grad()
def errors(method: MaskedModelling, sheets: Sheets, plan: PretrainPlan) -> list[float]:
    """Return the masked error of each photograph, the mean over `DRAWS` masks."""
    views = replace(views_of(plan), batch=DRAWS, whole=1.0, jitter=0.0)
    found = []
    for i in range(len(sheets)):
        one = replace(
            sheets, pixels=sheets.pixels[i : i + 1], fov=sheets.fov[i : i + 1],
            records=sheets.records[i : i + 1],
        )  # fmt: skip
        found.append(float(method(**view_drawer(one, views)(i))["loss"]))
    return found


def course(run: Path) -> dict[str, Any]:
    """Return the training's course: its loss at ten steps, its speed."""
    lines = journal.read(run / journal.LOG)
    picked = [lines[i] for i in np.linspace(0, len(lines) - 1, 10).astype(int)]
    done = json.loads((run / "result.json").read_text(encoding="utf-8"))
    return {
        "loss": {str(line["step"]): round(line["loss"], 4) for line in picked},
        "images": done["images"],
        "hours": round(done["seconds"] / 3600, 2),
        "images_per_s": round(done["images_per_s"], 1),
        "precision": done["precision"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    plan = PretrainPlan()
    sheets = held_out(arguments.data, arguments.run / "cache" / "held-out", plan.sheet_px)
    untrained, trained = method_of(plan), method_of(plan)
    if not isinstance(untrained, MaskedModelling) or not isinstance(trained, MaskedModelling):
        raise SystemExit("the plan is none of masked autoencoding")
    content = torch.load(arguments.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    trained.load_state_dict(content["model"])
    found = {"untrained": errors(untrained, sheets, plan), "trained": errors(trained, sheets, plan)}
    result = {
        "environment": artefacts.environment(),
        "photographs": len(sheets),
        "masks_a_photograph": DRAWS,
        "error_of_the_mean_colour": 1.0,
        "error": {
            name: {
                "mean": round(float(np.mean(values)), 4),
                "lowest": round(min(values), 4),
                "highest": round(max(values), 4),
            }
            for name, values in found.items()
        },
        "training": course(arguments.run),
    }
    artefacts.write_json(HERE / "results" / "encoder_masked.json", result)
    print(json.dumps(result["error"], indent=1))
    if arguments.picture is not None:
        views = replace(views_of(plan), batch=8, whole=1.0, jitter=0.0)
        picture = reconstruction_picture(trained, view_drawer(sheets, views)(1))
        Image.fromarray(picture).save(arguments.picture)


if __name__ == "__main__":
    main()

"""Does a generator draw the vessels that a mask asks for? The recipe's road, then its samples.

    retinaforge phantoms draw PHANTOMS --recipe captioned --count 5000 --size 256 --seed 61
    retinaforge captions records PHANTOMS --out records.jsonl
    retinaforge captions write records.jsonl --out PAIRS
    OMP_NUM_THREADS=1 python benchmarks/mask_to_fundus.py PAIRS AUTOENCODER RUN [--write]

`recipes/masks.toml` is trained in RUN (or found done there; `--set` and `--without` as in
`generate train`). Then masks of eyes of the split val, which it has not seen, are drawn: with their
captions, with guidance on the masks too, with no words, and the captions without any mask, each
from one seed.
`tasks.obey_masks` scores them: contrast along the mask beside the mask moved aside, and Dice and
centreline of our vessel segmenter beside the masks of other eyes, which share disc, arcades and
field but not the vessels. Ceilings: the phantoms themselves, and what the autoencoder makes of
them.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from retinaforge.autoencoders import reconstruct_images
from retinaforge.core import seed_for
from retinaforge.core.artefacts import environment, write_json
from retinaforge.tasks.generator_prepare import find_inputs
from retinaforge.tasks.generator_recipe import Recipe, load_recipe
from retinaforge.tasks.generator_run import run_recipe
from retinaforge.tasks.generator_sheet import mask_picture
from retinaforge.tasks.generator_train import Telling
from retinaforge.tasks.obey_masks import AskedMask, mask_obedience, our_segmenter
from retinaforge.tasks.pairs import Pair
from retinaforge.tasks.sample_draw import SamplePlan, painting
from retinaforge.tasks.sample_grid import contact_sheet
from retinaforge.tasks.sample_masks import asked_masks, own_masks
from retinaforge.tasks.sample_open import open_painter
from retinaforge.tasks.sample_painter import Painter
from retinaforge.tasks.sample_requests import Request, Wording
from retinaforge.training import rich_progress

HERE = Path(__file__).parent / "results"
RESULT, SHEET = HERE / "mask_to_fundus.json", HERE / "mask_to_fundus.png"
SHOWN, BATCH = 4, 8


def main() -> None:
    """Train or find done, draw, read, print; with --write also the result and a sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("autoencoder", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--recipe", default="masks")
    parser.add_argument("--set", dest="changes", action="append", default=[])
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--images", type=int, default=32, help="held-out eyes to draw")
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}, {SHEET.name}")
    chosen = parser.parse_args()
    recipe = load_recipe(chosen.recipe, chosen.changes)
    given = {"pairs": chosen.pairs, "autoencoder": chosen.autoencoder}
    started = time.process_time()
    telling = Telling(on_progress=rich_progress())
    done = run_recipe(recipe, chosen.run, **given, without=chosen.without, telling=telling)
    trained, started = time.process_time() - started, time.process_time()
    last = json.loads((done.model.parent / "step.json").read_text())
    found, pictures = measure(chosen, recipe, open_painter(done.model))
    said = {
        **found, "trained_on": last["data"]["photographs"], "step": last["result"]["steps"],
        "held_out": last["held_out"], "network": last["network"], "recipe": recipe.name,
        "changes": chosen.changes, "without": chosen.without, "guidance": chosen.guidance,
        "sampling_steps": chosen.steps, "training_seconds": round(last["result"]["seconds"]),
        "cpu_seconds_here": {"training": round(trained),
                             "measuring": round(time.process_time() - started)},
    }  # fmt: skip
    print(json.dumps(found, indent=2))
    if chosen.write:
        write_json(RESULT, {**said, "environment": environment()})
        sheet(pictures)


def measure(
    chosen: argparse.Namespace, recipe: Recipe, painter: Painter
) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
    """Return scores by what was asked, and the images."""
    side, home = painter.trained_px, chosen.run / "measured"
    inputs = find_inputs(
        recipe, chosen.run / "cache", pairs=chosen.pairs, autoencoder=chosen.autoencoder
    )
    pairs = [pair for pair in inputs.held_out if inputs.masks(pair)][: chosen.images]
    how = {"size_px": side, "frame": painter.frame}
    masks = []
    for number, pair in enumerate(pairs):
        masks.append(own_masks(pair, inputs.masks, home / f"{number:03d}", **how))
    asked = [
        Request(n, seed_for(recipe.seed, "mask to fundus", n),
                Wording(pair.text, pair.name, pair.record, masks=mask))
        for n, (pair, mask) in enumerate(zip(pairs, masks, strict=True))
    ]  # fmt: skip
    wanted = [asked_masks(one.wording, painter.maps, side)[0][0].numpy() for one in asked]
    real = np.stack([photograph(pair, side) for pair in pairs])
    images = {
        "masks and captions": draw(painter, chosen, asked),
        "masks without words": draw(painter, chosen, [worded(one, text="") for one in asked]),
        "masks that pull too": draw(painter, chosen, asked, guide_masks=True),
        "captions without masks": draw(painter, chosen, [worded(one, masks=None) for one in asked]),
        "autoencoder's reconstruction": rebuilt(painter, real),
        "phantoms": real,
    }
    segment = our_segmenter()
    results = {
        name: {
            kind: mask_obedience(kind, _of(found, wanted, pairs, at), segment=segment)
            for at, kind in enumerate(painter.maps.kinds)
        }
        for name, found in images.items()
    }
    pictures = {"mask": [np.asarray(mask_picture(one)) for one in wanted], **images}
    return {"results": results, "size_px": side, "maps": painter.maps.as_dict()}, pictures


def _of(images: Any, wanted: list[np.ndarray], pairs: list[Pair], at: int) -> list[AskedMask]:
    return [
        AskedMask(image, mask[at] >= 0.5, pair.name)
        for image, mask, pair in zip(images, wanted, pairs, strict=True)
        if image is not None and (mask[at] >= 0.5).any()
    ]


def worded(one: Request, **changes: Any) -> Request:
    """Return a request in other words, or with other masks."""
    return replace(one, wording=replace(one.wording, **changes))


def draw(
    painter: Painter, chosen: argparse.Namespace, asked: list[Request], **more: Any
) -> list[np.ndarray]:
    """Return the images of requests, all from the same seeds."""
    size = str(painter.trained_px)
    plan = SamplePlan(size=size, steps=chosen.steps, guidance=chosen.guidance, **more)
    paint = painting(painter, plan)
    drawn = [one for at in range(0, len(asked), BATCH) for one in paint(asked[at : at + BATCH])]
    return [one.pixels for one in drawn]


def photograph(pair: Pair, side: int) -> np.ndarray:
    """Return a square phantom at the side of the samples."""
    with Image.open(pair.path) as image:
        return np.array(image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))


@torch.no_grad()
def rebuilt(painter: Painter, images: np.ndarray) -> np.ndarray:
    """Return what the autoencoder makes of images."""
    given = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    made = reconstruct_images(painter.autoencoder, given.to(painter.device)).cpu()
    bytes_ = ((made.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return bytes_.permute(0, 2, 3, 1).contiguous().numpy()


def sheet(pictures: dict[str, Any]) -> None:
    """Write masks, and what was drawn of them, beside one another."""
    images = [Image.fromarray(one[row]) for row in range(SHOWN) for one in pictures.values()]
    texts = list(pictures) * SHOWN
    contact_sheet(images, texts, SHEET, columns=len(pictures), cell_px=160, heads=True)


if __name__ == "__main__":
    main()

"""Does a generator draw the vessels that a mask asks for? Phantoms, minutes on one core.

    retinaforge phantoms draw PHANTOMS --recipe captioned --count 2500 --size 256 --seed 61
    OMP_NUM_THREADS=1 python benchmarks/mask_to_fundus.py PHANTOMS AUTOENCODER [--write]

A small DiT learns phantoms' latents at 128 px beside their vessel masks (`generators.maps`), with
no words. Then it draws the masks of eyes that it has not seen, each from one seed. Our vessel
segmenter reads the drawn images; Dice with the mask that was asked for stands beside Dice with the
masks of other eyes (every image against every other mask), which share disc, arcades and field but
not the vessels. Ceilings: the segmenter on the phantoms themselves and on what the autoencoder
makes of them. Without a mask the same network draws some eye: its Dice is the floor.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from retinaforge.autoencoders import load_autoencoder, reconstruct_images
from retinaforge.core import Photograph
from retinaforge.core.artefacts import environment, write_json
from retinaforge.generators.condition import Condition
from retinaforge.generators.dit import DiT
from retinaforge.generators.flow import FlowConfig
from retinaforge.generators.maps import MapPlan, drop_maps
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.samplers import sample
from retinaforge.images import find_fov
from retinaforge.tasks.generator_rows import weights_hash
from retinaforge.tasks.latents import LatentSet, decode_latents, encode_pairs
from retinaforge.tasks.sample_conditions import read_masks
from retinaforge.tasks.sample_grid import contact_sheet
from retinaforge.training import rich_progress
from retinaforge.training.generator import (
    FlowMatching,
    GeneratorBatch,
    GeneratorConfig,
    train_generator,
)
from retinaforge.vessels.catalogue import load_judge

HERE = Path(__file__).parent / "results"
RESULT, SHEET = HERE / "mask_to_fundus.json", HERE / "mask_to_fundus.png"
SIZE, READ_PX, BATCH, SHOWN, TEXT = 128, 512, 16, 4, 8
DROPPED = 0.1
"""Share of masks that are not given, so that the network also learns to do without."""


def words(count: int) -> Condition:
    """Return conditions that say nothing."""
    return Condition(torch.zeros(count, 1, TEXT), torch.ones(count, 1, dtype=torch.bool))


def teach(
    latents: LatentSet, maps: torch.Tensor, shape: NetworkShape, folder: Path, steps: int
) -> torch.nn.Module:
    """Return a small network that has learnt latents beside maps."""
    torch.manual_seed(0)
    network = DiT(shape, width=160, depth=4, heads=4)

    def draw(index: int) -> GeneratorBatch:
        rng = np.random.default_rng([7, index])
        rows = rng.choice(len(latents), BATCH, replace=False)
        given = drop_maps(maps[rows], rng.random(BATCH) < DROPPED)
        said = words(BATCH)
        found = torch.from_numpy(np.stack([latents[row] for row in rows]))
        return GeneratorBatch(found, Condition(said.text, said.text_mask, None, given))

    method = FlowMatching(network, words(1), FlowConfig(drop=0.0), decay=0.995)
    config = GeneratorConfig(
        steps=steps, learning_rate=1e-3, precision="fp32", log_every=100, checkpoint_every=steps
    )
    train_generator(method, draw, config, folder, on_progress=rich_progress())
    return method.averaged_network()


def segment(images: torch.Tensor) -> np.ndarray:
    """Return our segmenter's vessels of images in [-1, 1], read at READ_PX, at SIZE."""
    judge = load_judge("ours")
    found = []
    for pixels in to_bytes(images):
        large = Image.fromarray(pixels).resize((READ_PX, READ_PX), Image.Resampling.BICUBIC)
        photo = Photograph(np.asarray(large), "drawn", synthetic=True)
        vessels = np.asarray(judge.mask(photo, find_fov(photo)), np.uint8) * 255
        small = Image.fromarray(vessels).resize((SIZE, SIZE), Image.Resampling.BOX)
        found.append(np.asarray(small) >= 128)
    return np.stack(found)


def to_bytes(images: torch.Tensor) -> np.ndarray:
    """Return images in [-1, 1] as RGB bytes."""
    scaled = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous().numpy()


def dice(found: np.ndarray, asked: np.ndarray) -> float:
    """Return 2 |A and B| / (|A| + |B|)."""
    return float(2 * (found & asked).sum() / max(1, found.sum() + asked.sum()))


def scores(images: torch.Tensor, asked: np.ndarray) -> dict[str, Any]:
    """Return Dice with each image's own mask and with those of all others."""
    found = segment(images)
    table = np.array([[dice(one, mask) for mask in asked] for one in found])
    own, other = np.diag(table), table[~np.eye(len(table), dtype=bool)].reshape(len(table), -1)
    return {
        "own_dice_mean": round(float(own.mean()), 4),
        "own_dice_sd": round(float(own.std(ddof=1)), 4),
        "others_dice_mean": round(float(other.mean()), 4),
        "own_mask_is_the_best_of_all": int((own > other.max(1)).sum()),
        "images": len(own),
    }


def main() -> None:
    """Teach, draw, read, print; with --write also the result and a sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("phantoms", type=Path)
    parser.add_argument("autoencoder", type=Path)
    parser.add_argument("--count", type=int, default=600, help="phantoms to learn from")
    parser.add_argument("--held-out", type=int, default=16, help="masks to draw")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}, {SHEET.name}")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    names = sorted(path.stem for path in (chosen.phantoms / "images").glob("*.png"))
    names = names[: chosen.count + chosen.held_out]
    with tempfile.TemporaryDirectory() as home:
        said = run(chosen, names, Path(home))
    said["cpu_seconds"] = round(time.process_time() - started)
    said["environment"] = environment()
    print(json.dumps({k: v for k, v in said.items() if k != "environment"}, indent=2))
    if chosen.write:
        write_json(RESULT, said)


def run(chosen: argparse.Namespace, names: list[str], home: Path) -> dict[str, Any]:
    """Return what came of it; the sheet is written on the way."""
    last = chosen.held_out
    of: Callable[[str, str], Path] = lambda layer, name: chosen.phantoms / layer / f"{name}.png"  # noqa: E731
    pairs = [SimpleNamespace(path=of("images", name), synthetic=True) for name in names]
    latents = encode_pairs(pairs, chosen.autoencoder, home / "cache", size_px=SIZE)
    decoder = load_autoencoder(chosen.autoencoder).model.eval()
    masks = torch.cat([read_masks(of("vessel", name), 1, SIZE) for name in names])
    plan = MapPlan(("vessel",), decoder.config.factor)
    maps = plan.encode(masks)
    channels, rows, columns = latents.shape
    shape = NetworkShape(
        latent_channels=channels, patch=4, text_width=TEXT, map_channels=plan.channels
    )
    seen = latents.subset(range(len(names) - last))
    network = teach(seen, maps[:-last], shape, home / "training", chosen.steps)
    held = range(len(names) - last, len(names))
    real = torch.stack([photo(of("images", names[at])) for at in held])
    asked = (masks[-last:, 0] >= 0.5).numpy()
    nothing = words(last)
    drawn = {}
    for name, given in (
        ("drawn from masks", maps[-last:]),
        ("drawn without masks", plan.absent(last, rows, columns)),
    ):
        condition = Condition(nothing.text, nothing.text_mask, None, given)
        how = {"shape": (rows, columns), "seeds": range(last), "guidance": 1.0, "steps": 25}
        moved = sample(network, condition, method="adams", **how)
        drawn[name] = decode_latents(decoder, moved, scale=latents.scale, shift=latents.shift)
    drawn["autoencoder's reconstruction"] = reconstruct_images(decoder, real)
    drawn["phantoms"] = real
    if chosen.write:
        sheet(masks[-last:], drawn)
    return {
        "results": {name: scores(images, asked) for name, images in drawn.items()},
        "size_px": SIZE,
        "read_at_px": READ_PX,
        "maps": plan.as_dict(),
        "network": network.as_dict(),
        "parameters": sum(p.numel() for p in network.parameters()),
        "taught_on": len(seen),
        "steps": chosen.steps,
        "batch": BATCH,
        "autoencoder": weights_hash(decoder.state_dict())[:16],
    }


def photo(path: Path) -> torch.Tensor:
    """Return an image at SIZE in [-1, 1]."""
    with Image.open(path) as image:
        small = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(small, np.float32) / 127.5 - 1).permute(2, 0, 1)


def sheet(masks: torch.Tensor, drawn: dict[str, torch.Tensor]) -> None:
    """Write masks, and what was drawn of them, beside one another."""
    columns = {"mask": masks.expand(-1, 3, -1, -1) * 2 - 1, **drawn}
    bytes_ = {name: to_bytes(images[:SHOWN]) for name, images in columns.items()}
    images = [Image.fromarray(one[row]) for row in range(SHOWN) for one in bytes_.values()]
    texts = list(columns) * SHOWN
    contact_sheet(images, texts, SHEET, columns=len(columns), cell_px=160, heads=True)


if __name__ == "__main__":
    main()

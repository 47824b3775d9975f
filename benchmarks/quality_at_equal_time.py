"""What the same CPU-seconds buy: reconstruction quality from scratch, ours against others'.

All networks (factor 4, 1024 codes) see the same crops of 128 px in the same order, with the same
loss (L1 + codebook), optimiser (Adam, cosine to zero over the seconds, gradients clipped at 1) and
one thread, in the precision that is fastest for each; each takes the better of two learning rates,
found in a trial of a fifth of the seconds. Then held-out photographs of 256 px are reconstructed:
PSNR inside the field of view, and the Dice of vessels found by a judge in the reconstruction
against those found in the original. `ratio` is ours over the peer's.

Run: OMP_NUM_THREADS=1 python benchmarks/quality_at_equal_time.py [--seconds 90] [--seeds 3]
     [--data ../shared/data] [--judge classical] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from peers import OURS, Peer, make_all
from retinaforge.core import Fov, Photograph, rng_for
from retinaforge.images import find_fov, normalise, read_photograph, read_records
from retinaforge.vessels import Judge, load_judge
from train_step import fastest_precision

SETS = ("chase_db1", "hrf", "drive", "les_av")
SIZE_PX, CROP_PX, BATCH = 256, 128, 4
LEARNING_RATES = (1e-3, 3e-3)


@dataclass(frozen=True)
class Square:
    """One normalised photograph."""

    photograph: Photograph
    fov: Fov

    @property
    def tensor(self) -> Tensor:
        """Return it in [-1, 1], shape (3, side, side)."""
        return torch.from_numpy(self.photograph.pixels.copy()).permute(2, 0, 1) / 127.5 - 1


def read_squares(data: Path) -> tuple[list[Square], list[Square]]:
    """Return the photographs to train on and those held out."""
    train: list[Square] = []
    held_out: list[Square] = []
    for record in read_records(data):
        if record.dataset in SETS:
            photo = read_photograph(record.path, eye=record.eye)
            done = normalise(photo, find_fov(photo), size_px=SIZE_PX)
            square = Square(done.photograph, done.fov)
            (held_out if record.split == "test" else train).append(square)
    return train, held_out


def draw(images: Tensor, seed: int, step: int) -> Tensor:
    """Return the crops of one step: a pure function of seed and step."""
    rng, crops = rng_for(seed, "crops", step), []
    for _ in range(BATCH):
        image = images[rng.integers(len(images))]
        y, x = rng.integers(0, SIZE_PX - CROP_PX + 1, 2)
        crop = image[:, y : y + CROP_PX, x : x + CROP_PX]
        crops.append(crop.flip(2) if rng.random() < 0.5 else crop)
    return torch.stack(crops)


def train_for(
    peer: Peer, images: Tensor, *, seconds: float, rate: float, seed: int, precision: str
) -> int:
    """Train until the CPU-seconds are spent, drawing crops not counted; return the steps."""
    layout = torch.channels_last if "channels-last" in precision else torch.contiguous_format
    peer.module.to(memory_format=layout).train()
    optimiser = torch.optim.Adam(peer.module.parameters(), lr=rate, betas=(0.9, 0.99))
    spent, step = 0.0, 0
    while spent < seconds:
        batch = draw(images, seed, step).contiguous(memory_format=layout)
        start = time.process_time()
        warm_up = min(1.0, (step + 1) / 20)
        optimiser.param_groups[0]["lr"] = (
            rate * warm_up * (0.01 + 0.99 * (1 + math.cos(math.pi * spent / seconds)) / 2)
        )
        with torch.autocast("cpu", torch.bfloat16, enabled="bfloat16" in precision):
            reconstruction, codebook_loss = peer.pass_through(peer.module, batch)
        loss = (reconstruction.float() - batch).abs().mean() + codebook_loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(peer.module.parameters(), 1.0)
        optimiser.step()
        step += 1
        spent += time.process_time() - start
    return step


def reconstruct(peer: Peer, squares: Sequence[Square]) -> list[np.ndarray]:
    """Return the reconstructions as pixels, in eval mode and float32."""
    peer.module.eval()
    with torch.no_grad():
        outs = [peer.pass_through(peer.module, s.tensor[None])[0][0] for s in squares]
    return [
        ((o.float().permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
        for o in outs
    ]


def psnr_db(estimate: np.ndarray, square: Square) -> float:
    """Return the PSNR inside the field of view, in dB."""
    difference = estimate.astype(float) - square.photograph.pixels
    return 10 * math.log10(255**2 / float((difference[square.fov.mask] ** 2).mean()))


def vessel_dice(estimate: np.ndarray, square: Square, judge: Judge, reference: np.ndarray) -> float:
    """Return the Dice of the judge's vessels, reconstruction against original."""
    photo = square.photograph.after(estimate, "reconstructed", synthetic=True)
    found = judge.mask(photo, square.fov)
    return 2 * float((found & reference).sum()) / max(1, int(found.sum() + reference.sum()))


def fresh(name: str, seed: int) -> Peer:
    """Return one network with the weights of a seed."""
    torch.manual_seed(seed)
    return next(peer for peer in make_all()[0] if peer.name == name)


def best_rate(name: str, images: Tensor, held_in: Sequence[Square], *, seconds: float) -> float:
    """Return the learning rate with the higher PSNR on training photographs after a trial."""
    precision = fastest_precision(fresh(name, 0), CROP_PX)
    scores: dict[float, float] = {}
    for rate in LEARNING_RATES:
        peer = fresh(name, 0)
        train_for(peer, images, seconds=seconds, rate=rate, seed=-1, precision=precision)
        outs = reconstruct(peer, held_in)
        scores[rate] = mean(psnr_db(o, s) for o, s in zip(outs, held_in, strict=True))
    return max(scores, key=scores.__getitem__)


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and judge every network with every seed; return one row each."""
    train, held_out = read_squares(options.data)
    images = torch.stack([square.tensor for square in train])
    judge = load_judge(options.judge)
    references = [judge.mask(s.photograph, s.fov) for s in held_out]
    peers, missing = make_all()
    rows: list[dict[str, Any]] = [{"peer": n, "missing": why} for n, why in missing.items()]
    for peer in peers:
        rate = best_rate(peer.name, images, train[:12], seconds=options.seconds / 5)
        precision = fastest_precision(peer, CROP_PX)
        for seed in range(options.seeds):
            trained = fresh(peer.name, seed)
            steps = train_for(
                trained, images, seconds=options.seconds, rate=rate, seed=seed, precision=precision
            )
            outs = reconstruct(trained, held_out)
            pairs = list(zip(outs, held_out, references, strict=True))
            row = {
                "peer": peer.name,
                "seed": seed,
                "steps": steps,
                "rate": rate,
                "precision": precision,
                "parameters_m": round(trained.parameters_m, 3),
                "psnr_db": round(mean(psnr_db(o, s) for o, s, _ in pairs), 3),
                "vessel_dice": round(mean(vessel_dice(o, s, judge, r) for o, s, r in pairs), 4),
                "n": len(held_out),
            }
            print(row, file=sys.stderr, flush=True)
            rows.append(row)
    return rows


def compare(rows: list[dict[str, Any]], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return ours over each peer's, by score: the mean over seeds and whether all seeds agree."""
    results: list[dict[str, Any]] = []
    for score in ("psnr_db", "vessel_dice"):
        ours = [row[score] for row in rows if row["peer"] == OURS]
        for name in dict.fromkeys(row["peer"] for row in rows if row["peer"] != OURS):
            case = f"{score} after {options.seconds:g} CPU-s"
            theirs = [row[score] for row in rows if row["peer"] == name and score in row]
            if not theirs:
                results.append({"case": case, "peer": name, "ratio": None, "missing": True})
                continue
            results.append(
                {
                    "case": case,
                    "peer": name,
                    "ours": round(mean(ours), 4),
                    "theirs": round(mean(theirs), 4),
                    "ratio": round(mean(ours) / max(mean(theirs), 1e-6), 3),
                    "ahead_in_seeds": sum(a > b for a, b in zip(ours, theirs, strict=True)),
                    "seeds": options.seeds,
                }
            )
    return results


def main() -> None:
    """Measure and print a table, or JSON on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90, help="CPU-seconds of training each")
    parser.add_argument("--seeds", type=int, default=3, help="seeds each")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1] / "../shared/data")
    parser.add_argument("--judge", default="classical", help="vessel judge: classical, ours, ...")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(options)
    results = compare(rows, options)
    if options.json:
        print(json.dumps({"results": results, "runs": rows, "judge": options.judge}, indent=2))
        return
    for row in results:
        detail = f"{row['ours']:8.3f} {row['theirs']:8.3f}" if "ours" in row else "missing"
        print(f"{row['case']:32} {row['peer']:18} {detail} ahead {row.get('ahead_in_seeds')}")


if __name__ == "__main__":
    main()

"""One optimisation step of an autoencoder with its discriminator, ours against others'.

L1 + codebook + adversarial term for the autoencoder, hinge loss for the discriminator; factor 4,
batch 4, 1024 codes, the same discriminator for all, one thread. Each network runs in the
precision that was fastest for it in a trial of its own. Repeats are interleaved, so that a busy
machine is busy for all, and the median is taken.

Run: OMP_NUM_THREADS=1 python benchmarks/train_step.py [--json] [--repeats 7] [--sizes 128 256]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from peers import OURS, Peer, make_all
from retinaforge.nets.patchgan import PatchDiscriminator

BATCH, DISCRIMINATOR_WIDTH = 4, 32
PRECISIONS = ("float32", "bfloat16", "float32 channels-last", "bfloat16 channels-last")
GOALS = {"diffusers.VQModel": 3.0, "monai VQVAE": 0.95}


def make_step(peer: Peer, size_px: int, precision: str) -> Callable[[], None]:
    """Return a function that takes one optimisation step of autoencoder and discriminator."""
    torch.manual_seed(0)
    last = "channels-last" in precision
    layout = torch.channels_last if last else torch.contiguous_format
    amp = "bfloat16" in precision
    peer.module.to(memory_format=layout)
    judge = PatchDiscriminator(width=DISCRIMINATOR_WIDTH)
    images = (torch.rand(BATCH, 3, size_px, size_px) * 2 - 1).contiguous(memory_format=layout)
    ae_optimiser = torch.optim.Adam(peer.module.parameters(), lr=1e-4)
    judge_optimiser = torch.optim.Adam(judge.parameters(), lr=1e-4)

    def step() -> None:
        judge.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            reconstruction, codebook_loss = peer.pass_through(peer.module, images)
            logits = judge(reconstruction)
        loss = (reconstruction.float() - images).abs().mean() + codebook_loss
        (loss - 0.1 * logits.float().mean()).backward()
        ae_optimiser.step()
        ae_optimiser.zero_grad()
        judge.requires_grad_(True)
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            real, fake = judge(images).float(), judge(reconstruction.detach()).float()
        (torch.relu(1 - real).mean() + torch.relu(1 + fake).mean()).backward()
        judge_optimiser.step()
        judge_optimiser.zero_grad()

    return step


def seconds(step: Callable[[], None]) -> float:
    """Return the wall-clock seconds of one step."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def fastest_precision(peer: Peer, size_px: int) -> str:
    """Return the precision whose best of two steps (after one to warm up) is the fastest."""
    best: dict[str, float] = {}
    for precision in PRECISIONS:
        step = make_step(peer, size_px, precision)
        step()
        best[precision] = min(seconds(step), seconds(step))
    return min(best, key=best.__getitem__)


def measure(size_px: int, repeats: int) -> list[dict[str, Any]]:
    """Return one row a network at one size."""
    peers, missing = make_all()
    precisions = {peer.name: fastest_precision(peer, size_px) for peer in peers}
    steps = {peer.name: make_step(peer, size_px, precisions[peer.name]) for peer in peers}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(repeats):
        for name, step in steps.items():
            times[name].append(seconds(step))
    ours = median(times[OURS])
    rows: list[dict[str, Any]] = [
        {
            "case": f"train step {size_px} px",
            "peer": peer.name,
            "seconds": round(median(times[peer.name]), 4),
            "ratio": round(median(times[peer.name]) / ours, 3),
            "goal": GOALS.get(peer.name),
            "parameters_m": round(peer.parameters_m, 3),
            "precision": precisions[peer.name],
        }
        for peer in peers
    ]
    case = f"train step {size_px} px"
    return rows + [
        {"case": case, "peer": n, "ratio": None, "missing": w} for n, w in missing.items()
    ]


def as_table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as text; ratio is our images per second to the peer's."""
    lines = [
        f"{'case':20} {'network':18} {'s/step':>7} {'ratio':>6} {'goal':>5} {'M par.':>7} precision"
    ]
    for row in rows:
        if "missing" in row:
            lines.append(f"{row['case']:20} {row['peer']:18} missing: {row['missing']}")
            continue
        goal = f"{row['goal']:.2f}" if row["goal"] else ""
        lines.append(
            f"{row['case']:20} {row['peer']:18} {row['seconds']:7.3f} {row['ratio']:6.2f} "
            f"{goal:>5} {row['parameters_m']:7.3f} {row['precision']}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print a table, or JSON on stdout and the table on stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--repeats", type=int, default=7, help="timed steps a network and size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256], help="side, px")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for size in options.sizes for row in measure(size, options.repeats)]
    print(as_table(rows), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps({"results": rows}, indent=2))


if __name__ == "__main__":
    main()

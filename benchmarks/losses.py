"""Time every loss, forward and backward: CPU seconds of one thread a batch, by precision.

python benchmarks/losses.py --squeezenet FILE [--px 256] [--batch 4] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import torch

from retinaforge.encoders import load as load_encoder
from retinaforge.losses import CATALOGUE, Term, build_terms

REPEATS = 5


def cpu_seconds(term: Term, x: torch.Tensor, y: torch.Tensor, *, half: bool) -> float:
    """Return the median CPU time of one forward and backward pass."""
    fov, times = torch.ones_like(y[:, :1]), []
    for _ in range(REPEATS + 1):
        image = x.clone().requires_grad_()
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            value = term.loss(image, y, fov)
        value.backward()
        times.append(time.process_time() - start)
    return sorted(times[1:])[REPEATS // 2]


def expressions(with_squeezenet: bool) -> list[str]:
    """Return each loss once, features as the study uses them."""
    plain = [entry.card.name for entry in CATALOGUE if not entry.needs_encoder]
    deep = ["features(vit, px=128)", "features(vit, px=128, distance=cosine_class)"]
    return plain + (["perceptual(squeezenet)"] if with_squeezenet else []) + deep


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--squeezenet", help="SqueezeNet weight file")
    parser.add_argument("--px", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    encoders = {"vit": load_encoder("random-vit-small@0")}
    if options.squeezenet:
        encoders["squeezenet"] = load_encoder(f"squeezenet:{options.squeezenet}")
    y = torch.rand(options.batch, 3, options.px, options.px) * 2 - 1
    x = (y + 0.1 * torch.randn_like(y)).clamp(-1, 1)
    results: list[dict[str, Any]] = []
    for text in expressions(bool(options.squeezenet)):
        (term,) = build_terms(text, encoders=encoders)
        seconds = [cpu_seconds(term, x, y, half=half) for half in (False, True)]
        results.append({"case": text, "float32_s": seconds[0], "bfloat16_s": seconds[1]})
        if not options.json:
            print(f"{text:48} {seconds[0]:8.4f} s float32 {seconds[1]:8.4f} s bfloat16")
    if options.json:
        print(json.dumps({"px": options.px, "batch": options.batch, "results": results}, indent=2))


if __name__ == "__main__":
    main()
